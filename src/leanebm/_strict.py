"""JSON that others wrote, taken strictly: no unknown key, no ``"5"`` for 5, and every mistake with its path."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import cattrs
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.v import format_exception, transform_error

from leanebm._shown import sentence, shown_json


def parse_json(text: str | bytes) -> Any:
    """The value that a text holds.

    Raises:
        ValueError, RecursionError: it is not JSON; ``NaN`` and ``Infinity`` are not, either.
    """
    return json.loads(text, parse_constant=_refuse_constant)


def strict_converter() -> cattrs.Converter:
    """Builds attrs classes out of JSON's values, each number and text of the very type that is declared."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (bool, float, int, str):
        converter.register_structure_hook(kind, _scalar(kind))
    return converter


def mistakes_in(error: BaseException, path: str) -> list[str]:
    """What a converter found wrong, each as ``problem @ path``."""
    return transform_error(error, path=path, format_exception=_describe)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is not JSON")


def _scalar(wanted: type) -> Callable[[object, object], Any]:
    accepted = (int, float) if wanted is float else (wanted,)

    def structure(value: object, _: object) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and wanted is not bool):
            raise TypeError(f"must be {wanted.__name__}, not {shown_json(value)}")
        if wanted is float and isinstance(value, int | float) and abs(value) > sys.float_info.max:
            raise ValueError(f"must be a finite number, not {shown_json(value)}")
        return wanted(value)

    return structure


def _describe(error: BaseException, kind: type | None) -> str:
    """What is wrong in words, where cattrs alone would only say that something is."""
    if isinstance(error, ValueError | TypeError) and not isinstance(error, ForbiddenExtraKeysError):
        return sentence(error)
    return format_exception(error, kind)
