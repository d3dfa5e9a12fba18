"""Frozen configs as plain values."""

from __future__ import annotations

import enum
import functools
import hashlib
import inspect
import math
import operator
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import attrs
import tomli_w

from leanebm._shown import sentence, shown
from leanebm.errors import ConfigError
from leanebm.pipeline._parameters import Parameter, fields_of, has_fields, parameters_of
from leanebm.pipeline.parts import (
    FAMILIES,
    Family,
    Part,
    interface_of,
    is_sequence,
    kinds_within,
    takes_only_parts,
)
from leanebm.search.stacked import stack_of


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
    if file is None:
        raise ValueError(
            "it is defined at a prompt or in a notebook, so no later run could find it: put it into a .py file"
        )
    if not Path(file).stem.isidentifier():
        raise ValueError(f"{Path(file).name} cannot be imported by that name: use letters, digits and underscores")
    return Path(file).stem


@attrs.frozen(kw_only=True)
class Origin:
    """Which code a part was."""

    kind: str
    """``package.module:Name``."""

    package: str
    """The installed package and its version, or ``none`` for a file of your own."""

    sources: Mapping[str, str]
    """SHA-256, in hexadecimal, of each source file of its top-level package, by its path there; of the one file where
    it is a module by itself, or is in an archive."""


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
    if _top(module) == _top(__name__):
        return None
    kind = import_path(factory)
    package = _top(kind.partition(":")[0])  # of the program that runs, too, which is called __main__
    named = Path(getattr(sys.modules[module], "__file__", None) or "")
    file = next(filter(Path.is_file, [named, *named.parents]), None)  # the archive that a module is packed into
    if file is None:
        raise ValueError(
            f"{kind} comes from no file, so nothing can tell whether it has changed: define it in a module"
        )
    distributions = _packages(tuple(sys.path)).get(package, ())
    return Origin(
        kind=kind,
        package=f"{distributions[0]} {version(distributions[0])}" if distributions else "none",
        sources=_sources(package, file),
    )


def _top(module: str) -> str:
    return module.partition(".")[0]


def _sources(package: str, file: Path) -> dict[str, str]:
    """The hashes of what a part may import of its own: the helper beside it decides as much as its class."""
    folders = [Path(folder) for folder in getattr(sys.modules.get(package), "__path__", ())]
    files = {f"{package}/{each.relative_to(top).as_posix()}": each for top in folders for each in top.rglob("*.py")}
    return {
        name: hashlib.sha256(each.read_bytes()).hexdigest()
        for name, each in sorted((files or {file.name: file}).items())
        if each.is_file()  # editors leave links to nowhere
    }


NONE_WORD = "none"
"""How a TOML file says "no limit", or "not set"."""


