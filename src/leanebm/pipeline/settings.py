"""Plain tables in, frozen configs out, and back: one strict converter that reports every mistake at once.

Strict means: a key that no config knows is a mistake, ``"5"`` is not ``5``, and ``2.0`` is not ``2``. TOML
has no word for "nothing", so ``"none"`` stands for it where a setting may be absent
(``max_wall_s = "none"``). Where one of several parts can be plugged in, ``kind`` says which:
``scorer = "breadth_first"``, or ``scorer = {kind = "my_package:MyScorer", alpha = 1.0}``
(:mod:`leanebm.pipeline.parts`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import attrs
import cattrs
import tomli_w
from cattrs.errors import CattrsError, ClassValidationError, IterableValidationError, StructureHandlerNotFoundError
from cattrs.v import transform_error

from leanebm._shown import hint, raised, sentence, shown
from leanebm.errors import ConfigError, LeanInstallError
from leanebm.pipeline._parameters import Factory, Parameter, Parameters, fields_of, has_fields, parameters_of
from leanebm.pipeline._settings_writer import NONE_WORD, SettingsWriter
from leanebm.pipeline.parts import (
    FAMILIES,
    Part,
    find_factory,
    interface_of,
    is_list,
    is_part,
    is_table,
    is_union,
    kinds_within,
    length_of,
    members_of,
)
from leanebm.search.stacked import stack_of

T = TypeVar("T")

_MAX_BITS = 63
"""Of whole numbers, without the sign: as many as TOML promises."""

_MISTAKES = (
    AttributeError,  # cattrs, of what should have been a table
    CattrsError,
    ClassValidationError,
    IterableValidationError,
    LeanInstallError,
    OverflowError,
    StructureHandlerNotFoundError,
    TypeError,
    ValueError,
)
"""What a wrong setting raises while it is looked at."""

_PLAIN = (bool, int, float, str, Path)

_SCALARS: tuple[tuple[type, tuple[type, ...], str], ...] = (
    (bool, (bool,), "true or false"),
    (int, (int,), "a whole number"),
    (float, (int, float), "a number"),
    (str, (str,), "a text in quotes"),
    (Path, (str, Path), "a path in quotes"),
)


def structure_settings(table: Mapping[str, object], kind: type[T], *, source: str) -> T:
    """Build a ``kind`` (an attrs class) from nested plain values.

    Args:
        table: what a TOML file holds: strings, numbers, booleans, lists and tables.
        kind: the config class to build; its fields may be config classes themselves.
        source: where the table came from, for the error's first line.

    Raises:
        ConfigError: with every mistake, each as ``problem @ $.search.budget.max_expansions``.
    """
    try:
        return _CONVERTER.structure(table, kind)
    except _MISTAKES as error:
        raise _config_error(error, source) from None


def structure_arguments(
    table: Mapping[str, object], factory: Factory, *, supplied: frozenset[str] = frozenset(), source: str
) -> dict[str, Any]:
    """The keyword arguments for ``factory`` that a table of plain values stands for.

    Args:
        table: what a TOML file holds.
        factory: a class or function.
        supplied: arguments that come from elsewhere, and so are not settings.
        source: where the table came from, for the error's first line.

    Raises:
        ConfigError: with every mistake.
    """
    try:
        return _structured(table, factory, parameters_of(factory).without(supplied))
    except _MISTAKES as error:
        raise _config_error(error, source) from None


def unstructure_settings(config: attrs.AttrsInstance) -> dict[str, Any]:
    """The nested plain values of ``config``; secrets (fields marked ``repr=False``) are left out.

    Raises:
        ConfigError: a part cannot be written down so that a later run finds it again; each is listed.
    """
    return SettingsWriter(_read).whole(config)


def settings_that_matter(config: attrs.AttrsInstance) -> dict[str, Any]:
    """What results depend on: two runs that agree in it may be pooled.

    Every setting does, unless its field says ``metadata={"affects_results": False}``. One whose field says
    ``metadata={"as_before": …}`` is left out at that value, as it is in runs from before there was the setting. Beside
    the settings, ``part_origins`` says which code each part was that is not ours, by the setting that names it.

    Raises:
        ConfigError: as :func:`unstructure_settings`.
    """
    writer = SettingsWriter(_read, only_what_matters=True)
    table = writer.whole(config)
    return table | ({"part_origins": writer.origins} if writer.origins else {})


def to_toml(config: attrs.AttrsInstance) -> str:
    """``config`` as a TOML document that :func:`structure_settings` reads back to an equal value.

    Raises:
        ConfigError: as :func:`unstructure_settings`.
    """
    return tomli_w.dumps(unstructure_settings(config))


def _config_error(mistakes: Exception, source: str) -> ConfigError:
    problems = transform_error(mistakes, format_exception=_describe)
    return ConfigError(f"{source} has {_count(len(problems))}:", problems)


def _count(number: int) -> str:
    return "one mistake" if number == 1 else f"{number} mistakes"


# --- reading ------------------------------------------------------------------------------------


def _structure_scalar(kind: type, accepted: tuple[type, ...], wanted: str) -> Callable[[object, object], object]:
    def structure(value: object, asked: object) -> object:
        if isinstance(asked, type) and issubclass(asked, enum.Enum):
            return _structure_choice(value, asked)  # a choice of words is text itself, and comes here, too
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"expected {wanted}, got {shown(value)}")
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            raise ValueError(f"expected a number of at most {_MAX_BITS} bits, got {shown(value)}")
        if isinstance(value, str):
            value.encode()  # JSON's escapes can spell half of a surrogate pair, which no file can hold
        return kind(value)

    return structure


def _structure_choice(value: object, kind: type[enum.Enum]) -> enum.Enum:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(repr(member.value) for member in kind)
        close = hint(value, [str(member.value) for member in kind])
        raise ValueError(f"expected one of {choices}, got {shown(value)}{close}") from None


def _structure_list(kind: Any) -> Callable[[object, object], object]:
    make = tuple if tuple in (kind, get_origin(kind)) else list

    def structure(value: object, _: object) -> object:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {shown(value)}")
        if (due := length_of(kind)) not in (None, len(value)):
            raise ValueError(f"expected a list of {due}, got {shown(value)}")
        return make(_structure_members(enumerate(value), kind, value).values())

    return structure


def _structure_table(kind: Any) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected a table, got {shown(value)}")
        key = (get_args(kind) or (Any,))[0]
        members = _structure_members(value.items(), kind, value)
        return {_CONVERTER.structure(name, key): each for name, each in members.items()}

    return structure


def _structure_members(members: Iterable[tuple[Any, object]], kind: Any, whole: object) -> dict[Any, Any]:
    """What ``members``, by their places in ``whole``, stand for; every mistake in them is raised at once."""
    structured, mistakes = dict[Any, Any](), list[Exception]()
    for (place, each), member in zip(members, kinds_within(kind, whole), strict=False):
        try:
            structured[place] = _CONVERTER.structure(each, member)
        except _MISTAKES as error:
            error.add_note(cattrs.IterableValidationNote(f"Structuring {kind} @ index {place}", place, member))
            mistakes.append(error)
    if mistakes:
        raise IterableValidationError(f"While structuring {kind}", mistakes, kind)
    return structured


def _structure_union(kind: Any) -> Callable[[object, object], object]:
    """Structure what may be absent, or one of several types: the first that will have the value."""
    present, may_be_absent = members_of(kind), type(None) in get_args(kind)

    def structure(value: object, _: object) -> object:
        if may_be_absent and (value is None or value == NONE_WORD):
            return None
        mistake: Exception | None = None
        for member in present:
            try:
                return _CONVERTER.structure(value, member)
            except _MISTAKES as error:
                mistake = mistake or error
        raise mistake or TypeError(f"expected nothing, got {shown(value)}")

    return structure


def _structure_plain(value: object, _: object) -> object:
    """Take a value as it is, where no annotation says more."""
    return None if value == NONE_WORD else value


def _structure_part(declared: Any) -> Callable[[object, object], object]:
    """Structure one of several parts, named by a bare word or by ``kind`` in a table."""
    family = FAMILIES[interface_of(declared)]

    def structure(value: object, _: object) -> object:
        table = value if isinstance(value, Mapping) else {"kind": value}
        kind = table.get("kind", family.usual)
        own = {key: member for key, member in table.items() if key != "kind"}
        factory = family.finder(kind, own) or find_factory(family, kind)
        if isinstance(factory, type):
            family.check(factory)
        if any(each.name == "kind" for each in parameters_of(factory).parameters):
            raise ValueError(f"{kind} has a setting called kind, which says in a file what a part is: rename it")
        example = family.example_of(str(kind), factory)
        if family.supplied:
            given = _structured(own, factory, parameters_of(factory).without(family.supplied), example=example)
            if family.makes_bare and {*(stack_of(factory) or [factory])} <= {*family.built_in.values()}:
                _made(factory, dict.fromkeys(family.supplied) | given)
            return Part(factory, given)
        given = _structured(own, factory, parameters_of(factory), example=example)
        part = _made(factory, given)
        family.check(part)
        _refuse_drift(part, given)
        return part

    return structure


def _refuse_drift(part: object, given: Mapping[str, Any]) -> None:
    """Refuse an object that would be another one if it was made of what it keeps, which is all that a later run has."""
    try:
        fields = fields_of(part)
    except ValueError:
        return  # it is told when the settings are written down
    kept = {name: value for name, (_, value) in fields.items()}
    meant = {name: parameter.default for name, (parameter, _) in fields.items()} | dict(given)
    plain = [name for name in kept if isinstance(meant[name], _PLAIN) and isinstance(kept[name], _PLAIN)]
    changed = [name for name in plain if kept[name] != meant[name]]  # of all else, it is told when it is written down
    if not changed:
        return
    again = fields_of(_made(type(part), parameters_of(type(part)).those_named(given) | kept))
    for name in changed:
        if again[name][1] != kept[name]:
            raise ValueError(
                f"{type(part).__qualname__} makes {shown(kept[name])} of {name} = {shown(meant[name])}, and of that "
                f"{shown(again[name][1])}, so that no later run could make it again: let it keep what it is given"
            )


def _structure_config(kind: Any) -> Callable[[object, object], object]:
    """Structure and validate field by field, so that one bad field does not hide the next."""
    parameters = parameters_of(kind)

    def structure(value: object, _: object) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected a table, got {shown(value)}")
        return _built(value, kind, parameters)

    return structure


def _built(table: Mapping[str, object], factory: Factory, parameters: Parameters) -> object:
    return _made(factory, _structured(table, factory, parameters))


def _made(factory: Factory, given: Mapping[str, Any]) -> object:
    try:
        return factory(**given)
    except (ValueError, TypeError, LeanInstallError) as error:  # a rule that spans several fields, or no such Lean
        raise _all_of([error], factory) from None
    except Exception as error:  # a user's class may raise anything
        mistake = ValueError(f"could not be made: {raised(error)}")
        raise _all_of([mistake], factory) from error


def _structured(
    table: Mapping[str, object], factory: Factory, parameters: Parameters, *, example: str = ""
) -> dict[str, Any]:
    """The keyword arguments that ``table`` gives; every mistake in it is raised at once."""
    known = {parameter.name: parameter for parameter in parameters.parameters}
    given: dict[str, Any] = {}
    mistakes: list[Exception] = []
    for name, parameter in known.items():
        try:
            if name in table:
                given[name] = _structure_field(parameter, table[name], factory)
            elif parameter.is_required:
                such_as = f", such as {example}" if example else ""
                raise _noted(ValueError(f"{name!r} is required{such_as}"), parameter, factory)
        except _MISTAKES as error:
            mistakes.append(error)
    unknown = {key: value for key, value in table.items() if key not in known}
    if unknown and not parameters.takes_more:
        settable = ", ".join(_settable(parameters)) or "none"
        close = "".join(hint(each, _settable(parameters)) for each in sorted(unknown))
        mistake = f"unknown setting {', '.join(sorted(unknown))} (known here: {settable}){close}"
        mistakes.append(ValueError(mistake))
    if mistakes:
        raise _all_of(mistakes, factory)
    return given | {key: _structure_plain(value, Any) for key, value in unknown.items()}


def _settable(parameters: Parameters) -> list[str]:
    """The names that a file can give; a function, such as a clock, is given in Python only."""
    return [each.name for each in parameters.parameters if get_origin(each.type) is not Callable]


def _all_of(mistakes: Sequence[Exception], factory: Factory) -> ClassValidationError:
    return ClassValidationError(f"While structuring {factory}", mistakes, factory)  # type: ignore[arg-type]


def _structure_field(parameter: Parameter, value: object, factory: Factory) -> object:
    try:
        return _read(parameter, value)
    except _MISTAKES as error:
        secret = ValueError("does not fit; it is a secret, so it is not shown: is there a space or a line break in it?")
        raise _noted(secret if parameter.is_secret else error, parameter, factory) from None


def _read(parameter: Parameter, value: object) -> object:
    attribute = parameter.attribute
    if isinstance(parameter.type, NameError):
        raise TypeError(f"its type cannot be found ({parameter.type}): import it outside `if TYPE_CHECKING`")
    structured: object = _CONVERTER.structure(value, parameter.type)
    if attribute is not None and attribute.validator is not None:
        with suppress(AttributeError):  # one that looks at other fields has to wait until there is an object
            attribute.validator(None, attribute, structured)
    return structured


def _noted(error: Any, parameter: Parameter, factory: object) -> Any:
    """Mark ``error`` with the field it belongs to, the way cattrs does, so that its path is known."""
    note = f"Structuring {factory} @ attribute {parameter.name}"
    error.add_note(cattrs.AttributeValidationNote(note, parameter.name, parameter.type))
    return error


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, StructureHandlerNotFoundError):
        return f"no setting can be a {error.type_}: annotate it with plain types, or with classes of fields"
    return sentence(error)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook_factory(has_fields, _structure_config)
    converter.register_structure_hook_factory(is_union, _structure_union)
    converter.register_structure_hook_factory(is_list, _structure_list)
    converter.register_structure_hook_factory(is_table, _structure_table)
    converter.register_structure_hook_factory(is_part, _structure_part)
    converter.register_structure_hook_func(lambda kind: kind is Any, _structure_plain)
    for kind, accepted, wanted in _SCALARS:
        converter.register_structure_hook(kind, _structure_scalar(kind, accepted, wanted))
    for strings_or_numbers in (enum.StrEnum, enum.IntEnum):  # else the scalar's hook takes these subclasses of it
        converter.register_structure_hook(strings_or_numbers, _structure_choice)
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, enum.Enum), _structure_choice
    )
    return converter


_CONVERTER = _converter()
