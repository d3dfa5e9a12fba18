"""How deep or long a text must be to cost the embedded Lean its worker, or to hold up the symbolic policy's server.

.. code-block:: text

    python benchmarks/deep_text.py [--only WORD] [--least 100] [--most 100000] [--within 1.2] [--json FILE]

Grows each kind of text, in each place where text comes in (tactic, statement, header, library name, file), tenfold
at a time until a worker is lost to it, and then bisects. A line says how often the kind's unit was repeated: the most
that was answered and the least that was not, with the most seconds and the MiB of the last answer. The texts go to a
worker as they are: what :mod:`leanebm.core.limits` refuses is decided by what is measured here.

In the place called ``prompt`` the texts are states, and a size is fatal when the policy, while it reads one, keeps the
event loop for more than a second, in which its server answers nobody else. The seconds are those of the longest pause.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import attrs
import click
import psutil

from leanebm.core import StateRef, Theorem
from leanebm.errors import CommandRefused, PolicyBadRequest, WorkerLost
from leanebm.lean import LeanPoolConfig
from leanebm.lean._worker import LeanWorker
from leanebm.lean.requests import Request, goal_start, goal_tactic, proof_certify
from leanebm.serve import SamplingParams, TemplateBackend

Text = Callable[[int], str]

LONGEST_PAUSE_S: Final = 1.0
"""For which the policy's server may keep the event loop."""


def around(opening: str, middle: str, closing: str = "") -> Text:
    """``opening`` and ``closing`` so many times around ``middle``."""
    return lambda size: opening * size + middle + closing * size


