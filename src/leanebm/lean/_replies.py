"""What a worker answers: JSON in, values out. Pure: no I/O, no process, no clock.

A reply with an ``error`` key is a refusal; what else it may look like depends on its command, and there is one
decoder per command. A decoder goes by the keys that a reply has, never by a version. A reply that has none of its
command's shapes is malformed: nothing is guessed, least of all a proof.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from leanebm._shown import shown
from leanebm.core.proof_state import Goal, Hypothesis, ProofState, StateRef
from leanebm.core.theorem_text import ERASURE_LINE
from leanebm.errors import CommandRefused
from leanebm.lean._goal_text import parse_goal_text, render_goal, text_key, without_macro_scopes

JsonObject = Mapping[str, object]

T = TypeVar("T")

MISUSE: Final = frozenset({"command", "arguments", "operation", "main"})
"""Kinds of refusal that say that the worker did not understand the request: our mistake, never the tactic's."""

INTERRUPTED: Final = "interrupt"
"""All that Lean says when it gives something up for having run out of time."""

USES_SORRY: Final = re.compile(r"declaration uses ['`]sorry['`]")
"""What Lean warns of; newer versions have the other quotation marks."""

_LIMITS = ("(deterministic) timeout", "maximum recursion depth", "maximum number of heartbeats")


class MalformedReplyError(ValueError):
    """A reply that is not the protocol; the pipe it came from cannot be trusted any more."""


def expect(reply: JsonObject, key: str, kind: type[T]) -> T:
    """The value under ``key``, which must be there and be a ``kind``.

    Raises:
        MalformedReplyError: it is not there, or is something else.
    """
    value = optional(reply, key, kind)
    if value is None:
        raise MalformedReplyError(f"no {key!r} among {sorted(reply)}")
    return value


def optional(reply: JsonObject, key: str, kind: type[T]) -> T | None:
    """The value under ``key``, or ``None`` where it is missing or null.

    Raises:
        MalformedReplyError: it is neither null nor a ``kind``.
    """
    value = reply.get(key)
    # JSON distinguishes true from 1; Python's isinstance(True, int) would not.
    if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return value
    raise MalformedReplyError(f"{key!r} should be of type {kind.__name__}, not {type(value).__name__}")


# --- values ---


@attrs.frozen
class UnusableState:
    """A state that exists and must not be used."""

    ref: StateRef
    objection: str


def ref_in(reply: object) -> StateRef | None:
    """Where the state is that ``reply`` shows or names; ``None`` for a reply about no state."""
    match reply:
        case ProofState(ref=ref) | UnusableState(ref=ref):
            return ref
        case StateRef():
            return reply
    return None


@attrs.frozen
class TacticFailed:
    """Lean refused the tactic; no state was made."""

    message: str


@attrs.frozen
class LimitReached:
    """The tactic ran into Lean's own limits; no state was made and the worker is usable."""

    message: str


@attrs.frozen
class CertifiedReply:
    """A certificate, as the worker reports it."""

    statement: str
    fingerprint: str
    axioms: tuple[str, ...]
    constants: tuple[str, ...]
    trusted_constants: tuple[str, ...]
    lean_version: str


@attrs.frozen
class CertifyRejectedReply:
    """A rejection, as the worker reports it."""

    reason: str
    message: str


@attrs.frozen
class LibraryTheoremReply:
    """A theorem of the library that a person would state."""

    name: str
    module: str
    statement: str
    fingerprint: str


@attrs.frozen
class LibraryPage:
    """Some theorems of the library, and where to go on."""

    theorems: tuple[LibraryTheoremReply, ...]
    next_offset: int | None


@attrs.frozen
class UnitMessages:
    """The commands of a processed text, and everything Lean said about them."""

    messages: tuple[tuple[str, str], ...]
    """Severity and text of each."""

    starts: tuple[int, ...]
    """Where each command begins, in bytes of the text."""


_PLACE: Final = re.compile(r"^<Pantograph>:(\d+):(\d+): ", re.MULTILINE)


def _in_words(message: str) -> str:
    """``message`` without places in text that the worker wrapped ours in, which nobody has seen."""
    return _PLACE.sub("", message)


# --- decoders ---


def refuse_if_error(reply: JsonObject, command: str) -> None:
    """Raise if the reply is a refusal.

    Raises:
        CommandRefused: the reply is ``{"error": kind, "desc": description}``.
    """
    if "error" in reply:
        said = expect(reply, "desc", str)
        at = _PLACE.match(said)
        place = None if at is None else (int(at[1]), int(at[2]))
        raise CommandRefused(expect(reply, "error", str), _in_words(said), command=command, place=place)


