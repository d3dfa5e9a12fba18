"""Finds out where in a user's own code the program is, for messages about a part that misbehaves."""

from __future__ import annotations

import asyncio
import os
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import attr

_OURS: Final = tuple(f"{Path(package).parent}{os.sep}" for package in (__file__, attr.__file__))
"""Where no part's code is: attrs checks values in the name of whoever gives them."""

_PYTHONS: Final = (sysconfig.get_paths()["stdlib"], "<frozen ")


def is_ours(file: str) -> bool:
    """Whether ``file`` is a source file of leanebm, or of attrs, which acts for it."""
    return file.startswith(_OURS)


def is_foreign(file: str) -> bool:
    """Whether ``file`` is a source file of neither leanebm nor Python."""
    return not is_ours(file) and not file.startswith("<") and not _is_pythons(file)


def where_task_is(task: asyncio.Task[Any]) -> str | None:
    """Where foreign code waits in ``task``, its outermost function first; ``None`` if there is none."""
    foreign = (f"{code.co_qualname} ({code.co_filename}, line {line})" for code, line in _awaited_by(task))
    return next(foreign, None)


def where_tasks_are(tasks: Iterable[asyncio.Task[Any]]) -> str | None:
    """Where foreign code waits in one of ``tasks``; ``None`` if there is none."""
    return next(filter(None, map(where_task_is, tasks)), None)


def where_thread_is(frame: FrameType | None) -> str | None:
    """Where foreign code keeps a thread busy whose innermost frame is ``frame``; ``None`` if it is our own code."""
    while frame is not None and _is_pythons(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None or is_ours(frame.f_code.co_filename):
        return None
    return f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}, line {frame.f_lineno})"


def _awaited_by(task: asyncio.Task[Any]) -> Iterator[tuple[CodeType, int]]:
    """The foreign ones of a task's coroutine, of what that awaits, and so on."""
    coroutine: object = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        if is_foreign(frame.f_code.co_filename):
            yield frame.f_code, frame.f_lineno
        coroutine = getattr(coroutine, "cr_await", None)


def _is_pythons(file: str) -> bool:
    return file.startswith(_PYTHONS) and "site-packages" not in file