TERMS: dict[str, Text] = {
    "( )": around("(", "True", ")"),
    "( unclosed": around("(", ""),
    ") unopened": around("", "True", ")"),
    "[ ]": around("[", "1", "]"),
    "{ }": around("{", "", "}"),
    "⟨ ⟩": around("⟨", "trivial", "⟩"),
    "‹ ›": around("‹", "True", "›"),
    "( , )": around("(1, ", "1", ")"),
    "(· + 1)": around("(· + ", "1", ")"),
    "( :)": around("(", "True", " : Prop)"),
    "fun x =>": around("fun x => ", "x"),
    "fun x y z": lambda size: "fun " + "x " * size + "=> trivial",
    "∀ x : Nat,": around("∀ x : Nat, ", "True"),
    "∀ x x x": lambda size: "∀ " + "x " * size + ": Nat, True",
    "∃ x : Nat,": around("∃ x : Nat, ", "True"),
    "¬": around("¬", "True"),
    "¬ spaced": around("¬ ", "True"),
    "- minus": around("-", "1"),
    "@": around("@", "id"),
    "()'": around("(", "id", ") 1"),
    "if": around("if True then ", "1", " else 2"),
    "else if": around("if True then 1 else ", "2"),
    "let": around("let x := 1; ", "x"),
    "let lines": around("let x := 1\n", "x"),
    "letI doubled": lambda size: "".join(f"letI p{i + 1} := p{i} ∧ p{i}; " for i in range(size)).join(
        ("letI p0 := True; ", f"p{size}")
    ),
    "have": around("have : True := trivial; ", "trivial"),
    "show from": around("show True from ", "trivial"),
    "match": around("match 1 with | _ => ", "1"),
    "match alternatives": lambda size: "match 1 with" + " | 1 => 1" * size + " | _ => 2",
    "do": around("do ", "pure 1"),
    "do lines": lambda size: "(do\n" + "  let x ← pure 1\n" * size + "  pure 1 : Id Nat)",
    "do ←": around("(← ", "pure 1", ")"),
    "by exact": around("by exact ", "trivial"),
    "id <|": around("id <| ", "trivial"),
    "|> id": lambda size: "1" + " |> id" * size,
    "f (f (f": around("id (", "trivial", ")"),
    "id id id": around("id ", "trivial"),
    ".succ.succ": lambda size: "Nat.zero" + ".succ" * size,
    "+": around("1 + ", "1"),
    "→": around("True → ", "True"),
    "∧": around("True ∧ ", "True"),
    "∘": around("id ∘ ", "id"),
    "::": around("1 :: ", "[]"),
    "++": around("[] ++ ", "[]"),
    "list": lambda size: "[" + "1, " * size + "1]",
    "tuple": lambda size: "(" + "1, " * size + "1)",
    "comment": around("/-", " x ", "-/"),
    "comment closed": lambda size: "/-" * size + "-/" * size + " True",
    "comments in a row": lambda size: "/--/" * size + " True",
    "line comments": lambda size: "-- x\n" * size + "True",
    "interpolation": around('s!"{', "1", '}"'),
    "interpolation parts": lambda size: 's!"' + "{1}" * size + '"',
    "numeral": lambda size: "1" * size + " = 1",
    "hex": lambda size: "0x" + "f" * size + " = 1",
    "scientific": lambda size: "1e" + "9" * size + " = 1",
    "exponent": lambda size: f"1e{size} = (1 : Float)",
    "decimals": lambda size: "1." + "1" * size + " = (1 : Float)",
    "power": lambda size: f"2 ^ {size} = 3",
    "Nat literal pattern": lambda size: f"match {size} with | {size} => 1 | _ => 2",
    "identifier": lambda size: "a" * size,
    "dotted": lambda size: "a" + ".a" * size,
    "string": lambda size: '"' + "a" * size + '"',
    "underscores": around("_ ", "_"),
    "Sort u+": lambda size: "Sort (" + "1 + " * size + "1)",
    "Type max": lambda size: "Type (" + "max 1 (" * size + "1" + ")" * size + ")",
    "blanks": lambda size: " " * size + "True",
    "quotation": around("`(", "x", ")"),
    "$ antiquotations": around("$(", "x", ")"),
    "name literal": lambda size: "`" + "a." * size + "a",
    "char noise": lambda size: "#" * size,
    "subscript": lambda size: "x" + "₁" * size,
    "prime": lambda size: "x" + "'" * size,
    "⟨⟩ unclosed": around("⟨", ""),
    "▸": around("h ▸ ", "h"),
    "suffices": around("suffices True by trivial; ", "trivial"),
    "nomatch": around("nomatch ", "x"),
    "fun |": around("fun | x => ", "x"),
    "field update": around("{ x with a := ", "1", " }"),
    "↑": around("↑", "1"),
    "no_index": around("no_index ", "1"),
    "(by": around("(by exact ", "trivial", ")"),
    "Σ": around("(x : Nat) × ", "Nat"),
    "{x // }": around("{x : Nat // ", "True", "}"),
    "arrow binder": around("(x : Nat) → ", "True"),
    "[i]": lambda size: "x" + "[0]" * size,
    "getElem in": around("x[", "0", "]"),
    "binop%": around("binop% HAdd.hAdd 1 (", "1", ")"),
    "if let": around("if let x := 1 then ", "1", " else 2"),
}

