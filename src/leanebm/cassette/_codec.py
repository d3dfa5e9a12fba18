"""Questions and answers as JSON values, and back."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import attrs
from cattrs.preconf.json import make_converter

from leanebm import errors
from leanebm.core import (
    Candidate,
    Certificate,
    CertificationRejected,
    CertificationResult,
    EncoderIdentity,
    Goal,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    StateRef,
    TacticFate,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
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


def state_answer(state: ProofState, shelf: Shelf) -> dict[str, Any]:
    """A state as part of an answer."""
    return {"state": put_state(state, shelf), "at": list(at(state))}


def state_from(answer: Any, shelf: Shelf) -> ProofState:
    """The state of an answer."""
    value = shelf.get("state", answer["state"])
    epoch, state_id = answer["at"]
    return ProofState(
        goals=_json.structure(value["goals"], tuple[Goal, ...]),
        key=value["key"],
        ref=StateRef(epoch, state_id),
        coupling=tuple(value["coupling"]),
    )


def outcome_answer(outcome: TacticOutcome, shelf: Shelf) -> dict[str, Any]:
    """What became of a tactic."""
    told: dict[str, Any] = {"fate": outcome.fate.value, "elapsed_s": outcome.elapsed_s}
    if isinstance(outcome, ProofAdvanced | ProofFinished):
        return told | state_answer(outcome.state, shelf)
    return told | {"message": outcome.message}


def outcome_from(answer: Any, shelf: Shelf) -> TacticOutcome:
    """What :func:`outcome_answer` wrote."""
    fate, elapsed_s = TacticFate(answer["fate"]), float(answer["elapsed_s"])
    match fate:
        case TacticFate.ADVANCED:
            return ProofAdvanced(state_from(answer, shelf), elapsed_s)
        case TacticFate.FINISHED:
            return ProofFinished(state_from(answer, shelf), elapsed_s)
        case TacticFate.REJECTED:
            return TacticRejected(str(answer["message"]), elapsed_s)
        case TacticFate.TIMED_OUT:
            return TacticTimedOut(str(answer["message"]), elapsed_s)
        case _:
            raise ValueError(f"no outcome of a tactic is {fate.value}")


def candidates_answer(candidates: Sequence[Candidate]) -> Any:
    """What a policy proposed."""
    return _json.unstructure(tuple(candidates))


def candidates_from(answer: Any) -> tuple[Candidate, ...]:
    """What :func:`candidates_answer` wrote."""
    return _json.structure(answer, tuple[Candidate, ...])


def verdict_answer(verdict: CertificationResult) -> dict[str, Any]:
    """A certificate, or why there is none."""
    return {"certified": isinstance(verdict, Certificate), "is": _json.unstructure(verdict)}


def verdict_from(answer: Any) -> CertificationResult:
    """What :func:`verdict_answer` wrote."""
    if answer["certified"]:
        return _json.structure(answer["is"], Certificate)
    return _json.structure(answer["is"], CertificationRejected)


def identity_answer(identity: EncoderIdentity) -> Any:
    """Which encoder it is."""
    return _json.unstructure(identity)


def identity_from(answer: Any) -> EncoderIdentity:
    """What :func:`identity_answer` wrote."""
    return _json.structure(answer, EncoderIdentity)


def vector_answer(vector: array[float]) -> str:
    """A vector's float32 numbers, little-endian, in base 64."""
    return base64.b64encode(_little_endian(array("f", vector)).tobytes()).decode()


def vector_from(answer: str) -> array[float]:
    """What :func:`vector_answer` wrote."""
    vector = array("f")
    vector.frombytes(base64.b64decode(answer, validate=True))
    return _little_endian(vector)


def _little_endian(vector: array[float]) -> array[float]:
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


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
