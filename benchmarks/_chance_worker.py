"""A Lean worker that has never heard of Lean: whether a tactic works is decided by a hash of it and of the state.

For benchmarks of what stands around Lean: it speaks the worker protocol, starts in milliseconds, and answers the same
question in the same way whenever it is asked. A statement is ``P n``. Its proof needs between one and five
steps, a quarter of all statements has none, one tactic in 200 kills the worker, and one proof in 20 is refused.

    python -I -S _chance_worker.py [SECONDS]

A tactic then takes that long, and no processor.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]

_DEADLY, _ADVANCES, _CLOSES = 0.005, 0.45, 0.65
_SHAPES = 7
"""Different states at each level of one statement; so few that paths often meet."""


def chance(*words: object) -> float:
    """A number in [0, 1), the same for the same words."""
    digest = hashlib.sha256("|".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def after(state: str, tactic: str) -> str | None:
    """Where ``tactic`` leads: another state, ``""`` for a proof, ``None`` where it fails."""
    _, statement, level, _ = state.split()
    drawn = chance(state, tactic)
    if "\n" in tactic:
        return None
    if drawn < _DEADLY:
        os._exit(1)
    if drawn < _ADVANCES:
        return f"P {statement} {int(level) + 1} {int(chance(tactic, statement) * _SHAPES)}"
    is_provable = int(statement) % 4 != 0
    return "" if is_provable and drawn < _CLOSES and int(level) >= int(statement) % 5 else None


def certify(payload: Json) -> Json:
    """Replay the proof from its text."""
    *_, name = payload["expr"].split()
    state: str | None = f"P {name} 0 0"
    for line in payload["source"].partition(":= by\n")[2].splitlines():
        state = after(state, line.removeprefix("  ")) if state else None
    if state != "":
        return {"rejected": {"reason": "elaboration", "message": "unsolved goals"}}
    if chance("certify", payload["source"]) < 0.05:
        return {"rejected": {"reason": "axioms", "message": "bad luck"}}
    words = {"statement": payload["expr"], "fingerprint": "f00d", "leanVersion": "0.0.0-chance"}
    return {"certificate": words | {"axioms": [], "constants": [], "trustedConstants": []}}


def shown(state: str) -> Json:
    """A state's goals and key."""
    goal = {"name": "_", "fragment": "tactic", "target": {"pp": state}, "vars": [], "ppGoal": f"⊢ {state}"}
    return {"goals": [goal] if state else [], "key": state}


class ChanceWorker:
    """The program."""

    def __init__(self, tactic_s: float) -> None:
        self.states: list[str] = []
        self.tactic_s = tactic_s

    def answers(self, command: str, payload: Json) -> Iterator[Json]:
        """The replies to one request."""
        if command == "goal.tactics":
            yield from self.tactics(self.states[payload["stateId"]], payload["tactics"])
        else:
            yield self.answer(command, payload)

    def answer(self, command: str, payload: Json) -> Json:
        """The reply to a request that has one."""
        match command:
            case "stat" | "options.set" | "goal.delete":
                return {"nGoals": len(self.states)}
            case "env.describe":
                return {"imports": [], "modules": [], "leanVersion": "0.0.0-chance"}
            case "goal.start":
                return {"stateId": self.keep(f"{payload['expr']} 0 0"), "root": "_", **shown(self.states[-1])}
            case "goal.tactic":
                return self.tactic(self.states[payload["stateId"]], payload["tactic"])
            case "proof.certify":
                return certify(payload)
        return {"error": "command", "desc": f"Unknown command {command}"}

    def tactics(self, state: str, tactics: Sequence[str]) -> Iterator[Json]:
        """Run one after the other until one ends the proof; each reply says how many are still to come."""
        for left, tactic in zip(range(len(tactics) - 1, -1, -1), tactics, strict=True):
            reply = self.tactic(state, tactic)
            is_proof = reply.get("goals") == []
            yield reply | {"left": 0 if is_proof else left, "microseconds": round(self.tactic_s * 1e6)}
            if is_proof:
                return

    def tactic(self, state: str, tactic: str) -> Json:
        """Run one."""
        time.sleep(self.tactic_s)
        reached = after(state, tactic)
        flags = {"hasSorry": False, "hasUnsafe": False}
        if reached is None:
            return flags | {"messages": [{"severity": "error", "data": "no luck"}]}
        return flags | {"nextStateId": self.keep(reached), "messages": [], **shown(reached)}

    def keep(self, state: str) -> int:
        """Store a state under the next id."""
        self.states.append(state)
        return len(self.states) - 1


def main() -> None:
    """Serve until the end of input."""
    worker = ChanceWorker(float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    sys.stdout.write("ready.\n")
    sys.stdout.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        for answer in worker.answers(request["cmd"], request.get("payload") or {}):
            reply = {"nonce": request["nonce"], **answer}
            sys.stdout.buffer.write(json.dumps(reply, ensure_ascii=False).encode() + b"\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
