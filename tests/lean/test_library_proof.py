"""What is made of what Lean prints; what it prints is tried in ``backends/test_pantograph_double.py``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pytest

from leanebm.lean._library_proof import LibraryProof, names_in, printed_whole, quoted
from leanebm.lean._replies import UnitMessages

_NAME = "leanebm_t"
_PLACES = {"T": "Own", "Eq": "Init", "early": "Init", "late": "Own", "deep": "Later", "m.«at»": "Init", "choice": ""}


def _said(*texts: str) -> UnitMessages:
    return UnitMessages(tuple(("information", text) for text in texts), ())


def _proof(term: str, name: str = _NAME) -> str:
    return f"theorem {name} : T' :=\n{term}"


class _Lean:
    """Prints what it is told to, and finds that nothing says what the theorem does, unless it is told otherwise."""

    def __init__(
        self, printed: Mapping[str, str] = {}, answers: Mapping[str, str] = {}, helpers: Sequence[str] = ()
    ) -> None:
        self.printed = printed
        self.answers = answers
        self.helpers = helpers

    async def process(self, text: str) -> UnitMessages:
        if asked := re.findall(r"^#print (.*)$", text, re.MULTILINE):
            return _said(
                *(self.printed.get(name.replace("«", "").replace("»", ""), "Unknown constant") for name in asked)
            )
        tried = re.findall(r'\(have _ := @(\S+); trace "(\d+) no"', text)
        return _said(
            *(f"{number} {self.answers.get(name, 'no')}" for name, number in tried if self.answers.get(name) != "")
        )

    async def again(self, helpers: Sequence[str]) -> UnitMessages:
        return _said(*self.helpers[: 1 + len(helpers)])

    async def place(self, name: str) -> str | None:
        return _PLACES.get(name)

    async def objection(self, *said: str) -> str | None:
        proof = LibraryProof(
            theorem="T",
            name=_NAME,
            again=self.again,
            process=self.process,
            place=self.place,
            modules=("Init", "Own", "Later"),
        )
        return await proof.objection(_said(*said))


async def test_what_earlier_modules_declare_is_not_looked_into() -> None:
    assert await _Lean().objection(_proof("fun (n : Nat) x✝ x✝¹ a' u_1 => @early.{u, 1} n 12 h.1.2 (Eq n; 3)")) is None


async def test_of_what_does_not_come_earlier_all_is_looked_into_until_the_theorem_comes_up() -> None:
    rests = {"late": "theorem late : x :=\n deep", "deep": "@[simp] private def deep := early\n  T"}
    assert "late, which rests on T" in str(await _Lean(rests).objection(_proof("late")))
    assert await _Lean({**rests, "deep": "class deep : early"}).objection(_proof("late")) is None


@pytest.mark.parametrize(
    "printed",
    [
        "theorem late : x :=\n<not imported>",
        "theorem late : x :=\nfun (a : ⋯) => early",
        "axiom late : x",
        "opaque late : x",
        "unsafe def late := early",
        "Unknown constant `late`",
        "",
    ],
)
async def test_what_lean_does_not_print_whole_may_rest_on_the_theorem(printed: str) -> None:
    assert "may rest on the theorem" in str(await _Lean({"late": printed}).objection(_proof("late")))


@pytest.mark.parametrize("name", ["_private.M.0.f", "A.f", "f._@.M._hyg.3", "inst✝.x"])
async def test_what_no_text_can_name_may_rest_on_the_theorem(name: str) -> None:
    assert "may rest on the theorem" in str(await _Lean().objection(_proof(name)))


async def test_a_proof_that_is_not_printed_whole_is_not_believed() -> None:
    for said in (
        (),
        ("something else",),
        (_proof("early"), "something else"),
        (_proof("fun (a : ⋯) => early"),),
        (_proof("<not imported>"),),
        (_proof("early", "another"),),
    ):
        assert "not print the whole proof" in str(await _Lean().objection(*said)), said
    assert await _Lean().objection("something else", _proof("early")) is None


async def test_a_proof_is_printed_with_its_helpers_and_theirs() -> None:
    one, two = f"{_NAME}._proof_1", f"{_NAME}._proof_2"
    whole = _proof(f"@{one} n")
    helpers = [whole, _proof(two, one), _proof("early", two)]
    assert await _Lean(helpers=helpers).objection(whole) is None
    assert "the theorem itself" in str(await _Lean(helpers=[*helpers[:2], _proof("T", two)]).objection(whole))
    for last in ([], [f"opaque {two} : x"], [_proof("<not imported>", two)]):
        assert "not print the whole proof" in str(await _Lean(helpers=[*helpers[:2], *last]).objection(whole))


@pytest.mark.parametrize(
    ("answer", "objection"), [("law", "says the same"), ("yes", "says the same"), ("", "not be found out")]
)
async def test_what_says_the_same_is_refused_wherever_it_is_declared(answer: str, objection: str) -> None:
    """An answer that is missing is none that it says something else."""
    answers = {"«early»": answer, "«T»": "yes"}
    assert objection in str(await _Lean(answers=answers).objection(_proof("early")))


async def test_what_says_more_is_not_refused() -> None:
    assert await _Lean(answers={"«early»": "yes", "«T»": "no"}).objection(_proof("early")) is None


async def test_a_proof_that_uses_more_than_can_be_looked_into_is_refused() -> None:
    assert "501 constants" in str(await _Lean().objection(_proof(" ".join(f"x{i}" for i in range(501)))))


@pytest.mark.parametrize("hostile", ["@[a] " * 10_000, "@[" + "]" * 50_000, "private " * 6_000, "@[a]" + " " * 50_000])
async def test_what_is_printed_to_keep_us_busy_is_seen_through_at_once(hostile: str) -> None:
    assert "may rest on the theorem" in str(await _Lean({"late": f"{hostile}x"}).objection(_proof("late")))


@pytest.mark.parametrize(("word", "name"), [("h" + ".1" * 25_000, "h"), ("h" + ".1" * 25_000 + ".x", None)])
def test_a_field_of_a_field_and_so_on_is_read_off_at_once(word: str, name: str | None) -> None:
    assert names_in(word) == {name or word}


@pytest.mark.parametrize("front", ["", "@[simp] ", "@[simp, reducible] ", "private ", "@[x y[]] private nonrec "])
async def test_attributes_and_words_in_front_of_a_constant_hide_nothing(front: str) -> None:
    late = f"{front}theorem late : x := [early]  x"
    assert await _Lean({"late": late}).objection(_proof("late")) is None


def test_names_are_read_off_what_is_printed() -> None:
    term = "fun (n : Nat) ↦ @List.map.{u, v} n {x // p}, (S.mk n).1; h.2.1 m.«at»"
    assert names_in(term) >= {"Nat", "List.map", "n", "S.mk", "h", "m.at"}
    assert not {name for name in names_in(term) if re.search(r"\.\d|;|,|^$", name)}


def test_names_are_written_so_that_no_part_is_a_keyword() -> None:
    assert quoted("Foo.at.end") == "«Foo».«at».«end»"
    assert printed_whole(["A.b"]).endswith(" in\n#print «A».«b»\n")
