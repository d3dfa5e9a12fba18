"""Whose code a part is, and under which name a later run finds it again."""

from __future__ import annotations

import functools
import hashlib
import operator
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path

import attrs

from leanebm._shown import shown

__all__ = ["Origin", "import_path", "origin_of"]


def import_path(factory: object) -> str:
    """``package.module:Name`` of a class or function, under which a later run finds it again.

    Raises:
        ValueError: it could not be found again; the message says what to do.
    """
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        raise ValueError(f"{shown(factory)} has no name to be found by: give a class, or a function of a module")  # noqa: TRY004
    if "<" in name:
        raise ValueError(f"{name} is made inside a function, so no later run could find it: define it in a module")
    try:
        is_there = operator.attrgetter(name)(sys.modules[module]) is factory
    except (AttributeError, KeyError):
        is_there = False
    if not is_there:
        raise ValueError(
            f"{module} has no {name}, or another one, so no later run could find it: define it in a module"
        )
    return f"{_script() if module == '__main__' else module}:{name}"


def _script() -> str:
    """Under what name the program that runs can be imported."""
    main = sys.modules["__main__"]
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    if file is not None and (stem := Path(file).stem).isidentifier():
        return stem
    raise ValueError(
        "it is defined at a prompt or in a notebook, so no later run could find it: put it into a .py file"
    )


@attrs.frozen(kw_only=True)
class Origin:
    """Which code a part was."""

    kind: str
    """``package.module:Name``."""

    package: str
    """The installed package and its version, or ``none`` for a file of your own."""

    source_sha256: str
    """SHA-256 of its source file, in hexadecimal."""


@functools.cache
def _packages(_: tuple[str, ...]) -> Mapping[str, Sequence[str]]:
    """Which distributions each package is of. It takes about a second to read, so once for each ``sys.path``."""
    return packages_distributions()


def origin_of(factory: object) -> Origin | None:
    """Which code ``factory`` is; ``None`` for ours, whose version is recorded anyway.

    Raises:
        ValueError: no later run could find it, or it has no file.
    """
    module = str(getattr(factory, "__module__", ""))
    package = module.partition(".")[0]
    if package == __name__.partition(".")[0]:
        return None
    kind = import_path(factory)
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        raise ValueError(
            f"{kind} comes from no file, so nothing can tell whether it has changed: define it in a module"
        )
    distributions = _packages(tuple(sys.path)).get(package, ())
    return Origin(
        kind=kind,
        package=f"{distributions[0]} {version(distributions[0])}" if distributions else "none",
        source_sha256=hashlib.sha256(Path(file).read_bytes()).hexdigest(),
    )