TACTICS: dict[str, Text] = {
    "skip ;": lambda size: "skip; " * size + "trivial",
    "skip lines": lambda size: "skip\n" * size + "trivial",
    "<;>": around("skip <;> ", "trivial"),
    "( tactic )": around("(", "trivial", ")"),
    "{ tactic }": around("{ ", "trivial", " }"),
    "·": around("· ", "trivial"),
    "first |": around("first | ", "trivial"),
    "first alternatives": lambda size: "first" + " | fail" * size + " | trivial",
    "try": around("try ", "trivial"),
    "repeat": around("repeat ", "trivial"),
    "all_goals": around("all_goals ", "trivial"),
    "case": around("case' _ => ", "trivial"),
    "simp list": lambda size: "simp [" + "id, " * size + "id]",
    "rw list": lambda size: "rw [" + "Nat.add_comm, " * size + "Nat.add_comm]",
    "rw ←": lambda size: "rw [" + "← " * size + "h]",
    "intro": lambda size: "intro" + " x" * size,
    "rcases": lambda size: "rcases h with " + "⟨" * size + "x" + "⟩" * size,
    "rcases |": lambda size: "rcases h with " + "x | " * size + "x",
    "by trivial": around("exact by ", "trivial"),
    "have by": around("have : True := by ", "trivial"),
    "calc": lambda size: "calc 1 = 1 := rfl\n" + "  _ = 1 := rfl\n" * size,
    "constructor": around("refine ⟨?_, ?_⟩ <;> (", "trivial", ")"),
    "show": around("show True; ", "trivial"),
    "exact ⟨": around("exact ⟨", "trivial", "⟩"),
    "conv": around("conv => ", "skip"),
    "induction with": around("cases 1 with | zero => ", "trivial"),
    "if": around("if True then ", "trivial", " else trivial"),
    "match": around("match 1 with | _ => ", "trivial"),
    "decide": lambda size: f"exact (by decide : {size} = {size})",
    "omega": lambda size: "have : " + " ∧ ".join(["1 < 2"] * size) + " := by omega",
    "succ goals": lambda size: "have : True" + " ∧ True" * size + " := by simp",
    "repeat constructor": lambda size: "have : True" + " ∧ True" * size + " := by repeat constructor",
    "rfl on +": lambda size: "have : " + "1 + " * size + "1 = 2 := by rfl",
    "rfl on succ": lambda size: f"have : Nat.repeat Nat.succ {size} 0 = {size} := by rfl",
    "decide on list": lambda size: f"have : (List.range {size}).length = {size} := by decide",
    "kernel decide": lambda size: f"have : (List.range {size}).length = {size} := by decide +kernel",
    "rfl on list": lambda size: f"have : (List.replicate {size} 1).length = {size} := by rfl",
    "iterate": lambda size: f"iterate {size} skip",
    "exact nested app": lambda size: "exact " + "(fun h => h) (" * size + "trivial" + ")" * size,
    "intro iterate": lambda size: f"iterate {size} have := trivial",
    "grow": lambda size: f"iterate {size} refine id ?_",
}

HEADERS: dict[str, Text] = {
    "open names": lambda size: "open" + " Nat" * size,
    "open lines": lambda size: "open Nat\n" * size,
    "open dotted": lambda size: "open Nat" + ".a" * size,
    "open hiding": lambda size: "open Nat hiding" + " add" * size,
    "open in": around("open Nat in ", "open Nat"),
    "universe names": lambda size: "universe" + "".join(f" u{i}" for i in range(size)),
    "comment": around("/-", " x ", "-/"),
    "(": around("(", ""),
    "identifier": lambda size: "open " + "a" * size,
}

NAMES: dict[str, Text] = {
    "identifier": lambda size: "a" * size,
    "dotted": lambda size: "a" + ".a" * size,
    "numbered": lambda size: "a" + ".1" * size,
    "quoted": lambda size: "«" + "(" * size + "»",
    "(": around("(", ""),
}


PROMPTS: dict[str, Text] = {
    "hypotheses": lambda size: "".join(f"h{i} : x{i} = {i}\n" for i in range(size)) + "⊢ True",
    "names of one type": lambda size: " ".join(f"x{i}" for i in range(size)) + " : Nat\n⊢ x1 = x2",
    "names that are taken": lambda size: "".join(f"h{i} : p ∨ q\n" for i in range(size)) + "⊢ p",
    "numbers to induct on": lambda size: "".join(f"x{i} : Nat\n" for i in range(size)) + f"⊢ x{size - 1} = 0",
    "daggers": lambda size: "".join(f"x{i}✝ : Nat\n" for i in range(size)) + "⊢ True",
    "lines of one type": lambda size: "h : True\n" + "  ∧ True\n" * size + "⊢ True",
    "goals": lambda size: "⊢ True\n\n" * size,
    "states": lambda size: "/- tactic state:\n⊢ True\n-/" * size,
    "openings": lambda size: "/- tactic state:\n" * size + "⊢ True\n-/",
    "quotes": lambda size: '⊢ "' + '\\"' * size,
    "blanks": lambda size: "⊢ True" + " " * size,
    "atom": lambda size: "⊢ " + "a" * size,
    "∧ in 64 hypotheses": lambda size: _hypotheses("p ∧ " * size + "p"),
    "∨ in 64 hypotheses": lambda size: _hypotheses("p ∨ " * size + "p"),
    "= in 64 hypotheses": lambda size: _hypotheses("p = " * size + "p"),
    "→ in the target": lambda size: "⊢ " + "p → " * size + "p",
    "+ in the target": lambda size: "⊢ " + "p + " * size + "p",
    "∀ in 64 hypotheses": lambda size: _hypotheses("∀ x : Nat, " * size + "True"),
    "∃ names in 64 hypotheses": lambda size: _hypotheses("∃ " + "x " * size + ": Nat, True"),
    "∀ names in the target": lambda size: "⊢ ∀ " + "x " * size + ": Nat, True",
    "if in 64 hypotheses": lambda size: "p : Prop\n" + _hypotheses("if p then 1 else " * size + "1 = 2"),
}


