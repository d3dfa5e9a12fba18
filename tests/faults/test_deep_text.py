"""Text as long as Lean is given any, and nested as deep as that allows: it costs the real Lean no worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psutil
import pytest

from leanebm.core import Certificate, CertificationRejected, ProofFinished, TacticRejected, TacticTimedOut, Theorem
from leanebm.core.limits import MAX_FILE_CHARACTERS, MAX_HEADER_CHARACTERS, MAX_TEXT_CHARACTERS
from leanebm.errors import StatementError
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean

pytestmark = pytest.mark.lean

_TRUE = Theorem(name="t", statement="True")
_LOOKS = 600  # half a minute, in which a worker has been replaced
_FRAME = 64  # room for what stands around a text in a table below


def _deep(opening: str, middle: str, closing: str = "", *, room: int = MAX_TEXT_CHARACTERS) -> str:
    """``opening`` and ``closing`` around ``middle``, as often as there is room."""
    times = (room - _FRAME) // len(opening + closing)
    return opening * times + middle + closing * times


@pytest.fixture(scope="session")
async def certifier(embedded_lean: EmbeddedLean) -> AsyncIterator[Certifier]:
    assert embedded_lean.node.is_file()
    async with Certifier(LeanPoolConfig.embedded()) as certifier:
        await certifier.certify(_TRUE, ["trivial"])  # its worker is started now, and outlives each test
        yield certifier


@pytest.fixture(autouse=True)
async def nothing_left_behind(
    lean_pool: LeanPool, certifier: Certifier, at_rest: set[psutil.Process]
) -> AsyncIterator[None]:
    """No test leaves a process behind; in place of what other fault tests ask, whose workers are all their own.

    The workers here are the session's, and one that has grown is replaced, by another process. So what counts is how
    many there are, once that is over. A test may end while it is not, so the number before is that at rest.
    """
    assert lean_pool.statistics().starts
    assert isinstance(certifier, Certifier)
    before = len(at_rest)
    process = psutil.Process()
    yield
    for _ in range(_LOOKS):
        if len(process.children(recursive=True)) <= before:
            return
        await asyncio.sleep(0.05)
    pytest.fail(f"there were {before} processes before, and there are {len(process.children(recursive=True))} now")


_TERMS = {
    "brackets": _deep("(", "trivial", ")"),
    "brackets that are not closed": _deep("(", ""),
    "lists": _deep("[", "1", "]"),
    "braces": _deep("{", "1", "}"),
    "pairs": _deep("⟨", "trivial", "⟩"),
    "placeholders": _deep("(· + ", "1", ")"),
    "functions": _deep("fun x => ", "x"),
    "for all": _deep("∀ x : Nat, ", "True"),
    "not": _deep("¬", "True"),
    "if": _deep("if True then ", "1", " else 2"),
    "match": _deep("match 1 with | _ => ", "1"),
    "do": _deep("do ", "pure 1"),
    "actions": _deep("(← ", "pure 1", ")"),
    "let": _deep("let x := 1; ", "x"),
    "by": _deep("by exact ", "trivial"),
    "arrows": _deep("True → ", "True"),
    "sums": _deep("1 + ", "1"),
    "cons": _deep("1 :: ", "[]"),
    "elements": "[" + _deep("1, ", "1") + "]",
    "a long name": _deep("a", ""),
    "a name of many parts": _deep("a.", "a"),
    "a numeral": _deep("1", " = foo"),
    "comments": _deep("/-", " x ", "-/") + " sorry",
    "interpolation": _deep('s!"{', "1", '}"'),
}
_TACTICS = {
    "one after the other": _deep("skip; ", "fail"),
    "and then": _deep("skip <;> ", "fail"),
    "in brackets": _deep("(", "fail", ")"),
    "focused": _deep("· ", "fail"),
    "first": _deep("first | ", "fail"),
    "alternatives": "first" + _deep(" | fail", ""),
    "have": _deep("have : True := by ", "fail"),
    "simp": "simp [" + _deep("id, ", "foo") + "]",
    "rewriting": "rw [" + _deep("← ", "foo") + "]",
    "patterns": "rcases foo with " + _deep("⟨", "x", "⟩"),
}
_HEADERS = {
    "open": "open" + _deep(" Nat", " foo", room=MAX_HEADER_CHARACTERS),
    "open in": _deep("open Nat in ", "open Nat", room=MAX_HEADER_CHARACTERS),
    "comments": _deep("/-", " x ", room=MAX_HEADER_CHARACTERS),
    "brackets": _deep("(", "", room=MAX_HEADER_CHARACTERS),
}
_PROOFS = {
    "brackets": _deep("(", "trivial", ")", room=MAX_FILE_CHARACTERS),
    "brackets that are not closed": _deep("(", "", room=MAX_FILE_CHARACTERS),
    "functions": _deep("fun x => ", "x", room=MAX_FILE_CHARACTERS),
    "by": _deep("by exact ", "trivial", room=MAX_FILE_CHARACTERS),
    "steps": "by\n" + _deep("  skip\n", "  trivial", room=MAX_FILE_CHARACTERS),
}


@pytest.mark.parametrize(
    "text", (_TACTICS | {kind: f"exact {term}" for kind, term in _TERMS.items()}).values(), ids=_TACTICS | _TERMS
)
async def test_a_deep_tactic_costs_no_worker(lean_pool: LeanPool, text: str) -> None:
    async with lean_pool.open(_TRUE) as proof:
        assert isinstance(await proof.run_tactic(proof.root, text), TacticRejected | TacticTimedOut)
        assert isinstance(await proof.run_tactic(proof.root, "trivial"), ProofFinished)


@pytest.mark.parametrize("kind", ["brackets", "functions", "for all", "by", "sums", "a name of many parts", "comments"])
async def test_a_deep_statement_costs_no_worker(lean_pool: LeanPool, kind: str) -> None:
    starts = lean_pool.statistics().starts
    with pytest.raises(StatementError):
        async with lean_pool.open(Theorem(name="deep", statement=_TERMS[kind])):
            pass
    assert lean_pool.statistics().starts == starts


@pytest.mark.parametrize("text", _HEADERS.values(), ids=_HEADERS)
async def test_a_deep_header_costs_no_worker(lean_pool: LeanPool, text: str) -> None:
    starts = lean_pool.statistics().starts
    with pytest.raises(StatementError):
        async with lean_pool.open(Theorem(name="deep", statement="True", header=text)):
            pass
    assert lean_pool.statistics().starts == starts


async def test_a_deep_name_costs_no_worker(lean_pool: LeanPool) -> None:
    starts = lean_pool.statistics().starts
    for name in (_deep("a", ""), _deep("a.", "a"), _deep("(", "")):
        with pytest.raises(StatementError):
            async with lean_pool.open(Theorem(name="deep", copy_from=name)):
                pass
    assert lean_pool.statistics().starts == starts


@pytest.mark.parametrize("proof", _PROOFS.values(), ids=_PROOFS)
async def test_a_deep_file_is_rejected(certifier: Certifier, proof: str) -> None:
    text = f"theorem t : True :=\n  {proof}\n"
    result = await certifier.certify_text(_TRUE, text, name="t")
    assert isinstance(result, CertificationRejected)
    assert result.reason == "elaboration"
    assert isinstance(await certifier.certify(_TRUE, ["trivial"]), Certificate)