@attrs.define
class SettingsWriter:
    """Turns a config into plain values, and remembers what cannot be written down and whose code the parts are."""

    read: Callable[[Parameter, object], object]
    """Reads a field's plain value back, as a later run will; raises what is wrong with it."""

    only_what_matters: bool = False
    problems: list[str] = attrs.field(factory=list)
    origins: dict[str, dict[str, str]] = attrs.field(factory=dict)
    """Which code each part is that is not ours, by its path."""

    _parts: int = attrs.field(init=False, default=0)
    """How many parts were written."""

    def whole(self, config: attrs.AttrsInstance) -> dict[str, Any]:
        """The table of ``config``.

        Raises:
            ConfigError: something in it cannot be written down.
        """
        table = self.table(_fields(config), "$")
        if self.problems:
            raise ConfigError("these settings cannot be written down, so no run could be resumed:", self.problems)
        return table

    def table(self, fields: Iterable[tuple[Parameter, Any]], path: str) -> dict[str, Any]:
        return {
            parameter.name: self._field(parameter, value, f"{path}.{parameter.name}")
            for parameter, value in fields
            if not parameter.is_secret and not (self.only_what_matters and _matters_not(parameter, value))
        }

    def _field(self, parameter: Parameter, value: Any, path: str) -> Any:
        known, parts = len(self.problems), self._parts
        written = self.plain(value, parameter.type, path)
        # A part is looked at field by field: to make it again may import the program that runs, or load a model.
        if len(self.problems) == known and self._parts == parts and not self.only_what_matters:
            self._read_back(parameter, value, written, path)
        return written

    def _read_back(self, parameter: Parameter, value: Any, written: Any, path: str) -> None:
        """Make sure that a later run gets what this one has: TOML knows no enumerations, paths or tuples."""
        try:
            file = tomli_w.dumps({"value": written}).encode()
            read = self.read(parameter, tomllib.loads(file.decode())["value"])
        except Exception as error:  # noqa: BLE001 - whatever it is, a later run meets it, too
            while isinstance(error, ExceptionGroup):  # what is wrong with a member of a list says more than the list
                error = error.exceptions[0]
            self.problems.append(f"a later run could not read {shown(written)}: {sentence(error)} @ {path}")
            return
        # Classes of fields may have no ==, or secrets: they are compared by what is written of them.
        is_same = self.plain(read, parameter.type, path) == written if has_fields(type(value)) else read == value
        if isinstance(value, tuple) and is_sequence(parameter.type):  # which does not promise more
            is_same = read == list(value)
        if not is_same or (isinstance(value, enum.Enum) and type(read) is not type(value)):
            remedy = "annotate it with its type" if parameter.type is Any else "give that, or annotate it with its type"
            self.problems.append(f"a later run would read {shown(read)} instead of {shown(value)}: {remedy} @ {path}")

    def plain(self, value: Any, declared: Any, path: str) -> Any:
        """``value`` in TOML's types; ``declared`` is its annotation."""
        interface = interface_of(declared)
        match value:
            case None:
                return NONE_WORD
            case _ if takes_only_parts(declared) and not isinstance(value, Part):
                return self._object(value, FAMILIES[interface], path)
            case enum.Enum():
                return value.value
            case Path():
                return str(value)
            case float() if math.isnan(value):
                self.problems.append(f"nan is equal to nothing, so no run could be compared with this one @ {path}")
                return None
            case bool() | int() | float() | str():
                return value
            case Mapping():
                kinds = kinds_within(declared, value)
                return {str(key): self.plain(each, next(kinds), f"{path}.{key}") for key, each in value.items()}
            case tuple() | list():
                kinds = kinds_within(declared, value)
                return [self.plain(each, next(kinds), f"{path}[{number}]") for number, each in enumerate(value)]
            case Part():
                family = FAMILIES[interface]
                return self.part(value.factory, lambda: self._part_fields(value, family), family, path)
            case _ if interface in FAMILIES:
                return self._object(value, FAMILIES[interface], path)
            case _ if attrs.has(type(value)):
                return self.table(_fields(value), path)
            case _ if has_fields(type(value)):
                return self._nested(value, path)
            case _:
                kind = type(value)
                name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
                use = "numbers, texts, lists, tables with texts for keys, or classes of fields"
                if callable(getattr(value, "tolist", None)):  # of NumPy or torch, whose numbers are not Python's
                    use = "what its .tolist() gives"
                self.problems.append(f"no setting can be a {name}: use {use} @ {path}")
                return None

    def _nested(self, value: object, path: str) -> Any:
        try:
            return self.table(fields_of(value).values(), path)
        except ValueError as error:
            self.problems.append(f"{error} @ {path}")
            return None

    def _object(self, value: object, family: Family, path: str) -> Any:
        """A part that is an object."""
        try:
            family.check(value)
        except TypeError as error:
            self.problems.append(f"{error} @ {path}")
            return None
        return self.part(type(value), lambda: fields_of(value).values(), family, path)

    def part(
        self, factory: object, fields: Callable[[], Iterable[tuple[Parameter, Any]]], family: Family, path: str
    ) -> Any:
        """A part's kind and its fields."""
        self._parts += 1
        try:
            members = stack_of(factory)
            kinds = [self._kind(each, family, f"{path}[{number}]") for number, each in enumerate(members)]
            kind = "+".join(kinds) if members else self._kind(factory, family, path)
            settings = self.table(fields(), path)
            if "kind" in settings:
                problem = f"{kind} has a setting called kind, which says in a file what a part is: rename it"
                self.problems.append(f"{problem} @ {path}")
            return {"kind": kind} | settings
        except (TypeError, ValueError) as error:
            self.problems.append(f"{error} @ {path}")
            return None

    def _part_fields(self, part: Part[Any], family: Family) -> list[tuple[Parameter, Any]]:
        """What a part that is still to be built will be given.

        Raises:
            ValueError: it cannot be built so.
        """
        if isinstance(part.factory, type):
            family.check(part.factory)
        own = parameters_of(part.factory).without(family.supplied)
        known = {parameter.name: parameter for parameter in own.parameters}
        name = getattr(part.factory, "__qualname__", shown(part.factory))
        if not own.takes_more and (unknown := [each for each in part.fields if each not in known]):
            raise ValueError(f"{name} takes no setting {', '.join(unknown)} (known here: {', '.join(known) or 'none'})")
        if missing := [each for each in known if known[each].is_required and each not in part.fields]:
            raise ValueError(f"{name} needs {', '.join(missing)}")
        given = [
            (known.get(name, Parameter(name=name, type=Any, default=None)), value)
            for name, value in part.fields.items()
        ]
        if not self.only_what_matters:
            return given  # what is read back is what was given
        left_out = [each for each in own.parameters if each.name not in part.fields and self._can_write_default(each)]
        return given + [(each, each.default) for each in left_out]

    def _can_write_default(self, parameter: Parameter) -> bool:
        """Whether a default can stand for itself, so that results of ``puct`` and ``puct:c=1.25`` may be pooled."""
        trial = SettingsWriter(self.read)
        trial.table([(parameter, parameter.default)], "$")
        return not trial.problems

    def _kind(self, factory: object, family: Family, path: str) -> str:
        """The word that picks a part, or where it is; noted is whose code it is."""
        ours = [word for word, built_in in family.built_in.items() if built_in is factory]
        kind = ours[0] if ours else import_path(factory)
        if (origin := origin_of(factory)) is not None:
            self.origins[path.removeprefix("$.")] = attrs.asdict(origin)
        return kind


def _fields(config: attrs.AttrsInstance) -> list[tuple[Parameter, Any]]:
    parameters = parameters_of(type(config)).parameters
    return [(each, getattr(config, each.attribute.name)) for each in parameters if each.attribute is not None]


def _matters_not(parameter: Parameter, value: Any) -> bool:
    is_as_before = parameter.as_before is not inspect.Parameter.empty and value == parameter.as_before
    return is_as_before or not parameter.affects_results
