"""The text of a checkpoint's header: JSON for people to read, and strict when it is read back."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs
import cattrs
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.v import format_exception, transform_error

from leanebm._shown import shown_json
from leanebm.energy.checkpoint_header import CHECKPOINT_SCHEMA_VERSION, CheckpointHeader, JsonScalar

__all__ = ["WeightsFile", "header_from_json", "header_to_json"]

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class WeightsFile:
    """Which file beside the header holds the weights."""

    name: str
    """Without a folder."""

    sha256: str
    """Of the whole file, in hexadecimal."""


def header_to_json(header: CheckpointHeader, weights: WeightsFile) -> str:
    """The text of ``head.json``; plain ASCII, one field a line."""
    document = {
        "schema_version": header.schema_version,
        "weights": attrs.asdict(weights),
        "encoder_fingerprint": header.encoder.fingerprint,
        **_CONVERTER.unstructure(header),
    }
    document["metrics"] = {name: None if math.isnan(value) else value for name, value in header.metrics.items()}
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def header_from_json(text: str) -> tuple[CheckpointHeader, WeightsFile]:
    """Read what :func:`header_to_json` wrote.

    Raises:
        ValueError: it is something else; the message says what is wrong, and where.
    """
    document = _object(json.loads(text, parse_constant=_refuse_constant))
    version = document.get("schema_version")
    if version != CHECKPOINT_SCHEMA_VERSION:
        raise ValueError(
            f"it has schema version {shown_json(version)}; this leanebm reads and writes {CHECKPOINT_SCHEMA_VERSION}. "
            "Read it with the leanebm that wrote it, or train again"
        )
    weights = _structure(document.pop("weights", None), WeightsFile, "$.weights")
    fingerprint = document.pop("encoder_fingerprint", None)
    if isinstance(metrics := document.get("metrics"), dict):
        document["metrics"] = {name: math.nan if value is None else value for name, value in metrics.items()}
    header = _structure(document, CheckpointHeader, "$")
    if fingerprint != header.encoder.fingerprint:
        raise ValueError(
            f"its encoder's fingerprint is {header.encoder.fingerprint}, "
            f"but $.encoder_fingerprint says {shown_json(fingerprint)}"
        )
    return header, weights


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"it is no JSON object but {shown_json(value)}")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no JSON")


# --- the strict converter: no unknown key, no "5" for 5, every mistake with its path -------------


def _structure(value: object, kind: type[_T], path: str) -> _T:
    try:
        return _CONVERTER.structure(value, kind)
    except Exception as error:
        raise ValueError("; ".join(transform_error(error, path=path, format_exception=_describe))) from error


def _describe(error: BaseException, kind: type | None) -> str:
    if isinstance(error, ValueError | TypeError) and not isinstance(error, ForbiddenExtraKeysError):
        return str(error.args[0]) if error.args else str(error)
    return format_exception(error, kind)


def _scalar(wanted: type) -> Callable[[object, object], Any]:
    def structure(value: object, _: object) -> Any:
        if wanted is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
            raise TypeError(f"must be {wanted.__name__}, not {shown_json(value)}")
        return value

    return structure


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind in (bool, float, int, str):
        converter.register_structure_hook(kind, _scalar(kind))
    converter.register_structure_hook_func(lambda kind: kind == JsonScalar, lambda value, _: value)
    return converter


_CONVERTER: Final = _converter()
