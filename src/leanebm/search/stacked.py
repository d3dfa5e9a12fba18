"""Searches put around one another."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any, Final

from leanebm._shown import shown
from leanebm.search.best_first import BestFirstSearch

_USED_BY_EVERY_LOOP: Final = {"expand", "priority", "on_node", "_begin", "_run_tactic", "_take"}
"""What a search with a loop of its own calls as well."""


@functools.cache
def stacked(*searches: Any) -> type[Any]:
    """One search of several: each is put around the next, and takes its own settings.

    ``stacked(ProbingSearch, PuctSearch)`` is ``class Both(ProbingSearch, PuctSearch): ...``, made sure of to do
    something: where two of them override the same method, the outer one has to build on the inner one's with
    ``super()``; and around a search with a loop of its own, such as :class:`~leanebm.search.AndOrSearch`, only what
    changes candidates and scores has a say. Equal calls give the same class.

    Args:
        searches: classes made of :class:`BestFirstSearch`, the outermost first.

    Raises:
        ValueError: they do not go together; the message says why.
    """
    for search in searches:
        if not (isinstance(search, type) and issubclass(search, BestFirstSearch)):
            raise ValueError(f"{_name(search)} is not made of BestFirstSearch, so it cannot be one of several searches")  # noqa: TRY004
    for number, outer in enumerate(searches):
        for inner in searches[number + 1 :]:
            _check(outer, inner)
    try:
        return type("".join(map(_name, searches)), searches, {"stacked_of": searches})
    except TypeError:
        raise ValueError(
            f"{', '.join(map(_name, searches))} cannot be one search: one is there twice, or is put around one that "
            "is made of it"
        ) from None


def stack_of(search: object) -> tuple[type[BestFirstSearch], ...]:
    """What a search was stacked of; nothing if it was not."""
    found: tuple[type[BestFirstSearch], ...] = vars(search).get("stacked_of", ()) if isinstance(search, type) else ()
    return found


def _check(outer: type[BestFirstSearch], inner: type[BestFirstSearch]) -> None:
    for looping, other in ((outer, inner), (inner, outer)):
        idle = dict(_overridden(other)).keys() - _USED_BY_EVERY_LOOP
        if "_search" in dict(_overridden(looping)) and idle:
            raise ValueError(
                f"{_name(looping)} has a loop of its own, in which {_name(other)} would have no say: it overrides "
                f"{', '.join(sorted(idle))}"
            )
    if unheard := _unheard(outer, inner):
        advice = "leave one out" if _unheard(inner, outer) else "put them the other way round"
        raise ValueError(
            f"{_name(outer)} does not build on the {unheard}() of what it is put around, so {_name(inner)} would have "
            f"no say: {advice}"
        )


def _unheard(outer: type[BestFirstSearch], inner: type[BestFirstSearch]) -> str | None:
    """A method that both override, and the outer one without ``super()``."""
    own, theirs = dict(_overridden(outer)), dict(_overridden(inner))
    # The cell __class__ is how super() knows where it stands.
    silent = (name for name in own if name in theirs and "__class__" not in own[name].__code__.co_freevars)
    return next(silent, None)


def _overridden(search: type[BestFirstSearch]) -> Iterator[tuple[str, Any]]:
    for name, usual in vars(BestFirstSearch).items():
        found = getattr(search, name)
        if inspect.isfunction(usual) and found is not usual and not name.startswith("__"):
            yield name, inspect.unwrap(found)


def _name(search: object) -> str:
    return getattr(search, "__name__", None) or shown(search)
