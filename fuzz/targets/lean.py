"""What a Lean worker, or something in its place, writes to us."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

from fuzz.target import Finding, Target, refusals, written
from leanebm.core import Goal, StateRef
from leanebm.errors import CommandRefused
from leanebm.lean import _replies
from leanebm.lean._exchange import decode_reply
from leanebm.lean._goal_text import parse_goal_text, render_goal, text_key, without_macro_scopes
from leanebm.lean._process import LineBuffer, LineTooLongError
from leanebm.lean._replies import JsonObject, MalformedReplyError

__all__ = ["TARGETS", "fuzz_goal_text", "fuzz_worker_output"]

_MAX_LINE_BYTES = 2**18
_DECODERS: tuple[Callable[[JsonObject], object], ...] = (
    partial(_replies.start_reply, epoch=1),
    partial(_replies.tactic_reply, epoch=1),
    partial(_replies.print_reply, ref=StateRef(1, 0)),
    _replies.certify_reply,
    _replies.library_reply,
    _replies.text_reply("env.inspect", "type", "pp"),
    _replies.units_reply,
)


def fuzz_worker_output(data: bytes) -> None:
    """Lines that come in pieces, each read as every kind of reply: malformed, refused, or values made of text."""
    for line in _lines(data):
        with refusals(MalformedReplyError):
            reply = decode_reply(line)
            for decode in _DECODERS:
                with refusals(MalformedReplyError, CommandRefused):
                    # Whatever is taken for an answer ends in Parquet files and prompts, so it must be text.
                    written(decode(reply))


def _lines(data: bytes) -> list[bytes]:
    buffer = LineBuffer(_MAX_LINE_BYTES)
    piece = 1 + data[0] if data else 1
    lines: list[bytes] = []
    with refusals(LineTooLongError):
        for start in range(0, len(data), piece):
            buffer.feed(data[start : start + piece])
            while (line := buffer.next_line()) is not None:
                lines.append(line)
        if lines != data.split(b"\n")[:-1]:
            raise Finding("lines were lost or torn")
    return lines


def fuzz_goal_text(data: bytes) -> None:
    """A goal sent as text: read, or a ``ValueError``; what was read can be rendered and has a key."""
    text = data.decode(errors="replace")
    without_macro_scopes(text)
    text_key([Goal(text=text, target=text)])
    with refusals(ValueError):
        goal = parse_goal_text(text)
        again = parse_goal_text(render_goal(goal.hypotheses, goal.target, case_name=goal.case_name))
        if len(goal.hypotheses) > len(again.hypotheses):
            raise Finding(f"hypotheses were lost: {goal.hypotheses} became {again.hypotheses}")


def _reply_seeds() -> Sequence[bytes]:
    goal = {
        "userName": "case._@.Init._hyg.3",
        "vars": [
            {"userName": "n", "type": {"pp": "Nat"}, "isInaccessible": False},
            {"userName": "x✝", "type": {"pp": "n = 0"}, "value": {"pp": "h"}, "isInaccessible": True},
        ],
        "target": {"pp": "n + 0 = n"},
        "fragment": "conv",
    }
    certificate = {
        "statement": "True", "fingerprint": "f", "axioms": ["propext"], "constants": [], "trustedConstants": [],
        "leanVersion": "4.1",
    }  # fmt: skip
    replies: list[object] = [
        {"stateId": 0, "root": "_uniq.1"},
        {"stateId": 1, "goals": [goal | {"ppGoal": "n : Nat\n⊢ n + 0 = n"}], "key": "k"},
        {
            "nextStateId": 2,
            "goals": [goal, goal],
            "groups": [0, 1],
            "messages": [{"severity": "warning", "data": "w"}],
        },
        {"nextStateId": 3, "goals": ["case a\nn : Nat\n⊢ n = n"], "hasSorry": False, "hasUnsafe": False},
        {"messages": [{"severity": "error", "data": "maximum recursion depth"}], "tacticErrors": ["e"]},
        {"parseError": "<input>:1:1: unexpected"},
        {"goals": [], "root": {"pp": "rfl"}, "rootHasSorry": False, "rootHasUnsafe": False, "rootHasMVar": True},
        {"nonce": "n", "certificate": certificate},
        {"nonce": "n", "rejected": {"reason": "sorry", "message": "m"}},
        {"theorems": [{"name": "a", "module": "M", "statement": "True", "fingerprint": "f"}], "next": 5},
        {"units": [{"boundary": [0, 5], "messages": [{"severity": "error", "data": "m"}]}]},
        {"type": {"pp": "Nat"}},
        {"error": "tactic", "desc": "no"},
    ]
    lines = [json.dumps(reply, ensure_ascii=False).encode() + b"\n" for reply in replies]
    return [*lines, b"".join(lines)]


def _goal_seeds() -> Sequence[bytes]:
    return [
        "n m : Nat\nh✝ : n ≤ m\nthis : let x := n + 1;\n  x > 0\n⊢ ∃ k, n + k = m".encode(),
        "case inl.a\nα✝¹ : Type u_1\nf : α✝¹ → (Nat × Nat) := fun x => (?m.1 x, 0)\n⊢ f = f".encode(),
        b"n : Nat\n| n + 0",
    ]


TARGETS = (
    Target(fuzz_worker_output, _reply_seeds, ('"error"', '"goals"', '"stateId"', '"nextStateId"', '"vars"', '"pp"')),
    Target(fuzz_goal_text, _goal_seeds, (" : ", " :=", "⊢ ", "| ", "case ", "✝", "\n  ", "._@", "?m.")),
)
