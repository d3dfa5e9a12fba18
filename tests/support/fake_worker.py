"""A scripted Lean worker: a real process that speaks the worker protocol and misbehaves on request.

For tests of whatever stands on a ``LeanPool``. No Lean is needed::

    backend = CommandBackend(argv=fake_worker_argv())
    async with LeanPool(LeanPoolConfig(backend=backend)) as pool: ...

It proves toy theorems. Any statement is a goal (``bad …`` does not elaborate, ``slow …`` not in time), and these
are tactics:

==================  ==================================================================================
``step``            the first goal's target gets a prime
``intro h``         the first goal gets a hypothesis
``split``           the first goal becomes two, ``case left`` and ``case right``, which share no metavariables
``share``           the first goal becomes two that do
``done``            closes the first goal
``fail``            fails; so does every tactic that is not listed here
``nonsense``        does not parse
``sorry``           closes the first goal with a ``sorry``; ``unsafe`` with an unsafe definition
``refuse K D``      answers ``{"error": K, "desc": D}``
``under X``         steps if ``open X`` stands in the one header that a Pantograph has, else fails
``die``             ends the process instead of answering; ``exit N`` with a status
``panic``           writes to standard error, then dies
``hang``            never answers
``flood N``         answers with a line of N bytes
``noise``           answers with a line that is not JSON; ``list`` with JSON that is not an object
``not utf-8``       answers with bytes that are not text
``twice``           answers twice; ``late noise`` once, and writes noise soon afterwards
``half``            writes half an answer, then dies
``no id``           claims success without a state id; ``no goals`` without goals; ``neither`` with neither
``grow N``          takes N MiB of memory, then hangs
==================  ==================================================================================

Followed by ``once``, a tactic misbehaves the first time only (of all workers that share a ``marker``
file) and is a ``step`` ever after. ``proof.certify`` accepts a text without ``sorry`` that ends with
``done``; a line ``-- certify T`` in it makes certification do what the tactic ``T`` does, and ``-- out of time``
has it interrupted. So it is with ``frontend.process``; ``-- takes N`` in a text is interrupted if ``options.set`` gave
commands less than N milliseconds, for the real Pantograph has one limit for all of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Goals = list[Json]

_RAW_ANSWERS = {
    "noise": b"[DEBUG] hello\n",
    "list": b"[1, 2]\n",
    "not utf-8": b'{"goals": "\xff\xfe"}\n',
    "twice": b'{"parseError": "first"}\n{"parseError": "second"}\n',
}


def fake_worker_argv(
    *,
    banner: str | None = "ready.",
    dialect: str = "ours",
    log: str | os.PathLike[str] | None = None,
    marker: str | os.PathLike[str] | None = None,
    gate: str | os.PathLike[str] | None = None,
    fail_starts: int = 0,
    complaint: str = "",
) -> tuple[str, ...]:
    """A command line that starts a fake worker.

    Args:
        banner: Its first line; ``None`` for a worker that stays silent.
        dialect: ``ours``; ``pantograph`` without our extra keys and commands; ``short`` with goals as text only.
        log: A file to which every line received is appended as it came.
        marker: A file that is created by the first ``… once``, and counts failed starts.
        gate: A FIFO that is read to its end before the banner is written.
        fail_starts: How many starts fail, over all workers that share ``marker``.
        complaint: Written to standard error at the start.
    """
    scenario = {
        "banner": banner,
        "dialect": dialect,
        "log": log and str(log),
        "marker": marker and str(marker),
        "gate": gate and str(gate),
        "fail_starts": fail_starts,
        "complaint": complaint,
    }
    return (sys.executable, "-I", "-S", __file__, json.dumps(scenario))


class FakeWorker:
    """The program itself."""

    def __init__(self, scenario: Json) -> None:
        self.scenario = scenario
        self.states: dict[int, Goals] = {}
        self.hoard = b""
        self.nonce: Json = {}
        self.next_id = 0
        self.timeout_ms = 0
        self.header = ""

    def run(self) -> None:
        """Serve until a blank line or end of input."""
        self.start()
        for line in sys.stdin.buffer:
            if not line.strip():
                return
            if self.scenario["log"]:
                with Path(self.scenario["log"]).open("ab") as log:
                    log.write(line)
            request = json.loads(line)
            self.nonce = {"nonce": request["nonce"]} if "nonce" in request else {}
            command, payload = request["cmd"], request.get("payload") or {}
            if command == "goal.tactics" and self.scenario["dialect"] != "pantograph":
                self.goal_tactics(payload)
            else:
                self.answer(self.reply(command, payload))

    def start(self) -> None:
        """Everything up to the banner."""
        sys.stderr.write(self.scenario["complaint"])
        sys.stderr.flush()
        if self.start_fails():
            sys.exit(3)
        if self.scenario["gate"]:
            Path(self.scenario["gate"]).read_bytes()
        if self.scenario["banner"] is None:
            signal.pause()
        self.write(f"{self.scenario['banner']}\n".encode())

    def start_fails(self) -> bool:
        """Count this start in the marker file, one byte per start."""
        if not self.scenario["fail_starts"]:
            return False
        with Path(self.scenario["marker"]).open("ab") as marker:
            marker.write(b".")
            return marker.tell() <= int(self.scenario["fail_starts"])

    def reply(self, command: str, payload: Json) -> Json:
        """The answer to one request."""
        handlers: dict[str, Callable[[Json], Json]] = {
            "goal.start": self.goal_start,
            "goal.tactic": self.goal_tactic,
            "goal.print": self.goal_print,
            "goal.delete": self.goal_delete,
            "frontend.process": self.frontend_process,
            "stat": lambda _: {"nGoals": len(self.states)},
            "options.set": self.options_set,
            "env.describe": self.env_describe,
            "expr.echo": lambda asked: {"expr": {"pp": asked["expr"]}, "type": {"pp": "Prop"}},
            "env.inspect": lambda asked: {"type": {"pp": f"type of {asked['name']}"}, "isUnsafe": False},
        }
        if self.scenario["dialect"] != "pantograph":
            handlers |= {
                "proof.certify": self.proof_certify,
                "env.theorems": env_theorems,
                "env.apart": lambda asked: {"commands": [f"attribute [-simp, -grind] {asked['name']}"]},
            }
        handler = handlers.get(command)
        return refusal("command", f"Unknown command {command}") if handler is None else handler(payload)

    # --- commands ---

    def goal_start(self, payload: Json) -> Json:
        """Open a toy theorem."""
        statement = payload.get("expr") or f"type of {payload['copyFrom']}"
        if statement.startswith("bad"):
            return refusal("elab", f"unknown identifier '{statement}'")
        if statement == "slow" or statement.startswith("slow "):
            return refusal("io", "interrupt")
        self.misbehave(statement)
        goals: Goals = [{"case": None, "vars": [], "target": statement}]
        state_id = self.store(goals)
        reply: Json = {"stateId": state_id, "root": "_uniq.1"}
        if self.scenario["dialect"] != "pantograph" and payload.get("goals"):
            reply |= self.shown(goals)
        return reply

    def goal_tactic(self, payload: Json) -> Json:
        """Run a toy tactic."""
        goals = self.states.get(payload["stateId"])
        if goals is None:
            return refusal("index", f"Invalid state index {payload['stateId']}")
        tactic = str(payload["tactic"])
        if match := re.match(r"rotate_left (\d+)\n", tactic):
            goals, tactic = [*goals[int(match[1]) :], *goals[: int(match[1])]], tactic[match.end() :]
        if self.misbehave(tactic) or tactic == "step":
            return self.success([{**goals[0], "target": goals[0]["target"] + "'"}, *goals[1:]])
        return self.run_tactic(goals, tactic)

    def goal_tactics(self, payload: Json) -> None:
        """Run toy tactics, and answer each; none comes after one that ends the proof or refuses the state."""
        left = len(payload["tactics"])
        for tactic in payload["tactics"]:
            reply = self.goal_tactic(payload | {"tactic": tactic})
            is_proof = reply.get("goals") == [] and not reply["hasSorry"] and not reply["hasUnsafe"]
            is_last = is_proof or reply.get("error", "io") != "io" or payload.get("within") == 0
            left = 0 if is_last else left - 1
            self.answer(reply | {"left": left, "microseconds": 1000})
            if not left:
                return

    def run_tactic(self, goals: Goals, tactic: str) -> Json:
        """A tactic that behaves."""
        first, rest = goals[0], goals[1:]
        match tactic.split():
            case ["done"]:
                return self.success(rest)
            case ["split"]:
                return self.success([{**first, "case": "left"}, {**first, "case": "right", "group": object()}, *rest])
            case ["share"]:
                return self.success([{**first, "case": "left"}, {**first, "case": "right"}, *rest])
            case ["intro", name]:
                return self.success([{**first, "vars": [*first["vars"], (name, "Prop")]}, *rest])
            case ["sorry"]:
                return self.success(rest) | {"hasSorry": True}
            case ["unsafe"]:
                return self.success(rest) | {"hasUnsafe": True}
            case ["under", namespace] if f"open {namespace}\n" in self.header:
                return self.success(goals)
            case ["refuse", kind, *words]:
                return refusal(kind, " ".join(words))
            case ["nonsense"]:
                return {"hasSorry": False, "hasUnsafe": False, "parseError": "<Pantograph>:1:1: expected tactic"}
            case ["neither"]:
                return {"hasSorry": False, "hasUnsafe": False}
            case ["no", missing]:
                reply = self.success(rest)
                del reply[{"id": "nextStateId", "goals": "goals"}[missing]]
                return reply
        message = {"severity": "error", "data": f"tactic '{tactic}' failed", "pos": {"line": 0, "column": 0}}
        return {"hasSorry": False, "hasUnsafe": False, "messages": [message]}

    def goal_print(self, payload: Json) -> Json:
        """Print a state."""
        goals = self.states.get(payload["stateId"])
        if goals is None:
            return refusal("index", f"Invalid state index {payload['stateId']}")
        flags = {"rootHasSorry": False, "rootHasUnsafe": False, "rootHasMVar": bool(goals)}
        return {**self.shown(goals), "root": {"pp": "?_"}, "extraMVars": [], **flags}

    def goal_delete(self, payload: Json) -> Json:
        """Forget states."""
        for state_id in payload["stateIds"]:
            self.states.pop(state_id, None)
        return {}

    def env_describe(self, _: Json) -> Json:
        """Which Lean this is; Pantograph does not say."""
        version = {} if self.scenario["dialect"] == "pantograph" else {"leanVersion": "4.0.0-fake"}
        return {"imports": [], "modules": [], **version}

    def options_set(self, payload: Json) -> Json:
        """Keep the one option that matters here: how long a command may take."""
        self.timeout_ms = payload.get("timeout", self.timeout_ms)
        return {}

    def is_interrupted(self, source: str) -> bool:
        """Whether a text is given up; one that asks for a misbehaviour gets it first."""
        lines = [line.strip() for line in source.splitlines()]
        for line in lines:
            if line.startswith("-- certify "):
                self.misbehave(line.removeprefix("-- certify "))
        needed_ms = max((int(line.split()[2]) for line in lines if line.startswith("-- takes ")), default=0)
        return "-- out of time" in lines or 0 < self.timeout_ms < needed_ms

    def frontend_process(self, payload: Json) -> Json:
        """Process a file, in the time that every command has; what it opens may stay open."""
        if payload["inheritEnv"]:
            self.header = payload["file"]
            unknown = [{"severity": "error", "data": "unknown namespace 'Nonexistent'"}]
            return {"units": [{"boundary": [0, 1], "messages": unknown if "Nonexistent" in self.header else []}]}
        return refusal("io", "interrupt") if self.is_interrupted(payload["file"]) else process_file(payload)

    def proof_certify(self, payload: Json) -> Json:
        """Accept what ends with ``done``."""
        source = payload["source"]
        if self.is_interrupted(source):
            return refusal("io", "interrupt")
        if "sorry" in source:
            return {"rejected": {"reason": "sorry", "message": "the proof depends on sorryAx"}}
        if not source.endswith("  done\n"):
            return {"rejected": {"reason": "elaboration", "message": "unsolved goals"}}
        certificate = {
            "statement": payload.get("expr") or f"type of {payload['copyFrom']}",
            "fingerprint": "f00d",
            "axioms": ["propext"],
            "constants": ["True"],
            "trustedConstants": [],
            "leanVersion": "4.0.0-fake",
        }
        return {"certificate": certificate}

    # --- misbehaviour ---

    def misbehave(self, text: str) -> bool:
        """Do what ``text`` asks for, if that is a misbehaviour; returns whether it was one that is over."""
        wanted = text.removesuffix(" once")
        word, _, rest = wanted.partition(" ")
        acts = self.acts() | dict.fromkeys(_RAW_ANSWERS, lambda _: self.answer_raw(wanted))
        act = acts.get(wanted) or acts.get(word)
        if act is None:
            return False
        if text.endswith(" once") and not self.is_first_time():
            return True
        act(rest)
        return False

    def acts(self) -> dict[str, Callable[[str], None]]:
        """Misbehaviours by the words that ask for them."""
        return {
            "die": self.do_die,
            "exit": self.do_exit,
            "panic": self.do_panic,
            "hang": self.do_hang,
            "flood": self.do_flood,
            "late noise": self.do_late_noise,
            "half": self.do_half,
            "grow": self.do_grow,
        }

    def is_first_time(self) -> bool:
        """Whether no other worker created the marker file yet."""
        try:
            Path(self.scenario["marker"]).open("xb").close()
        except FileExistsError:
            return False
        return True

    def do_die(self, _: str) -> None:
        """End without an answer."""
        os._exit(1)

    def do_exit(self, status: str) -> None:
        """End without an answer, with that status."""
        os._exit(int(status))

    def do_panic(self, _: str) -> None:
        """Complain, then end."""
        os.write(2, b"PANIC at toy: unreachable code\n")
        os._exit(134)

    def do_hang(self, _: str) -> None:
        """Never answer."""
        signal.pause()

    def do_flood(self, size: str) -> None:
        """Answer with an endless line."""
        self.write(b"x" * int(size) + b"\n")

    def answer_raw(self, what: str) -> None:
        """Answer with bytes that are not the protocol, in one write."""
        self.write(_RAW_ANSWERS[what])
        signal.pause()

    def do_late_noise(self, _: str) -> None:
        """Answer, and speak again when nobody asked."""
        self.answer({"parseError": "first"})
        time.sleep(0.05)
        self.write(b'{"parseError": "second"}\n')
        signal.pause()

    def do_half(self, _: str) -> None:
        """Write half an answer."""
        self.write(b'{"nextStateId": 7, "goa')
        os._exit(0)

    def do_grow(self, mebibytes: str) -> None:
        """Take memory, and never answer."""
        self.hoard = b"x" * (int(mebibytes) * 2**20)
        signal.pause()

    # --- helpers ---

    def success(self, goals: Goals) -> Json:
        """Store a new state and show it."""
        id_key = "stateId" if self.scenario["dialect"] == "short" else "nextStateId"
        return {id_key: self.store(goals), "hasSorry": False, "hasUnsafe": False, "messages": [], **self.shown(goals)}

    def store(self, goals: Goals) -> int:
        """Keep goals under the next id."""
        state_id, self.next_id = self.next_id, self.next_id + 1
        self.states[state_id] = goals
        return state_id

    def shown(self, goals: Goals) -> Json:
        """Goals in this worker's dialect."""
        match self.scenario["dialect"]:
            case "short":
                return {"goals": [pretty(goal) for goal in goals]}
            case "pantograph":
                return {"goals": [wire(goal) for goal in goals]}
        texts = [pretty(goal) for goal in goals]
        shown = [wire(goal) | {"ppGoal": text} for goal, text in zip(goals, texts, strict=True)]
        groups = [goal.get("group") for goal in goals]
        return {"goals": shown, "key": "|".join(texts), "groups": [groups.index(group) for group in groups]}

    def answer(self, reply: Json) -> None:
        """Write one line, which repeats the request's nonce."""
        self.write(json.dumps(reply | self.nonce, ensure_ascii=False).encode() + b"\n")

    def write(self, data: bytes) -> None:
        """Write at once, in as few pieces as the pipe allows."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def pretty(goal: Json) -> str:
    """A goal as text."""
    case = [f"case {goal['case']}"] if goal["case"] else []
    return "\n".join([*case, *(f"{name} : {type_}" for name, type_ in goal["vars"]), f"⊢ {goal['target']}"])


def wire(goal: Json) -> Json:
    """A goal as Pantograph's object."""
    variables = [
        {"name": "_uniq.2", "userName": n, "isInaccessible": False, "type": {"pp": t}} for n, t in goal["vars"]
    ]
    named = {"userName": goal["case"]} if goal["case"] else {}
    return {"name": "_uniq.3", "fragment": "tactic", "target": {"pp": goal["target"]}, "vars": variables, **named}


