"""Whether a proof of a library theorem, checked by plain Pantograph, uses that theorem or one that says the same.

All there is to go by is what Lean prints, so Lean is asked to print: the proof with its helpers, and whatever of these
is not declared in a module before the theorem's own, and what that uses, and so on. The theorem must not come up. Then
each constant that the proof uses is tried for the theorem, and the theorem for it: two that give one another by no more
than naming arguments or turning round say the same. ``env.inspect`` lists what a constant depends on, too, but leaves
names out that Lean made up, such as ``NAME._simp_1``, by which proofs most often use a theorem.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import attrs

from leanebm.core.certificate import ACCEPTED_AXIOMS
from leanebm.lean._replies import UnitMessages

_PRINT_ALL: Final = "set_option pp.all true in set_option pp.deepTerms true in set_option pp.maxSteps 1000000 in\n"

_AT_MOST: Final = 500
"""Constants that a proof may use, and as many that are printed to see what these rest on."""

_HELPER_ROUNDS: Final = 4

# What `#print` says of a constant whose use hides nothing: attributes, in one pair of brackets, words in front, kind.
_LAID_OPEN = re.compile(
    r"""(?:@\[[^\n]*\]\s++)?(?:(?:private|protected|public|meta|noncomputable|nonrec)\s++)*+
        (?:theorem|def|abbrev|instance|inductive|structure|class|constructor|recursor|Quotient\ primitive)\s""",
    re.VERBOSE,
)
_LEFT_OUT = ("⋯", "<not imported>")

# Apply `{0}` as it stands, turned round, as an equality for an equivalence, or as what `simp` makes of either.
_SAME: Final = (
    "with_reducible_and_instances (intros; first"
    " | (apply {0} <;> assumption) | (symm; apply {0} <;> assumption)"
    " | (apply propext; apply {0} <;> assumption) | (apply Iff.of_eq; apply {0} <;> assumption)"
    " | (apply of_eq_true; apply {0} <;> assumption) | (apply of_eq_false; apply {0} <;> assumption)"
    " | (apply eq_true; apply {0} <;> assumption) | (apply eq_false; apply {0} <;> assumption))"
)
# Apply the one field of what it is, as `Std.Commutative` has one. Who takes one of several uses more than a new name.
_AS_A_LAW: Final = (
    "(fail_if_success refine' (fun _ => ?_) ({0} ..).2); "
    "with_reducible_and_instances (intros; apply ({0} ..).1 <;> assumption)"
)
_TAKES_AN_INSTANCE = re.compile(r"\[[^\[\]\s]+ : ")


def printed_whole(names: Sequence[str]) -> str:
    """Commands that print each of these constants, with nothing left out."""
    return "".join(f"{_PRINT_ALL}#print {quoted(name)}\n" for name in names)


@attrs.frozen
class LibraryProof:
    """The proof called ``name`` of the library theorem ``theorem``."""

    theorem: str
    name: str

    again: Callable[[Sequence[str]], Awaitable[UnitMessages]]
    """Has the proof's text processed once more, and at its end the proof printed, and each of these helpers."""

    process: Callable[[str], Awaitable[UnitMessages]]
    """Has a text processed that does not know of the proof."""

    place: Callable[[str], Awaitable[str | None]]
    """The module that declares a constant; ``None`` where there is no such constant."""

    modules: Sequence[str]
    """All modules in the order of their loading, in which none comes before what it imports."""

    async def objection(self, said: UnitMessages) -> str | None:
        """Why it may not prove the theorem by other means; ``said`` is what was said of its text."""
        used = await self._used(said)
        if used is None:
            return "Lean does not print the whole proof, so nobody can see whether it uses the theorem itself"
        target = unquoted(self.theorem)
        if target in used:
            return f"the proof uses {target}, which is the theorem itself"
        if len(used) > _AT_MOST:
            return f"the proof names {len(used)} constants; more than {_AT_MOST} are not looked into"
        places = {name: await self.place(name) for name in sorted({*used, target})}
        constants = [name for name, module in places.items() if name != target and not _is_variable(name, module)]
        return await self._rests_on_it(target, constants, places) or await self._says_the_same(target, constants)

    async def _used(self, said: UnitMessages) -> set[str] | None:
        """What the proof names, and its helpers do; ``None`` if that cannot be seen."""
        helpers: list[str] = []
        for _ in range(_HELPER_ROUNDS):
            printed = _last(said, 1 + len(helpers))
            if printed is None or not printed[0].startswith(f"theorem {self.name}"):
                return None
            if any(_is_hidden(text) for text in printed):
                return None
            # The statement is the theorem's own, and may name anything.
            used = set().union(names_in(printed[0].partition(":=")[2]), *map(names_in, printed[1:]))
            own = sorted(name for name in used if name.startswith(f"{self.name}."))
            if own == helpers:
                return used - {self.name, *own}
            if len(own) > _AT_MOST or not all(map(_is_writable, own)):
                return None
            helpers = own
            said = await self.again(helpers)
        return None

    async def _rests_on_it(self, target: str, constants: Sequence[str], places: dict[str, str | None]) -> str | None:
        """Print what no earlier module declares, and what that uses, and so on, until the theorem comes up."""
        order = {module: number for number, module in enumerate(self.modules)}
        own = order.get(places[target] or "", -1)
        because = {name: name for name in constants}
        new, looked_into = list(constants), 0
        while new:
            late = [name for name in new if order.get(places[name] or "", own) >= own and name not in ACCEPTED_AXIOMS]
            looked_into += len(late)
            if looked_into > _AT_MOST:
                return f"what the proof uses rests on more than {_AT_MOST} constants, the most that are looked into"
            printed = await self._printed(late)
            new = []
            for name in late:
                if name not in printed:
                    return _untold(because[name], name, target)
                for below in sorted(names_in(printed[name]) - because.keys()):
                    if below == target:
                        return f"the proof uses {because[name]}, which rests on {target}, the theorem itself"
                    places[below] = await self.place(below)
                    because[below] = because[name]
                    if not _is_variable(below, places[below]):
                        new.append(below)
        return None

    async def _printed(self, names: Sequence[str]) -> Mapping[str, str]:
        """What Lean prints of each, of those that it can print whole."""
        writable = [name for name in names if _is_writable(name)]
        said = (await self.process(printed_whole(writable))).messages if writable else ()
        if len(said) != len(writable):
            return {}
        return {name: text for name, (_, text) in zip(writable, said, strict=True) if not _is_hidden(text)}

    async def _says_the_same(self, target: str, constants: Sequence[str]) -> str | None:
        """Try each constant for the theorem, and the theorem for those that give it."""
        tried = [(number, name) for number, name in enumerate(constants) if _is_writable(name)]
        answers = _answers(await self.process("".join(_attempt(target, name, number) for number, name in tried)))
        for number, name in enumerate(constants):
            if number not in answers:
                return f"the proof uses {name}, and it could not be found out whether that says the same as {target}"
            if answers[number] == "law" or (answers[number] == "yes" and await self._says_no_more(name, target)):
                return f"the proof uses {name}, which says the same as {target}"
        return None

    async def _says_no_more(self, name: str, target: str) -> bool:
        """Whether a constant that gives the theorem follows from it, too, or is a law that was used at an instance."""
        said = await self.process(f"{_attempt(name, target, 0)}#check @{quoted(name)}\n")
        is_law = bool(said.messages) and _TAKES_AN_INSTANCE.search(said.messages[-1][1]) is not None
        return is_law or _answers(said).get(0) != "no"


