"""What a target is, and what all of them share."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs

__all__ = ["Finding", "Target", "completed", "refusals", "scratch_folder", "written"]

T = TypeVar("T")


class Finding(Exception):
    """Input was taken, or refused, otherwise than it should be."""


@attrs.frozen
class Target:
    """A reader of foreign bytes, and bytes to start from."""

    harness: Callable[[bytes], None]
    """Named ``fuzz_…``. Whatever leaves it is a finding."""

    seeds: Callable[[], Sequence[bytes]]
    """Good inputs, which mutations are made of."""

    words: tuple[str, ...] = ()
    """What a mutation may put in."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return self.harness.__name__.removeprefix("fuzz_")


@contextmanager
def refusals(*kinds: type[Exception], naming: str = "") -> Iterator[None]:
    """Let errors of these kinds be, which are what bad input should end in.

    Args:
        kinds: the errors that the reader's docstring tells of.
        naming: what the message must hold, such as the file.

    Raises:
        Finding: a message does not say where the mistake is, or goes on and on.
    """
    try:
        yield
    except kinds as error:
        said = str(error)
        if naming not in said:
            raise Finding(f"{type(error).__name__} does not name {naming}: {said[:500]}") from error
        if not said.strip():
            raise Finding(f"{type(error).__name__} without a word") from error


def completed(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing but its turn: an event loop for each input would be slow."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return] # StopIteration is not generic


def written(value: object) -> bytes:
    """A value as a file would hold it.

    Raises:
        UnicodeEncodeError: there is something in it that no file can hold.
    """
    return json.dumps(value, default=_plain, ensure_ascii=False).encode()


def _plain(value: Any) -> object:
    return (
        {name: getattr(value, name) for name in attrs.fields_dict(type(value))}
        if attrs.has(type(value))
        else str(value)
    )


@cache
def scratch_folder() -> Path:
    """A folder for this process, for readers that want a file."""
    folder = Path(tempfile.mkdtemp(prefix="leanebm-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
