from __future__ import annotations

import asyncio
import sys

import attr
import attrs

import leanebm
from leanebm._whereabouts import is_ours, where_task_is, where_thread_is


async def waits() -> None:
    await asyncio.sleep(3600)


async def awaits_another() -> None:
    await waits()


async def test_a_task_is_where_foreign_code_waits_first() -> None:
    task = asyncio.create_task(awaits_another())
    await asyncio.sleep(0)
    first = awaits_another.__code__.co_firstlineno
    assert where_task_is(task) == f"awaits_another ({__file__}, line {first + 1})"
    task.cancel()


async def test_a_task_of_the_library_alone_is_nowhere() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    assert where_task_is(task) is None
    task.cancel()


def test_a_thread_is_where_its_innermost_foreign_code_is() -> None:
    place = where_thread_is(sys._getframe())
    assert place is not None
    assert place.startswith("test_a_thread_is_where_its_innermost_foreign_code_is (")
    assert where_thread_is(None) is None


def test_attrs_acts_for_us_and_a_package_with_a_longer_name_does_not() -> None:
    assert is_ours(leanebm.__file__)
    assert is_ours(attr.__file__)
    assert not is_ours(attrs.__file__), "a user's class is made there, and nothing runs"
    assert not is_ours(leanebm.__file__.replace("leanebm/__init__", "leanebm_parts/__init__"))
