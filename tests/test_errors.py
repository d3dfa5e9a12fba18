"""Every exception of the tree, those of later ones included."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import leanebm
from leanebm import errors
from leanebm.errors import LeanEbmError, MissingExtra, StatementError

for _module in pkgutil.walk_packages(leanebm.__path__, "leanebm."):
    importlib.import_module(_module.name)

_SAMPLES = {
    "str": "⊢ what happened",
    "int": 3,
    "bool": True,
    "float": 1.5,
    "Sequence[str]": ("one @ here", "two @ there"),
    "object": int,
    "tuple[int, int] | None": (2, 5),
}


def _tree(root: type[LeanEbmError] = LeanEbmError) -> Iterator[type[LeanEbmError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _tree(kind)


EVERY = sorted(set(_tree()), key=lambda kind: kind.__name__)


def _sample(kind: type[LeanEbmError]) -> LeanEbmError:
    """One of ``kind``, with a value of its own for everything that its constructor takes."""
    positional: list[object] = []
    named: dict[str, object] = {}
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:  # all but self
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional.append("⊢ what happened")
        elif parameter.kind is parameter.KEYWORD_ONLY:
            named[parameter.name] = _SAMPLES[parameter.annotation]
        elif parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            positional.append(_SAMPLES[parameter.annotation])
    return kind(*positional, **named)


def _pickled(error: LeanEbmError) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


@pytest.mark.parametrize(("found", "told"), [(20, []), (21, ["  … and 1 more"]), (311, ["  … and 291 more"])])
def test_a_message_shows_the_first_mistakes_and_how_many_more_there_are(found: int, told: list[str]) -> None:
    error = errors.ConfigError("mend them", [f"mistake {number}" for number in range(found)])
    assert str(error).splitlines() == ["mend them", *(f"  - mistake {number}" for number in range(20)), *told]
    assert len(error.problems) == found


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, _pickled])
@pytest.mark.parametrize("kind", EVERY)
def test_errors_survive_copies_and_pickles(kind: type[LeanEbmError], again: Callable[[Any], Any]) -> None:
    error = _sample(kind)
    error.add_note("while searching")
    other = again(error)
    assert other is not error
    assert type(other) is kind
    assert str(other) == str(error)
    assert other.args == error.args
    assert vars(other) == vars(error)


def test_the_module_names_every_error_of_its_tree() -> None:
    own = [kind for kind in EVERY if kind.__module__ == "leanebm.errors"]
    assert [kind.__name__ for kind in own] == errors.__all__
    drawn = str(errors.__doc__)
    assert all(kind.__name__ in drawn for kind in own)


def test_what_a_refusal_says_is_kept() -> None:
    error = _pickled(StatementError("elab", "unknown x", command="goal.start"))
    assert (error.kind, error.description, error.command) == ("elab", "unknown x", "goal.start")
    assert str(error) == "Lean does not accept the theorem: unknown x"


def test_a_missing_extra_is_an_import_error_for_python_and_bad_input_for_us() -> None:
    with pytest.raises(ImportError) as caught:
        raise MissingExtra("this needs torch:", ["install it"], extra="energy")
    assert isinstance(caught.value, errors.ConfigError)
    assert str(caught.value) == "this needs torch:\n  - install it"


@pytest.mark.parametrize("kind", EVERY)
def test_what_an_error_quotes_steers_no_terminal(kind: type[LeanEbmError]) -> None:
    error = _sample(kind)
    error.args = ("Lean said \x1bc\x9b2J", *error.args[1:])
    assert not any(each in str(error) for each in "\x1b\x9b")
    assert _pickled(error).args == error.args