def _hypotheses(type_: str) -> str:
    return "".join(f"h{number} : {type_}\n" for number in range(64)) + "⊢ True"


def _prompt(text: str) -> str:
    return text


def _tactic(text: str) -> list[Request[Any]]:
    return [goal_start(_TRUE, epoch=0), goal_tactic(StateRef(0, -1), text, timeout_s=5)]


def _statement(text: str) -> list[Request[Any]]:
    return [goal_start(Theorem(name="t", statement=text), epoch=0)]


def _header(text: str) -> list[Request[Any]]:
    return [goal_start(Theorem(name="t", statement="True", header=text), epoch=0)]


def _library_name(text: str) -> list[Request[Any]]:
    return [goal_start(Theorem(name="t", copy_from=text), epoch=0)]


def _file(text: str) -> list[Request[Any]]:
    return [proof_certify(_TRUE, source=text, name="t", timeout_s=120)]


def _framed(texts: dict[str, Text], before: str) -> dict[str, Text]:
    def framed(text: Text) -> Text:
        return lambda size: before + text(size)

    return {kind: framed(text) for kind, text in texts.items()}


_TRUE = Theorem(name="t", statement="True")
PLACES: dict[str, tuple[Callable[[str], Any], dict[str, Text]]] = {
    "prompt": (_prompt, PROMPTS),
    "tactic": (_tactic, TACTICS | _framed(TERMS, "exact ")),
    "statement": (_statement, TERMS),
    "header": (_header, HEADERS),
    "library name": (_library_name, NAMES),
    "file": (_file, _framed(TACTICS, "theorem t : True := by\n  ") | _framed(TERMS, "theorem t : True := ")),
}


@attrs.frozen
class Found:
    """What one kind of text in one place came to."""

    place: str
    kind: str
    answered: int
    """The greatest size below the fatal one that was answered; 0 if none was."""
    fatal: int | None
    """The least size that cost a worker, or too long a pause, if one did."""
    answer: str
    elapsed_s: float
    rss_mib: float
    loss: str

    def __str__(self) -> str:
        fatal = "-" if self.fatal is None else self.fatal
        cost = f"{self.elapsed_s:6.2f} s {self.rss_mib:5.0f} MiB"
        return f"{self.place:13} {self.kind:22} {self.answered:>8} {fatal:>8} {cost} {self.answer!r:.60} {self.loss!r}"


class Paused(Exception):
    """The policy kept the event loop for too long."""


