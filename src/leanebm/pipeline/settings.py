"""Plain tables in, frozen configs out, and back: one strict converter that reports every mistake at once.

Strict means: a key that no config knows is a mistake, ``"5"`` is not ``5``, and ``2.0`` is not ``2``. TOML
has no word for "nothing", so ``"none"`` stands for it where a setting may be absent
(``max_wall_s = "none"``). Where one of several parts can be plugged in, ``kind`` says which:
``scorer = "breadth_first"``, or ``scorer = {kind = "length_normalised", alpha = 1.0}``.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import attrs
import cattrs
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError
from cattrs.v import transform_error

from leanebm._shown import shown
from leanebm.core import StateScorer
from leanebm.errors import ConfigError, LeanInstallError
from leanebm.lean import CommandBackend, EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.search.scorers import BreadthFirst, CumulativeLogProb, LengthNormalisedLogProb, NegativeEnergy

__all__ = ["NONE_WORD", "structure_settings", "to_toml", "unstructure_settings"]

T = TypeVar("T")

NONE_WORD = "none"
"""How a TOML file says "no limit", or "not set"."""

_KINDS: Mapping[object, Mapping[str, type]] = {
    LeanBackend: {
        "command": CommandBackend,
        "embedded": EmbeddedBackend,
        "native": NativeBackend,
        "pantograph": PantographBackend,
    },
    StateScorer: {
        "breadth_first": BreadthFirst,
        "cumulative": CumulativeLogProb,
        "length_normalised": LengthNormalisedLogProb,
        "negative_energy": NegativeEnergy,
    },
}
"""What may stand where a setting is an interface, by the word that picks it."""

_DISCOVERED: Mapping[object, Mapping[str, Callable[[], object]]] = {
    LeanBackend: {
        "auto": lambda: LeanPoolConfig.auto().backend,
        "pantograph": lambda: LeanPoolConfig.with_bundled_pantograph().backend,
    },
}
"""Words that pick a part by looking at this machine; what was found is what gets written down."""

_MAX_BITS = 63
"""Of whole numbers, without the sign: as many as TOML promises."""

_MISTAKES = (ClassValidationError, LeanInstallError, OverflowError, TypeError, ValueError)
"""What a wrong setting raises while it is looked at."""

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
        problems = transform_error(error, format_exception=_describe)
        raise ConfigError(f"{source} has {_count(len(problems))}:", problems) from None


def unstructure_settings(config: attrs.AttrsInstance) -> dict[str, Any]:
    """The nested plain values of ``config``; secrets (fields marked ``repr=False``) are left out."""
    return {
        attribute.name: _plain(getattr(config, attribute.name))
        for attribute in attrs.fields(type(config))
        if attribute.init and attribute.repr
    }


def to_toml(config: attrs.AttrsInstance) -> str:
    """``config`` as a TOML document that :func:`structure_settings` reads back to an equal value."""
    return "\n".join(_toml_lines(unstructure_settings(config), ())) + "\n"


def _count(number: int) -> str:
    return "one mistake" if number == 1 else f"{number} mistakes"


# --- reading ------------------------------------------------------------------------------------


def _structure_scalar(kind: type, accepted: tuple[type, ...], wanted: str) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
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
        raise ValueError(f"expected one of {choices}, got {shown(value)}") from None


def _structure_tuple(kind: Any) -> Callable[[object, object], tuple[object, ...]]:
    member = get_args(kind)[0]

    def structure(value: object, _: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise TypeError(f"expected a list, got {shown(value)}")
        return tuple(_CONVERTER.structure(each, member) for each in value)

    return structure


def _structure_optional(kind: Any) -> Callable[[object, object], object]:
    (present,) = (member for member in get_args(kind) if member is not type(None))

    def structure(value: object, _: object) -> object:
        return None if value is None or value == NONE_WORD else _CONVERTER.structure(value, present)

    return structure


def _structure_kind(interface: Any) -> Callable[[object, object], object]:
    """Structure one of several parts, named by a bare word or by ``kind`` in a table."""
    kinds, discovered = _KINDS[interface], _DISCOVERED.get(interface, {})

    def structure(value: object, _: object) -> object:
        table = value if isinstance(value, Mapping) else {"kind": value}
        word = table.get("kind")
        if table.keys() == {"kind"} and isinstance(word, str) and word in discovered:
            return discovered[word]()
        if not isinstance(word, str) or word not in kinds:
            choices = ", ".join(map(repr, sorted({*kinds, *discovered})))
            raise ValueError(f"expected one of {choices}, got {shown(word)}")
        rest = {key: member for key, member in table.items() if key != "kind"}
        return _CONVERTER.structure(rest, kinds[word])

    return structure


def _structure_config(kind: Any) -> Callable[[object, object], object]:
    """Structure and validate field by field, so that one bad field does not hide the next."""
    attrs.resolve_types(kind)
    fields = {attribute.name: attribute for attribute in attrs.fields(kind) if attribute.init}

    def structure(value: object, _: object) -> object:
        if not isinstance(value, Mapping):
            raise TypeError(f"expected a table, got {shown(value)}")
        given: dict[str, object] = {}
        mistakes: list[Exception] = []
        for name, attribute in fields.items():
            try:
                if name in value:
                    given[name] = _structure_field(attribute, value[name], kind)
                elif attribute.default is attrs.NOTHING:
                    raise _noted(ValueError("is required"), attribute, kind)
            except _MISTAKES as error:
                mistakes.append(error)
        if unknown := {key for key in value if key not in fields}:
            mistakes.append(ForbiddenExtraKeysError(None, kind, unknown))
        if not mistakes:
            try:
                return kind(**given)
            except (ValueError, TypeError) as error:  # a rule that spans several fields
                mistakes.append(error)
        raise ClassValidationError(f"While structuring {kind.__name__}", mistakes, kind)

    return structure


def _structure_field(attribute: attrs.Attribute[Any], value: object, kind: Any) -> object:
    try:
        structured = _CONVERTER.structure(value, cast("type[Any]", attribute.type))
        if attribute.validator is not None:
            attribute.validator(None, attribute, structured)
    except _MISTAKES as error:
        is_secret = not attribute.repr
        mistake = ValueError("is not what it should be; it is a secret, so it is not shown") if is_secret else error
        raise _noted(mistake, attribute, kind) from None
    return structured


def _noted(error: Any, attribute: attrs.Attribute[Any], kind: type) -> Any:
    """Mark ``error`` with the field it belongs to, the way cattrs does, so that its path is known."""
    note = f"Structuring class {kind.__qualname__} @ attribute {attribute.name}"
    error.add_note(cattrs.AttributeValidationNote(note, attribute.name, attribute.type))
    return error


def _describe(error: BaseException, _: type | None) -> str:
    if isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(attribute.name for attribute in attrs.fields(error.cl) if attribute.init)
        unknown = ", ".join(sorted(error.extra_fields))
        return f"unknown setting {unknown} (known here: {known})"
    # attrs puts the attribute and the value behind the sentence; a person reads the sentence.
    return str(error.args[0]) if error.args else str(error)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook_factory(attrs.has, _structure_config)
    converter.register_structure_hook_factory(_is_optional, _structure_optional)
    converter.register_structure_hook_factory(_is_tuple, _structure_tuple)
    converter.register_structure_hook_factory(lambda kind: kind in _KINDS, _structure_kind)
    for kind, accepted, wanted in _SCALARS:
        converter.register_structure_hook(kind, _structure_scalar(kind, accepted, wanted))
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, enum.Enum), _structure_choice
    )
    return converter


def _is_optional(kind: object) -> bool:
    members = get_args(kind)
    return len(members) == 2 and type(None) in members


def _is_tuple(kind: object) -> bool:
    return getattr(kind, "__origin__", None) is tuple and get_args(kind)[-1] is Ellipsis


_CONVERTER = _converter()

# --- writing ------------------------------------------------------------------------------------

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def _plain(value: Any) -> Any:
    match value:
        case None:
            return NONE_WORD
        case enum.Enum():
            return value.value
        case Path():
            return str(value)
        case Mapping():
            return {key: _plain(member) for key, member in value.items()}
        case tuple() | list():
            return [_plain(member) for member in value]
        case _ if attrs.has(type(value)):
            return _kind_of(value) | unstructure_settings(value)
        case _:
            return value


def _kind_of(value: object) -> dict[str, str]:
    """The word that picks ``value`` among the parts that could stand in its place."""
    words = [word for kinds in _KINDS.values() for word, kind in kinds.items() if kind is type(value)]
    return {"kind": words[0]} if words else {}


def _toml_lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    lines = [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in table.items() if key not in tables]
    for key, value in tables.items():
        lines += ["", f"[{'.'.join(map(_toml_key, (*path, key)))}]", *_toml_lines(value, (*path, key))]
    return lines


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_value(key)


def _toml_value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # JSON's escapes are TOML's, except that TOML also wants DEL escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list():
            return f"[{', '.join(map(_toml_value, value))}]"
        case _:
            return repr(value)  # int and float: Python's inf, nan and exponents are TOML's