def start_reply(reply: JsonObject, epoch: int) -> ProofState | StateRef:
    """Decode ``goal.start`` of the worker ``epoch``: the state, or where it is if the worker has to be asked for it."""
    refuse_if_error(reply, "goal.start")
    ref = StateRef(epoch, _state_id(reply, "stateId"))
    return ref if optional(reply, "goals", list) is None else _state(reply, ref)


def tactic_reply(reply: JsonObject, epoch: int) -> ProofState | UnusableState | TacticFailed | LimitReached:
    """Decode ``goal.tactic`` of the worker ``epoch``: success, failed tactic, text that does not parse, or an error.

    A success has a new state id **and** a list of goals; one without the other breaks the protocol,
    and is certainly no proof.

    Raises:
        CommandRefused: the worker did not understand the request, or does not have the state.
        MalformedReplyError: the reply has none of the four shapes.
    """
    try:
        refuse_if_error(reply, "goal.tactic")
    except CommandRefused as refusal:
        if refusal.kind in MISUSE or refusal.kind == "index":
            raise
        return _limit_in(refusal.description) or TacticFailed(f"{refusal.kind}: {refusal.description}")
    if "goals" in reply or "nextStateId" in reply or "stateId" in reply:
        ref = StateRef(epoch, _state_id(reply, "nextStateId" if "nextStateId" in reply else "stateId"))
        state, objection = _state(reply, ref), _objection(reply)
        return state if objection is None else UnusableState(ref, objection)
    if (parse_error := optional(reply, "parseError", str)) is not None:
        return TacticFailed(_in_words(parse_error))
    errors = _errors(reply) or _texts(reply, "tacticErrors")
    if not errors:
        raise MalformedReplyError(f"neither a new state nor a reason why there is none, only {sorted(reply)}")
    return _failure(errors)


def print_reply(reply: JsonObject, ref: StateRef) -> ProofState:
    """Decode ``goal.print`` of the state at ``ref``, asked with ``goals``."""
    refuse_if_error(reply, "goal.print")
    return _state(reply, ref)


def certify_reply(reply: JsonObject) -> CertifiedReply | CertifyRejectedReply:
    """Decode ``proof.certify``."""
    refuse_if_error(reply, "proof.certify")
    if (rejected := optional(reply, "rejected", dict)) is not None:
        return CertifyRejectedReply(expect(rejected, "reason", str), expect(rejected, "message", str))
    certificate: JsonObject = expect(reply, "certificate", dict)
    return CertifiedReply(
        statement=expect(certificate, "statement", str),
        fingerprint=expect(certificate, "fingerprint", str),
        axioms=names_in(certificate, "axioms"),
        constants=names_in(certificate, "constants"),
        trusted_constants=names_in(certificate, "trustedConstants"),
        lean_version=expect(certificate, "leanVersion", str),
    )


def library_reply(reply: JsonObject) -> LibraryPage:
    """Decode ``env.theorems``."""
    refuse_if_error(reply, "env.theorems")
    theorems = tuple(
        LibraryTheoremReply(
            *(expect(_object(item), key, str) for key in ("name", "module", "statement", "fingerprint"))
        )
        for item in expect(reply, "theorems", list)
    )
    return LibraryPage(theorems, optional(reply, "next", int))


def apart_reply(reply: JsonObject) -> tuple[str, ...]:
    """Decode ``env.apart``: commands, each of which takes attributes off and does nothing else."""
    refuse_if_error(reply, "env.apart")
    commands = tuple(expect(reply, "commands", list))
    for command in commands:
        if not isinstance(command, str) or ERASURE_LINE.fullmatch(command) is None:
            raise MalformedReplyError(f"{command!r} does not take an attribute off a name")
    return commands


def module_reply(reply: JsonObject) -> str | None:
    """Decode ``env.inspect`` for the module of a constant: empty for one of no module, ``None`` where it is unknown."""
    if reply.get("error") == "index":
        return None
    refuse_if_error(reply, "env.inspect")
    return optional(reply, "module", str) or ""


def modules_reply(reply: JsonObject) -> tuple[str, ...]:
    """Decode ``env.describe`` for the modules, in the order of their loading."""
    refuse_if_error(reply, "env.describe")
    modules = expect(reply, "modules", list)
    if not all(isinstance(module, str) for module in modules):
        raise MalformedReplyError("'modules' should hold names")
    return tuple(modules)


def text_reply(command: str, *path: str) -> Callable[[JsonObject], str]:
    """A decoder for the one string at ``path`` in the reply to ``command``; empty where it is missing."""

    def decode(reply: JsonObject) -> str:
        refuse_if_error(reply, command)
        for key in path[:-1]:
            reply = optional(reply, key, dict) or {}
        return optional(reply, path[-1], str) or ""

    return decode


