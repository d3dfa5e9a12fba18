"""Questions and answers as JSON values, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from array import array
from collections.abc import Mapping
from operator import attrgetter
from typing import Any, Protocol

import attrs
from cattrs import Converter
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from leanebm import errors
from leanebm.core import (
    CertificationResult,
    Goal,
    ProofState,
    StateRef,
    TacticOutcome,
    Theorem,
)
from leanebm.errors import LeanEbmError

_json = make_converter()


class Shelf(Protocol):
    """Where states and theorems stand once each, by their digests."""

    def put(self, kind: str, digest: str, value: Mapping[str, Any]) -> None:
        """Keep ``value``, unless something of this digest is there."""
        ...

    def get(self, kind: str, digest: str) -> Mapping[str, Any]:
        """What was kept; :class:`KeyError` if nothing was."""
        ...


@attrs.frozen
class Question:
    """What was asked of one part."""

    kind: str
    """``open``, ``tactic``, ``free``, ``propose``, ``certify``, ``energy``, ``identity`` or ``encode``."""

    asked: Mapping[str, Any]
    """The request, as JSON values; states and theorems by their digests."""

    at: tuple[int, int] | None
    """Which instance of a state was meant, of several that say the same; ``None`` where there is no state."""

    words: str
    """For a person."""

    @property
    def key(self) -> str:
        """Equal for equal requests."""
        return json.dumps([self.kind, self.asked], sort_keys=True)


def digest_of(value: object) -> str:
    """Sixteen hexadecimal digits for a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def put_theorem(theorem: Theorem, shelf: Shelf) -> str:
    """The theorem's digest, under which the shelf has it from now on."""
    value = theorem_value(theorem)
    digest = digest_of(value)
    shelf.put("theorem", digest, value)
    return digest


def theorem_value(theorem: Theorem) -> dict[str, Any]:
    """The theorem as a JSON value."""
    value: dict[str, Any] = _json.unstructure(theorem)
    return value


def theorem_from(value: Any) -> Theorem:
    """The theorem that :func:`theorem_value` wrote."""
    return _json.structure(value, Theorem)


def put_state(state: ProofState, shelf: Shelf) -> str:
    """The digest of what a state says, whichever instance of it this is."""
    value = {"goals": _json.unstructure(state.goals), "key": state.key, "coupling": list(state.coupling)}
    digest = digest_of(value)
    shelf.put("state", digest, value)
    return digest


def at(state: ProofState) -> tuple[int, int]:
    """Which instance of a state this is."""
    return state.ref.epoch, state.ref.state_id


def json_of(shelf: Shelf) -> Converter:
    """Turns answers into JSON values, and back; their states go onto the shelf, and come from it."""
    json = make_converter(detailed_validation=False)
    json.register_unstructure_hook(ProofState, lambda state: {"state": put_state(state, shelf), "at": at(state)})
    json.register_structure_hook(ProofState, lambda answer, _: _state_from(answer, shelf))
    json.register_unstructure_hook(array, _vector_answer)
    json.register_structure_hook(array, lambda answer, _: _vector_from(answer))
    configure_tagged_union(TacticOutcome, json, tag_name="fate", tag_generator=attrgetter("fate.value"))
    configure_tagged_union(CertificationResult, json)
    return json


def _state_from(answer: Any, shelf: Shelf) -> ProofState:
    value = shelf.get("state", answer["state"])
    epoch, state_id = answer["at"]
    return ProofState(
        goals=_json.structure(value["goals"], tuple[Goal, ...]),
        key=value["key"],
        ref=StateRef(epoch, state_id),
        coupling=tuple(value["coupling"]),
    )


def _vector_answer(vector: array[float]) -> str:
    """A vector's float32 numbers, little-endian, in base 64."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *array("f", vector))).decode()


def _vector_from(answer: str) -> array[float]:
    packed = base64.b64decode(answer, validate=True)
    return array("f", struct.unpack(f"<{len(packed) // 4}f", packed))


def error_answer(error: LeanEbmError) -> dict[str, Any]:
    """An error of ours: its kind, its message, and what else it says."""
    kind = next(
        each for each in type(error).__mro__ if each.__name__ in errors.__all__ and each.__module__ == errors.__name__
    )
    return {"kind": kind.__name__, "args": [_plain(each) for each in error.args], "says": _plain(error.__dict__)}


def error_from(value: Any) -> LeanEbmError:
    """What :func:`error_answer` wrote; equal to it in kind, message and attributes."""
    kind = getattr(errors, value["kind"]) if value["kind"] in errors.__all__ else LeanEbmError
    args = tuple(value["args"])
    error: LeanEbmError = kind.__new__(kind, *args)
    error.__dict__.update(
        {name: tuple(each) if isinstance(each, list) else each for name, each in value["says"].items()}
    )
    return error


def _plain(value: object) -> Any:
    match value:
        case str() | bool() | int() | float() | None:
            return value
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(key): _plain(each) for key, each in value.items()}
        case _:
            return str(value)
