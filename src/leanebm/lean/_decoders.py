"""Replies, read: one decoder a command. Pure, like the codec below it.

A decoder goes by the keys that a reply has. What matches none of a command's shapes is malformed:
nothing is guessed, and least of all a proof.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from leanebm._shown import shown
from leanebm.core.proof_state import Goal, Hypothesis
from leanebm.errors import CommandRefused
from leanebm.lean._codec import JsonObject, MalformedReplyError, expect, optional
from leanebm.lean._goal_text import parse_goal_text, render_goal, text_key, without_macro_scopes
from leanebm.lean._replies import (
    CertifiedReply,
    CertifyRejectedReply,
    LibraryPage,
    LibraryTheoremReply,
    LimitReached,
    NewState,
    PrintedState,
    StartedProof,
    TacticFailed,
    UnitMessages,
)

__all__ = [
    "INTERRUPTED",
    "certify_reply",
    "continue_reply",
    "library_reply",
    "print_reply",
    "refuse_if_error",
    "start_reply",
    "tactic_reply",
    "text_reply",
    "units_reply",
]

# The worker did not understand us: a mistake of ours or of its version, never of a tactic.
_MISUSE = frozenset({"command", "arguments", "operation", "main"})
INTERRUPTED = "interrupt"
"""All that Lean says of what was given up for its time."""

_LIMITS = ("(deterministic) timeout", "maximum recursion depth", "maximum number of heartbeats")


def refuse_if_error(reply: JsonObject, command: str) -> None:
    """Tell a refusal from an answer.

    Raises:
        CommandRefused: the reply is ``{"error": kind, "desc": description}``.
    """
    if "error" in reply:
        raise CommandRefused(expect(reply, "error", str), expect(reply, "desc", str), command=command)


def start_reply(reply: JsonObject) -> StartedProof:
    """Decode ``goal.start``."""
    refuse_if_error(reply, "goal.start")
    state_id = _state_id(reply, "stateId")
    goals = optional(reply, "goals", list)
    state = None if goals is None else NewState(state_id, decoded := _goals(goals), _key(reply, decoded))
    return StartedProof(state_id, state)


def tactic_reply(reply: JsonObject) -> NewState | TacticFailed | LimitReached:
    """Decode ``goal.tactic``: success, failed tactic, text that does not parse, or an error.

    A success has a new state id **and** a list of goals; one without the other is no protocol, and
    certainly no proof.

    Raises:
        CommandRefused: the worker did not understand the request, or does not have the state.
        MalformedReplyError: the reply has none of the four shapes.
    """
    try:
        refuse_if_error(reply, "goal.tactic")
    except CommandRefused as refusal:
        if refusal.kind in _MISUSE or refusal.kind == "index":
            raise
        return _failure([f"{refusal.kind}: {refusal.description}"])
    if "goals" in reply or "nextStateId" in reply or "stateId" in reply:
        return _new_state(reply)
    if (parse_error := optional(reply, "parseError", str)) is not None:
        return TacticFailed(parse_error)
    errors = _errors(reply) or _texts(reply, "tacticErrors")
    if not errors:
        raise MalformedReplyError(f"neither a new state nor a reason why there is none, only {sorted(reply)}")
    return _failure(errors)


def continue_reply(reply: JsonObject) -> NewState:
    """Decode ``goal.continue``."""
    refuse_if_error(reply, "goal.continue")
    return _new_state(reply)


def print_reply(reply: JsonObject) -> PrintedState:
    """Decode ``goal.print`` asked with ``goals``."""
    refuse_if_error(reply, "goal.print")
    goals = _goals(expect(reply, "goals", list))
    root = optional(reply, "root", dict)
    return PrintedState(
        goals=goals,
        key=_key(reply, goals),
        root=None if root is None else _printed(root),
        root_has_sorry=bool(optional(reply, "rootHasSorry", bool)),
        root_has_unsafe=bool(optional(reply, "rootHasUnsafe", bool)),
        root_has_mvar=bool(optional(reply, "rootHasMVar", bool)),
    )


def certify_reply(reply: JsonObject) -> CertifiedReply | CertifyRejectedReply:
    """Decode ``proof.certify``."""
    refuse_if_error(reply, "proof.certify")
    if (rejected := optional(reply, "rejected", dict)) is not None:
        return CertifyRejectedReply(expect(rejected, "reason", str), expect(rejected, "message", str))
    certificate: JsonObject = expect(reply, "certificate", dict)
    return CertifiedReply(
        statement=expect(certificate, "statement", str),
        fingerprint=expect(certificate, "fingerprint", str),
        axioms=_names(certificate, "axioms"),
        constants=_names(certificate, "constants"),
        trusted_constants=_names(certificate, "trustedConstants"),
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


def text_reply(command: str, *path: str) -> _TextDecoder:
    """A decoder for the one string at ``path`` in the reply to ``command``; empty where it is missing."""
    return _TextDecoder(command, path)


@attrs.frozen
class _TextDecoder:
    command: str
    path: tuple[str, ...]

    def __call__(self, reply: JsonObject) -> str:
        refuse_if_error(reply, self.command)
        for key in self.path[:-1]:
            reply = optional(reply, key, dict) or {}
        return optional(reply, self.path[-1], str) or ""


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


def _new_state(reply: JsonObject) -> NewState:
    state_id = _state_id(reply, "nextStateId" if "nextStateId" in reply else "stateId")
    goals = _goals(expect(reply, "goals", list))
    return NewState(state_id, goals, _key(reply, goals), _objection(reply))


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
    is_limit = message.endswith(f": {INTERRUPTED}") or any(limit in message for limit in _LIMITS)
    return LimitReached(message) if is_limit else TacticFailed(message)


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


def _names(reply: JsonObject, key: str) -> tuple[str, ...]:
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


def _key(reply: JsonObject, goals: tuple[Goal, ...]) -> str:
    return optional(reply, "key", str) or text_key(goals)


def _goals(items: Sequence[object]) -> tuple[Goal, ...]:
    return tuple(_goal_of_text(item) if isinstance(item, str) else _goal(_object(item)) for item in items)


def _goal_of_text(text: str) -> Goal:
    try:
        return parse_goal_text(text)
    except ValueError as error:
        raise MalformedReplyError(str(error)) from error


def _goal(item: JsonObject) -> Goal:
    hypotheses = tuple(_hypothesis(_object(variable)) for variable in expect(item, "vars", list))
    target = _printed(expect(item, "target", dict))
    case_name = without_macro_scopes(optional(item, "userName", str) or "") or None
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