def _attempt(target: str, name: str, number: int) -> str:
    """An example that says by a message whether ``name`` gives what ``target`` says, maybe as a law."""
    given = f"@{quoted(name)}"
    tries = ((_SAME, "yes"), (_AS_A_LAW, "law"), ("have _ := {0}", "no"))
    first = "".join(f' | ({tactics.format(given)}; trace "{number} {answer}")' for tactics, answer in tries)
    return f"example : type_of% @{quoted(target)} := by\n  first{first}\n"


def _answers(said: UnitMessages) -> dict[int, str]:
    found = (re.fullmatch(r"(\d+) (yes|law|no)", text) for _, text in said.messages)
    return {int(match[1]): match[2] for match in found if match}


def _last(said: UnitMessages, count: int) -> list[str] | None:
    """The last messages, which are of what is printed last; ``None`` if one of them is an error."""
    last = said.messages[-count:]
    return [text for _, text in last] if len(last) == count and all(how != "error" for how, _ in last) else None


def _is_hidden(printed: str) -> bool:
    return _LAID_OPEN.match(printed) is None or any(mark in printed for mark in _LEFT_OUT)


def _untold(used: str, name: str, target: str) -> str:
    which = used if used == name else f"{used} and so {name}"
    return (
        f"the proof uses {which}, which is not declared before {target}'s own module and which Lean does not print "
        "whole: it may rest on the theorem itself"
    )


def _is_variable(name: str, module: str | None) -> bool:
    # A name of a variable is declared nowhere; one of several parts, or that is no word, is none of a variable.
    return module is None and re.fullmatch(r"[^\W\d][\w']*(✝\w*)?|[^\w.✝]+|\d+", name) is not None


def _is_writable(name: str) -> bool:
    """Whether a text can name it. What has a number among its parts is private, or was made up."""
    return not any(part.isdigit() or not part for part in name.split("."))


def quoted(name: str) -> str:
    """``name`` so that no part of it is a keyword."""
    return ".".join(f"«{part}»" for part in name.split("."))


def unquoted(name: str) -> str:
    """``name`` without quotation marks."""
    return name.replace("«", "").replace("»", "")


def names_in(printed: str) -> set[str]:
    """The constants that a term names as Lean printed it, and its variables, which look the same."""
    # A field is printed by its number behind a term; pp.all appends universe levels, as in List.map.{u, v}.
    words = re.findall(r"[^\s()\[\]{}@,:;]+", printed)
    return {unquoted(_without_fields(word)) for word in words} - {""}


def _without_fields(word: str) -> str:
    """``word`` without the numbers at its end, and without the dot there."""
    parts = word.removesuffix(".").split(".")
    while len(parts) > 1 and parts[-1].isdecimal():
        parts.pop()
    return ".".join(parts)
