"""A path is a ``str`` or a ``Path``, wherever one is asked for."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import attrs
import pytest

import leanebm
from leanebm.core import Theorem
from leanebm.data import read_theorems, write_theorems
from leanebm.errors import ConfigError, EnergyError


def _offered() -> Iterator[Any]:
    for package in pkgutil.walk_packages(leanebm.__path__, "leanebm."):
        if package.ispkg and not package.name.startswith("leanebm.cli"):
            module = importlib.import_module(package.name)
            yield from (getattr(module, name) for name in getattr(module, "__all__", ()))


def _callables(offered: Any) -> Iterator[Callable[..., object]]:
    if not inspect.isclass(offered):
        yield from [offered] if inspect.isfunction(offered) else []
        return
    if not attrs.has(offered) and offered.__init__ is not object.__init__:
        yield offered.__init__
    for name, member in vars(offered).items():
        if not name.startswith("_") and isinstance(member, staticmethod | classmethod | FunctionType):
            yield getattr(offered, name)


CALLABLES = {f"{each.__module__}.{each.__qualname__}": each for one in _offered() for each in _callables(one)}
CLASSES = {each for each in _offered() if inspect.isclass(each) and attrs.has(each)}
FIELDS = [(kind, field) for kind in CLASSES for field in attrs.fields(kind) if field.init and "Path" in str(field.type)]
PATHS = sorted(((kind, field) for kind, field in FIELDS if str(field.type) in {"Path", "Path | None"}), key=str)


def test_there_is_something_to_test() -> None:
    assert len(CALLABLES) > 100
    assert len(PATHS) > 8


def test_no_function_wants_a_path_and_nothing_else() -> None:
    wanted = [
        f"{name}({parameter})"
        for name, each in sorted(CALLABLES.items())
        for parameter in inspect.signature(each).parameters.values()
        if "Path" in str(parameter.annotation)
    ]
    assert len(wanted) > 50
    assert [each for each in wanted if "PathLike" not in each and "str" not in each] == []


@pytest.mark.parametrize(("kind", "field"), PATHS)
def test_a_field_makes_a_path_of_a_string(kind: type, field: attrs.Attribute[Any]) -> None:
    assert field.converter is not None, f"{kind.__name__}.{field.name}"
    convert: Any = field.converter
    assert convert("runs/a") == Path("runs/a")


def test_folders_are_equal_however_they_were_given(tmp_path: Path) -> None:
    assert leanebm.RunFolder("runs/a") == leanebm.RunFolder(Path("runs/a"))
    write_theorems(str(tmp_path / "t.jsonl"), [Theorem(name="t", statement="True")])
    assert leanebm.load_theorems(tmp_path / "t.jsonl") == read_theorems(str(tmp_path / "t.jsonl"))


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (leanebm.load_checkpoint, EnergyError),
        (leanebm.read_run_config, ConfigError),
        (leanebm.read_trajectory, ConfigError),
        (leanebm.summarise_run, ConfigError),
    ],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_what_is_not_there_is_an_error_that_names_it(
    tmp_path: Path, call: Callable[[Any], object], error: type[Exception], kind: type
) -> None:
    with pytest.raises(error, match="nowhere"):
        call(kind(tmp_path / "nowhere"))
