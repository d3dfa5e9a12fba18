"""Theorems in the forms in which others publish them: what can be stated of them, and why the rest cannot."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import attrs

from leanebm._shown import shown, shown_json
from leanebm.core import Theorem
from leanebm.core.limits import MAX_CONTEXT_CHARACTERS, objection_to_length
from leanebm.core.theorem import MAX_SPLIT_CHARACTERS
from leanebm.core.theorem_text import (
    IN_MUTUAL_BLOCK,
    LeanCommand,
    TheoremText,
    endings,
    is_in_mutual_block,
    lean_commands,
    mentioned,
    normalized,
    split_theorem,
    theorem_of_command,
)
from leanebm.data._reading import MAX_NAME_CHARACTERS, BadLine, NumberedTheorem, Problem, theorem_problems
from leanebm.data._records import Record, Records
from leanebm.data._shapes import Shape

_MAX_LISTED_SPLITS: Final = 10

_UNFIT: Final = re.compile(r"[^\w'!?.-]+")


@attrs.frozen(kw_only=True)
class PublishedTheorems:
    """What a file of a published form gives."""

    theorems: Sequence[NumberedTheorem]
    problems: Sequence[Problem]
    """Why which of them cannot be stated."""

    imports: Mapping[str, int]
    """The modules that the theorems want imported, and how many want them."""

    recognised: str
    place: str


@attrs.frozen
class _Source:
    """Lean text with a theorem to prove in it, found at a line or row."""

    number: int
    name: str
    parts: TheoremText


def published_in_table(found: Records, shape: Shape, split: str | None) -> PublishedTheorems:
    """The theorems of a table's rows.

    Raises:
        BadLine: there is no such split.
    """
    records = _of_split(found.records, shape, split)
    names = _names(records, shape)
    sources: list[_Source] = []
    problems = list(found.problems)
    for record in records:
        try:
            parts = split_theorem(_lean_text(record, shape))
        except ValueError as error:
            problems.append((record.number, str(error)))
        else:
            sources.append(_Source(record.number, names.get(record.number) or parts.name or "", parts))
    told = f"{shape}; {_splits(found.records, shape)}" if "split" in shape.columns else str(shape)
    return _stated(sources, problems, recognised=told, place=found.place, unnamed="row")


def _of_split(records: Sequence[Record], shape: Shape, split: str | None) -> Sequence[Record]:
    if split is None:
        return records
    if "split" not in shape.columns:
        raise BadLine("none of its columns is known to hold splits; name the one that does: --field split=COLUMN")
    taken = [record for record in records if _split_of(record, shape) == split]
    if not taken:
        raise BadLine(f"it has no split {shown(split)}; {_splits(records, shape)}")
    return taken


def _split_of(record: Record, shape: Shape) -> str | None:
    """A record's split, if it has one, as it is listed and chosen: a column may number them instead of naming them."""
    value = record.values.get(shape.columns["split"][0])
    return None if value is None else str(value)


def _splits(records: Sequence[Record], shape: Shape) -> str:
    counts = Counter(_split_of(record, shape) for record in records)
    listed = ", ".join(f"{count} {shown(name)}" for name, count in counts.most_common(_MAX_LISTED_SPLITS))
    return f"splits: {listed}"


def _lean_text(record: Record, shape: Shape) -> str:
    texts = []
    for part in ("header", "context", "statement"):
        for column in shape.columns.get(part, ())[:1]:
            value = record.values.get(column)
            if value is not None and not isinstance(value, str):
                raise BadLine(f"{column!r} should be a text, not {shown_json(value)}")
            texts.append(value or "")
    if not texts[-1].strip():
        raise BadLine(f"{shape.columns['statement'][0]!r} is empty")
    text = "\n".join(texts)
    if objection := objection_to_length(text, MAX_SPLIT_CHARACTERS):
        raise BadLine(objection)
    return text


def _names(records: Sequence[Record], shape: Shape) -> dict[int, str]:
    """The names that tell the theorems apart best: those of the first column without a name twice, else the first."""
    choices = [
        {record.number: name for record in records if (name := _fit_name(record.values.get(column)))}
        for column in shape.columns.get("name", ())
    ]
    return next((names for names in choices if len(set(names.values())) == len(records)), (choices or [{}])[0])


def _fit_name(value: object) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    text = _UNFIT.sub("_", "" if value is None else str(value).strip())
    return re.sub(r"\.+", ".", text).strip("._")[:MAX_NAME_CHARACTERS].rstrip(".")


