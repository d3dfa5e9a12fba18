"""Tactic pairs in the forms in which others publish them: their steps have no numbers, and no statement.

LeanDojo's ``traced_tactics`` stand in one record per theorem. Rows of a state and a tactic are the steps of one proof
if they have one name, or if each says the state that the next one begins with. A name is taken for a library
theorem's; without one, the first state is made a statement.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import dropwhile, takewhile
from typing import Final

import attrs

from leanebm._shown import shown
from leanebm.core import Theorem
from leanebm.core.theorem_text import with_line_feeds
from leanebm.data._reading import BadLine, Problem, is_text, theorem_problems
from leanebm.data._records import Record, Records

_TRACED: Final = "traced_tactics"

_STATE: Final = ("state", "state_before", "tactic_state", "goal_state", "goal")

_AFTER: Final = ("state_after", "next_state")

_NAME: Final = ("full_name", "theorem", "theorem_name", "decl_name", "name")

_OURS: Final = frozenset({"step", "num_steps", "statement", "copy_from"})

_INSTANCE: Final = re.compile(r"inst✝[¹²³⁴⁵⁶⁷⁸⁹⁰]*")

_HYPOTHESES: Final = re.compile(r"([^\s:✝]+(?: [^\s:✝]+)*|inst✝[¹²³⁴⁵⁶⁷⁸⁹⁰]*) :\s+(.*)", re.DOTALL)

_NEXT_BLOCK: Final = re.compile(r"\n(?! )")

_LEVEL: Final = re.compile(r"\bu_\d+\b")

_WORD: Final = re.compile(r"\w+")


@attrs.frozen
class PublishedProof:
    """A theorem, and the state and tactic of each step of its proof."""

    theorem: Theorem
    module: str
    steps: Sequence[tuple[str, str]]


def are_published_pairs(columns: Sequence[str]) -> bool:
    """Whether a table with these columns holds tactic pairs in a form of others."""
    has_pairs = "tactic" in columns and any(name in columns for name in _STATE)
    return _TRACED in columns or (has_pairs and _OURS.isdisjoint(columns))


def published_proofs(found: Records) -> tuple[list[PublishedProof], list[Problem]]:
    """The proofs of a table, and why which record gives none. Of several for one theorem, the first."""
    proofs: dict[str, PublishedProof] = {}
    problems = list(found.problems)
    for number, first, rows in _traced(found) if _TRACED in found.columns else _chained(found.records):
        try:
            proof = _proof(first, rows)
        except BadLine as error:
            problems.append((number, str(error)))
        else:
            proofs.setdefault(proof.theorem.name, proof)
    return list(proofs.values()), problems


_Rows = Sequence[Mapping[str, object]]


def _traced(found: Records) -> Iterator[tuple[int, Mapping[str, object], _Rows]]:
    """Each record's number, the record, and its steps. A theorem that was proved by a term has none."""
    for record in found.records:
        rows = record.values.get(_TRACED)
        if isinstance(rows, list) and rows:
            yield record.number, record.values, [row if isinstance(row, dict) else {} for row in rows]


def _chained(records: Sequence[Record]) -> Iterator[tuple[int, Mapping[str, object], _Rows]]:
    chains: list[list[Record]] = []
    by_name: dict[object, list[Record]] = {}
    for record in records:
        name, previous = _text(record.values, _NAME), chains[-1][-1].values if chains else {}
        after = _text(previous, _AFTER)
        if name and name in by_name:
            by_name[name].append(record)
        elif not name and after and after == _text(record.values, _STATE) and not _text(previous, _NAME):
            chains[-1].append(record)
        else:
            chains.append([record])
            by_name[name] = chains[-1]
    for chain in chains:
        yield chain[0].number, chain[0].values, [record.values for record in chain]


def _text(values: Mapping[str, object], columns: Sequence[str]) -> str:
    found = (values.get(column) for column in columns)
    return with_line_feeds(next((value for value in found if isinstance(value, str) and value.strip()), ""))


def _proof(first: Mapping[str, object], rows: _Rows) -> PublishedProof:
    steps = [(_text(row, _STATE), _text(row, ("tactic",))) for row in rows]
    if missing := [number for number, step in enumerate(steps, start=1) if not all(step)]:
        raise BadLine(f"it has no state or no tactic in step {missing[0]}")
    if not is_text("".join(text for step in steps for text in step)):
        raise BadLine("a text holds a lone surrogate")
    name = _text(first, _NAME)
    theorem = Theorem(name=name, copy_from=name) if name else _stated(steps[0][0])
    if objection := "; ".join(theorem_problems(theorem)):
        raise BadLine(objection)
    return PublishedProof(theorem, _module_at(_text(first, ("file_path", "path"))), steps)


def _module_at(path: str) -> str:
    """The module that a path leads to, whatever folders it lies in; empty if it leads to none."""
    if not path.endswith(".lean"):
        return ""
    parts = [*takewhile(_WORD.fullmatch, reversed(path.removesuffix(".lean").split("/")))]
    return ".".join(dropwhile(lambda part: not "A" <= part[0] <= "Z", reversed(parts)))


def _stated(state: str) -> Theorem:
    """The theorem that a state with one goal shows."""
    *declared, target = _NEXT_BLOCK.split(state.strip("\n"))
    if declared and declared[0].startswith("case "):
        declared.pop(0)
    if not target.startswith("⊢") or any(block.startswith("⊢") or not block.strip() for block in declared):
        raise BadLine(f"it has no name, and its state is not one goal: {shown(state)}")
    binders = [_binder(block) for block in declared]
    claim = target.removeprefix("⊢").strip()
    statement = f"{' '.join(binders)} : {claim}" if binders else claim
    if "✝" in statement or "?m." in statement:
        raise BadLine(f"it has no name, and its state shows names that Lean cannot read back: {shown(state)}")
    levels = sorted(set(_LEVEL.findall(statement)))
    return Theorem(
        name=f"state_{hashlib.sha256(statement.encode()).hexdigest()[:12]}",
        statement=statement,
        header=f"universe {' '.join(levels)}" if levels else "",
    )


def _binder(block: str) -> str:
    match = _HYPOTHESES.fullmatch(block)
    kind = match[2] if match else ""
    if match is None or ":=" in kind:
        raise BadLine(f"it has no name, and its state cannot be made a statement: {shown(block)}")
    return f"[{kind}]" if _INSTANCE.fullmatch(match[1]) else f"({match[1]} : {kind})"
