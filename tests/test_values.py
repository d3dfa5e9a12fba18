"""Every public value: its ``repr`` fits a screen whatever is in it, and a copy of it is equal to it."""

from __future__ import annotations

import collections.abc
import copy
import enum
import importlib
import inspect
import pickle
import pkgutil
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import leanebm
from leanebm.errors import ConfigError, LeanError, StatementError
from leanebm.pipeline import ProofFileReport, SearchedTheorem

MAX_CHARS, MAX_LINES = 500, 10

TEXT = "a b : Nat\nh : a = b\n⊢ b + 0 = a + 0\n" * 12
MANY = 12


def _public_classes() -> Iterator[type]:
    for package in pkgutil.walk_packages(leanebm.__path__, "leanebm."):
        if package.ispkg and not package.name.startswith("leanebm.cli"):
            module = importlib.import_module(package.name)
            offered = (getattr(module, name) for name in getattr(module, "__all__", ()))
            yield from (value for value in offered if inspect.isclass(value))


PUBLIC = sorted(set(_public_classes()), key=lambda kind: (kind.__module__, kind.__qualname__))
VALUES = [kind for kind in PUBLIC if attrs.has(kind)]
COMPARED = [kind for kind in VALUES if kind.__eq__ is not object.__eq__]


def sample(kind: Any) -> Any:
    """A value of the type ``kind`` that holds as much as one ever will; nothing checks it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        return sample(next(each for each in arguments if each is not type(None)))
    if origin is tuple and arguments[-1:] != (...,):
        return tuple(map(sample, arguments))
    if origin in {tuple, list, collections.abc.Sequence, frozenset, set}:
        held = [sample(arguments[0])] * MANY
        return held if origin is list else frozenset(held) if origin in {frozenset, set} else tuple(held)
    if origin in {dict, collections.abc.Mapping}:
        return {f"{number} {TEXT}": sample(arguments[1]) for number in range(MANY)}
    if inspect.isclass(kind) and issubclass(kind, enum.Enum):
        return next(iter(kind))
    if inspect.isclass(kind) and attrs.has(kind):
        return filled(kind)
    plain = {int: 10**9, float: -1.234567890123, bool: True, Path: Path("/a/long/way") / ("x" * 200)}
    return plain.get(kind, TEXT)


def filled(kind: type) -> Any:
    """An instance of an attrs class that was never initialised, so that nothing checks or converts it."""
    try:
        hints = typing.get_type_hints(kind)
    except NameError:  # a type that only checkers import
        hints = {}
    value: Any = object.__new__(kind)
    _filling.append(kind)
    for field in attrs.fields(kind):
        # A node has a parent, which is a node; it is left at that.
        content = None if _filling.count(kind) > 1 else sample(hints.get(field.name, str))
        object.__setattr__(value, field.name, content)
    _filling.pop()
    return value


_filling: list[type] = []


@pytest.mark.parametrize("kind", VALUES)
def test_a_repr_fits_a_screen(kind: type) -> None:
    text = repr(filled(kind))
    assert text.startswith(kind.__name__)
    assert len(text) <= MAX_CHARS
    assert len(text.splitlines()) <= MAX_LINES


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, _pickled])
@pytest.mark.parametrize("kind", COMPARED)
def test_a_copy_is_equal(kind: type, again: Callable[[Any], Any]) -> None:
    value = filled(kind)
    other = again(value)
    assert type(other) is kind
    assert other == value


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, _pickled])
def test_a_copy_of_what_holds_an_error_is_equal(again: Callable[[Any], Any]) -> None:
    theorem = leanebm.Theorem(name="t", statement="x")
    refused = SearchedTheorem(theorem=theorem, error=StatementError("elab", "unknown x"))
    unread = ProofFileReport(path="t.lean", result=ConfigError("cannot read it", ["line 1"]))
    for value in (refused, unread):
        assert again(value) == value
    assert refused != SearchedTheorem(theorem=theorem, error=StatementError("elab", "unknown y"))
    assert unread != ProofFileReport(path="t.lean", result=LeanError(str(unread.result)))


def test_nothing_public_shows_its_address() -> None:
    kinds = [kind for kind in PUBLIC if not (issubclass(kind, BaseException) or inspect.isabstract(kind))]
    made = [kind for kind in kinds if not getattr(kind, "_is_protocol", False)]
    assert len(made) > 100
    assert [kind.__qualname__ for kind in made if kind.__repr__ is object.__repr__] == []