def refusal(kind: str, description: str) -> Json:
    """The shape of every error."""
    return {"error": kind, "desc": description}


def process_file(payload: Json) -> Json:
    """Pantograph's frontend: elaborates nothing, looks for ``done``, ``sorry`` and ``-- axiom`` lines."""
    source = payload["file"]
    name = source.partition("theorem ")[2].partition(" ")[0]
    axioms = [line.split()[-1] for line in source.splitlines() if line.strip().startswith("-- axiom ")]
    listing = f"depends on axioms: [{', '.join(axioms)}]" if axioms else "does not depend on any axioms"
    messages = [{"severity": "information", "data": f"'{name}' {listing}"}]
    if "\n  done\n" not in source:
        messages.insert(0, {"severity": "error", "data": "unsolved goals"})
    if "sorry" in source:
        messages.insert(0, {"severity": "warning", "data": "declaration uses 'sorry'"})
    # With import lines that are read, the first command begins after them.
    imports = re.match(r"(import .*\n)*\s*", source) if payload["readHeader"] else None
    start = len(imports[0].encode()) if imports else 0
    return {"units": [{"boundary": [start, len(source)], "messages": messages}]}


def env_theorems(payload: Json) -> Json:
    """Three theorems, one per page."""
    offset = payload["offset"]
    theorem = {"name": f"Toy.t{offset}", "module": payload["prefixes"][0], "statement": "True", "fingerprint": "f"}
    return {"theorems": [theorem]} | ({"next": offset + 1} if offset < 2 else {})


if __name__ == "__main__":
    FakeWorker(json.loads(sys.argv[1])).run()
