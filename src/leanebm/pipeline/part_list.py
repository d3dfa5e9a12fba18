"""Lists the parts that can be plugged in, with the settings of each."""

from __future__ import annotations

import enum
import functools
import inspect
import re
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, Final, get_origin

import attrs

from leanebm._shown import fitting_repr, shown
from leanebm.pipeline._parameters import Factory, Parameter, parameters_of
from leanebm.pipeline.parts import FAMILIES, Family, find_factory

_ROLE: Final = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")
"""A cross-reference in a docstring."""

_MODULES: Final = re.compile(r"\b(?:\w+\.)+(?=\w)")
"""Where a class is defined, before its name."""


@attrs.frozen(kw_only=True)
class ListedPart:
    """A part that a word picks."""

    word: str
    line: str
    """What it does, in a sentence; or why it cannot be imported."""

    settings: tuple[str, ...]
    """Each as ``name: type = default``, or without a default if it must be given."""

    example: str
    """How a command line names it."""

    source: str
    """The package that registers it, or ``leanebm``."""

    __repr__ = fitting_repr


def listed_parts(group: str) -> Iterator[ListedPart]:
    """Our parts of the family with this entry-point group, and then those that installed packages register."""
    family = next(family for family in FAMILIES.values() if family.group == group)
    for word in sorted({*family.built_in, *family.discovered}):
        yield _listed(word, family.built_in.get(word) or family.discovered[word], family, "leanebm")
    for entry in sorted(entry_points(group=family.group)):
        source = entry.value if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
        try:
            yield _listed(entry.name, find_factory(family, entry.name), family, source)
        except ValueError as error:
            yield ListedPart(word=entry.name, line=str(error), settings=(), example=entry.name, source=source)


def _listed(word: str, factory: Factory, family: Family, source: str) -> ListedPart:
    own = parameters_of(factory).without(family.supplied)
    return ListedPart(
        word=word,
        line=_first_line(factory),
        settings=tuple(_as_text(each) for each in own.parameters if get_origin(each.type) is not Callable),
        example=family.example_of(word, factory),
        source=source,
    )


def _first_line(factory: Factory) -> str:
    if isinstance(factory, functools.partial):
        return _first_line(factory.func)
    doc = inspect.getdoc(factory) or ""
    if doc.startswith(f"{getattr(factory, '__name__', '')}("):  # what dataclasses write where nobody has
        doc = ""
    paragraph = doc.partition("\n\n")[0]
    return _ROLE.sub(r"\1", " ".join(paragraph.split())).replace("``", "")


def _as_text(parameter: Parameter) -> str:
    kind = "" if parameter.type is Any else f": {_MODULES.sub('', inspect.formatannotation(parameter.type))}"
    if parameter.is_required:
        return f"{parameter.name}{kind}"
    default = parameter.default.value if isinstance(parameter.default, enum.Enum) else parameter.default
    is_made = parameter.default is attrs.NOTHING or repr(parameter.default) == "<factory>"  # of a dataclass
    return f"{parameter.name}{kind} = {'…' if is_made else shown(default)}"