def published_in_lean(source: str) -> PublishedTheorems:
    """Every theorem, lemma and example of a Lean source that holds a ``sorry``, each with what it needs before it."""
    sources: list[_Source] = []
    problems: list[Problem] = []
    before = _Before()
    proved = shortened = 0
    for command, line, namespace in _placed(normalized(source)):
        if not command.is_claim or not command.holds_sorry:
            proved += command.is_claim
            before.add(command, namespace)
            continue
        parts = theorem_of_command([*before.commands, command], len(before.commands))
        if len(parts.context) > MAX_CONTEXT_CHARACTERS:
            needed = before.needed_by(mentioned(parts.statement))
            parts = theorem_of_command([*needed, command], len(needed))
            shortened += 1
        full_name = ".".join((*namespace, parts.name)) if parts.name else ""
        if is_in_mutual_block(before.commands, len(before.commands)):
            problems.append((line, f"{shown(full_name or command.keyword)} {IN_MUTUAL_BLOCK}"))
        elif missing := before.lacking_in(mentioned(parts.statement)):
            problems.append((line, f"{', '.join(map(shown, missing))} is left as sorry: a definition needs its value"))
        else:
            sources.append(_Source(line, full_name, parts))
        before.unproved.update(endings(full_name))
    told = f"{len(sources) + len(problems)} theorems that hold a sorry{f', {proved} that are proved' if proved else ''}"
    if shortened:
        told += f"; {shortened} without the proved theorems before them, with which their context would be too long"
    return _stated(sources, problems, recognised=told, place="", unnamed="line")


# To leave one of these out changes nothing that stands after it, but for what names it.
_DECLARES: Final = frozenset({"def", "abbrev", "theorem", "lemma", "structure", "inductive", "opaque"})


@attrs.define
class _Before:
    """What stands before a theorem of a file, without that which Lean cannot have or nothing can need."""

    commands: list[LeanCommand] = attrs.field(factory=list)

    unproved: set[str] = attrs.field(factory=set)
    """Names of theorems that are left as ``sorry``, or proved by one that is."""

    _unvalued: dict[str, str] = attrs.field(factory=dict)
    """Every way to call a definition that is left as ``sorry``, or that needs one that is; and its name. Of what acts
    without being called, such as an instance, the empty word."""

    def add(self, command: LeanCommand, namespace: Sequence[str]) -> None:
        """Keep a command, unless it is left out."""
        if command.keyword.startswith("#") or command.keyword == "example":
            return
        name = command.declared if command.keyword in _DECLARES else None
        full_name = ".".join((*namespace, name)) if name else ""
        if command.is_claim and not command.mentions.isdisjoint(self.unproved):
            self.unproved.update(endings(full_name))
        elif command.holds_sorry or (full_name and self.lacking_in(command.mentions)):
            self._unvalued |= dict.fromkeys(endings(full_name), full_name or command.keyword)
        else:
            self.commands.append(command)

    def needed_by(self, words: frozenset[str]) -> list[LeanCommand]:
        """The commands without the theorems that neither ``words`` nor another of them names."""
        named = set(words)
        needed: list[LeanCommand] = []
        for command in reversed(self.commands):
            if not command.is_claim or not named.isdisjoint(endings(command.declared or "")):
                named |= command.mentions
                needed.append(command)
        return needed[::-1]

    def lacking_in(self, words: frozenset[str]) -> list[str]:
        """The definitions without a value that a text with these words needs."""
        return sorted({self._unvalued[word] for word in (words | {""}) & self._unvalued.keys()})


def _placed(text: str) -> Iterator[tuple[LeanCommand, int, tuple[str, ...]]]:
    """Each command with its line and the namespaces it stands in."""
    scopes: list[str] = []
    line, counted = 1, 0
    for command in lean_commands(text):
        line += text.count("\n", counted, command.keyword_start)
        counted = command.keyword_start
        yield command, line, tuple(filter(None, scopes))
        if command.keyword in {"namespace", "section", "mutual"}:
            scopes.append(command.declared or "" if command.keyword == "namespace" else "")
        elif command.keyword == "end" and scopes:
            scopes.pop()


def _stated(
    sources: Sequence[_Source], problems: list[Problem], *, recognised: str, place: str, unnamed: str
) -> PublishedTheorems:
    counts = Counter(source.name for source in sources)
    theorems: list[NumberedTheorem] = []
    imports: Counter[str] = Counter()
    for source in sources:
        parts = source.parts
        own = f"{unnamed}_{source.number}"
        name = own if not source.name else source.name if counts[source.name] == 1 else f"{source.name}_{own}"
        theorem = Theorem(name=name, statement=parts.statement, header=parts.header, context=parts.context)
        if objections := list(theorem_problems(theorem)):
            problems.append((source.number, "; ".join(objections)))
            continue
        imports.update(dict.fromkeys(parts.imports, 1))
        theorems.append((source.number, theorem))
    return PublishedTheorems(theorems=theorems, problems=problems, imports=imports, recognised=recognised, place=place)