def units_reply(reply: JsonObject) -> UnitMessages:
    """Decode ``frontend.process``."""
    refuse_if_error(reply, "frontend.process")
    units = [_object(unit) for unit in expect(reply, "units", list)]
    messages = [_object(message) for unit in units for message in optional(unit, "messages", list) or ()]
    return UnitMessages(
        messages=tuple((expect(m, "severity", str), expect(m, "data", str)) for m in messages),
        starts=tuple(_start(unit) for unit in units),
    )


def _start(unit: JsonObject) -> int:
    boundary = expect(unit, "boundary", list)
    if not boundary or not isinstance(boundary[0], int):
        raise MalformedReplyError(f"a command's boundary is {shown(boundary)}")
    return boundary[0]


def _state(reply: JsonObject, ref: StateRef) -> ProofState:
    items = expect(reply, "goals", list)
    goals = tuple(_goal_of_text(item) if isinstance(item, str) else _goal(_object(item)) for item in items)
    return ProofState(goals, optional(reply, "key", str) or text_key(goals), ref, _coupling(reply, goals))


def _coupling(reply: JsonObject, goals: tuple[Goal, ...]) -> tuple[int, ...]:
    groups = optional(reply, "groups", list)
    if groups is None:  # plain Pantograph does not say
        return (0,) * len(goals)
    if len(groups) != len(goals) or not all(type(group) is int for group in groups):
        raise MalformedReplyError(f"'groups' should be {len(goals)} numbers, not {shown(groups)}")
    return tuple(groups)


def _objection(reply: JsonObject) -> str | None:
    if optional(reply, "hasSorry", bool):
        return "the tactic leaves a sorry behind"
    if optional(reply, "hasUnsafe", bool):
        return "the tactic uses an unsafe definition"
    # Error recovery may let a tactic "succeed" that reported an error.
    errors = _errors(reply)
    return "\n".join(errors) if errors else None


def _failure(errors: Sequence[str]) -> TacticFailed | LimitReached:
    message = "\n".join(errors)
    return _limit_in(message) or TacticFailed(message)


def _limit_in(message: str) -> LimitReached | None:
    """The limit that ``message`` is about, without Lean's advice to set options, which a proof may not."""
    if message != INTERRUPTED and not any(limit in message for limit in _LIMITS):
        return None
    lines = [line for line in message.splitlines() if line.strip() and "`set_option " not in line]
    return LimitReached("\n".join(lines))


def _errors(reply: JsonObject) -> list[str]:
    """Texts of the error messages; older servers send bare strings, and only errors."""
    errors = []
    for message in optional(reply, "messages", list) or ():
        if isinstance(message, str):
            errors.append(message)
        elif expect(_object(message), "severity", str) == "error":
            errors.append(expect(_object(message), "data", str).strip())
    return errors


def _texts(reply: JsonObject, key: str) -> list[str]:
    return [text for text in optional(reply, key, list) or () if isinstance(text, str)]


def names_in(reply: JsonObject, key: str) -> tuple[str, ...]:
    """The names under ``key``, sorted.

    Raises:
        MalformedReplyError: one of them is not a text, or they are missing.
    """
    names = expect(reply, key, list)
    # A name that cannot be read is not left out: it might be an axiom's.
    if not all(isinstance(name, str) for name in names):
        raise MalformedReplyError(f"{key!r} should hold names only, not {names!r}")
    return tuple(sorted(names))


def _state_id(reply: JsonObject, key: str) -> int:
    state_id = expect(reply, key, int)
    if state_id < 0:
        raise MalformedReplyError(f"{key!r} is negative: {state_id}")
    return state_id


def _goal_of_text(text: str) -> Goal:
    try:
        return parse_goal_text(text)
    except ValueError as error:
        raise MalformedReplyError(str(error)) from error


def _goal(item: JsonObject) -> Goal:
    hypotheses = tuple(_hypothesis(_object(variable)) for variable in expect(item, "vars", list))
    target = _printed(expect(item, "target", dict))
    name = optional(item, "userName", str)
    case_name = without_macro_scopes(name) or None if name else None
    text = optional(item, "ppGoal", str)
    if text is None:
        is_conversion = item.get("fragment") == "conv" or item.get("isConversion") is True
        text = render_goal(hypotheses, target, case_name=case_name, is_conversion=is_conversion)
    return Goal(text=text, target=target, hypotheses=hypotheses, case_name=case_name)


def _hypothesis(item: JsonObject) -> Hypothesis:
    value = optional(item, "value", dict)
    return Hypothesis(
        name=expect(item, "userName", str),
        type=_printed(expect(item, "type", dict)),
        value=None if value is None else _printed(value),
        is_inaccessible=bool(optional(item, "isInaccessible", bool)),
    )


def _printed(expression: JsonObject) -> str:
    return expect(expression, "pp", str)


def _object(item: object) -> JsonObject:
    if not isinstance(item, dict):
        raise MalformedReplyError(f"expected an object, not {type(item).__name__}")
    return item