class Policy:
    """The symbolic policy, beside a task that wants its turn."""

    def __init__(self) -> None:
        self._backend = TemplateBackend()

    async def ask(self, prompt: str) -> tuple[str, float, float]:
        """What came of sampling from ``prompt`` and encoding it, the longest pause in seconds, and MiB then resident.

        Raises:
            Paused: others had to wait for more than a second.
        """
        longest_s = 0.0

        async def wait_for_turns() -> None:
            nonlocal longest_s
            while True:
                began = time.monotonic()
                await asyncio.sleep(0)
                longest_s = max(longest_s, time.monotonic() - began)

        waiting = asyncio.create_task(wait_for_turns())
        await asyncio.sleep(0)
        try:
            await self._backend.encode([prompt])
            ((first, *_),) = await self._backend.generate([prompt], SamplingParams(n=8))
            answer = first.text
        except PolicyBadRequest as refusal:
            answer = str(refusal)
        await asyncio.sleep(0)
        waiting.cancel()
        if longest_s > LONGEST_PAUSE_S:
            raise Paused(f"nobody else had a turn for {longest_s:.1f} s")
        return answer, longest_s, psutil.Process().memory_info().rss / 2**20


class Worker:
    """A worker that is replaced when it is lost."""

    def __init__(self) -> None:
        self._config = LeanPoolConfig.embedded(request_deadline_s=10.0)
        self._stack = AsyncExitStack()
        self._worker: LeanWorker | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the worker."""
        self._worker = None
        await self._stack.aclose()

    async def ask(self, requests: list[Request[Any]]) -> tuple[str, float, float]:
        """What the last of ``requests`` was answered, after how many seconds, and MiB then resident.

        Raises:
            WorkerLost: the worker did not survive it.
        """
        worker = await self._ready_worker()
        answer: Any = None
        began = time.monotonic()
        try:
            for request in requests:
                goes_on = "stateId" in request.payload
                payload = {**request.payload, "stateId": answer.ref.state_id} if goes_on else request.payload
                answer = await worker.request(attrs.evolve(request, payload=payload))
        except CommandRefused as refusal:
            answer = refusal
        return (
            f"{type(answer).__name__}: {getattr(answer, 'message', answer)}",
            time.monotonic() - began,
            worker.rss_mib,
        )

    async def _ready_worker(self) -> LeanWorker:
        if self._worker is None or self._worker.is_due:
            await self.__aexit__()
            self._worker = await self._stack.enter_async_context(LeanWorker.running(self._config))
        return self._worker


async def measure(subject: Worker | Policy, place: str, kind: str, least: int, most: int, within: float) -> Found:
    """Grow the text tenfold at a time until it is fatal, then bisect."""
    requests, texts = PLACES[place]
    found = Found(place, kind, 0, None, "", 0.0, 0.0, "")
    size = least
    while size <= most and (found.fatal is None or found.fatal > found.answered * within):
        try:
            answer, elapsed_s, rss_mib = await subject.ask(requests(texts[kind](size)))
            most_s = max(found.elapsed_s, elapsed_s)
            found = attrs.evolve(found, answered=size, answer=answer[:200], elapsed_s=most_s, rss_mib=rss_mib)
        except (WorkerLost, Paused) as lost:
            found = attrs.evolve(found, fatal=size, loss=str(lost)[:200])
        size = 10 * size if found.fatal is None else round((max(found.answered, 1) * found.fatal) ** 0.5)
    return found


async def measure_all(only: str, least: int, most: int, within: float) -> list[Found]:
    """Measure and print every kind in every place that ``only`` occurs in."""
    found = []
    async with Worker() as worker:
        for place, kind in [(place, kind) for place, (_, texts) in PLACES.items() for kind in texts]:
            if only in f"{place}: {kind}":
                subject = Policy() if place == "prompt" else worker
                found.append(await measure(subject, place, kind, least, most, within))
                print(found[-1], flush=True)
    return found


@click.command()
@click.option("--only", default="", help="Places and kinds that hold this word, as in 'file: ( )'.")
@click.option("--least", default=100, help="Smallest size tried.")
@click.option("--most", default=100_000, help="Greatest size tried.")
@click.option("--within", default=1.2, help="How exactly to bisect, as a ratio.")
@click.option("--json", "json_file", type=click.Path(path_type=Path))
def main(only: str, least: int, most: int, within: float, json_file: Path | None) -> None:
    """Bisect the size at which each kind of text is fatal."""
    found = asyncio.run(measure_all(only, least, most, within))
    if json_file is not None:
        json_file.write_text(json.dumps([attrs.asdict(one) for one in found], indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
