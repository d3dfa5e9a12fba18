"""What a worker says about whole files, and what certification makes of it."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.certificate import Certificate, CertificationResult
from leanebm.lean._replies import (
    CertifiedReply,
    CertifyRejectedReply,
    JsonObject,
    MalformedReplyError,
    certify_reply,
    expect,
    names_in,
    optional,
    refuse_if_error,
)


@attrs.frozen
class FileRefused:
    """A file that Lean does not take."""

    reason: str
    """One word: ``elaboration``, ``forbidden`` or ``length``."""

    message: str
    """Where and why; places are lines and columns, from 1."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class SorryPlace:
    """A ``sorry`` or ``admit`` in a file's code."""

    start: int
    """Where it begins, in bytes of the text."""

    stop: int
    """Where it ends."""

    is_tactic: bool
    """Whether it stands where a tactic does, and not where a term does."""

    statement: str = ""
    """What is missing there, closed over its hypotheses, as Lean prints it."""

    objection: str | None = None
    """Why no proof of it can be searched for."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class StatedTheorem:
    """A theorem of a file."""

    name: str
    """Its full name."""

    start: int
    """Where it begins, in bytes of the text."""

    sorries: tuple[SorryPlace, ...]
    """In the order of the text."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class FileSorries:
    """What is missing in a file."""

    commands: tuple[tuple[int, int], ...]
    """Where each command begins and ends, in bytes."""

    theorems: tuple[StatedTheorem, ...]
    others: tuple[SorryPlace, ...]
    """Those that stand in no theorem."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class FileVerdict:
    """What certification says of a theorem where it stands."""

    name: str
    """Its full name."""

    start: int
    """Where it begins, in bytes of the text."""

    sorries: int
    """How many ``sorry`` stand in its text."""

    unproved: tuple[str, ...]
    """Declarations of the file that it rests on, itself included, and that use ``sorry`` themselves."""

    result: CertificationResult

    __repr__ = fitting_repr

    @property
    def is_certified(self) -> bool:
        """Whether the theorem is proved, and so is all of its file that it rests on."""
        return isinstance(self.result, Certificate)


@attrs.frozen(kw_only=True)
class CertifiedFile:
    """What certification says of a file that Lean takes."""

    commands: tuple[tuple[int, int], ...]
    """Where each command begins and ends, in bytes of the text."""

    theorems: tuple[FileVerdict, ...]
    """In the order of the text."""

    __repr__ = fitting_repr


Judge = Callable[[str, str, CertifiedReply | CertifyRejectedReply], CertificationResult]
"""What to make of a worker's verdict on the theorem of a name, with its type as Lean prints it."""


def sorries_reply(reply: JsonObject) -> FileSorries | FileRefused:
    """Decode ``file.sorries``."""
    if (refused := _refused(reply, "file.sorries")) is not None:
        return refused
    return FileSorries(
        commands=_ranges(reply),
        theorems=tuple(map(_stated, expect(reply, "theorems", list))),
        others=tuple(map(_place, expect(reply, "others", list))),
    )


def file_verdicts_reply(reply: JsonObject, judge: Judge) -> CertifiedFile | FileRefused:
    """Decode ``file.certify``; the results are as ``judge`` says."""
    if (refused := _refused(reply, "file.certify")) is not None:
        return refused
    verdicts = tuple(_verdict(item, judge) for item in expect(reply, "theorems", list))
    return CertifiedFile(commands=_ranges(reply), theorems=verdicts)


def _refused(reply: JsonObject, command: str) -> FileRefused | None:
    refuse_if_error(reply, command)
    rejected = optional(reply, "rejected", dict)
    return None if rejected is None else FileRefused(expect(rejected, "reason", str), expect(rejected, "message", str))


def _ranges(reply: JsonObject) -> tuple[tuple[int, int], ...]:
    ranges = expect(reply, "commands", list)
    if not all(isinstance(each, list) and len(each) == 2 and all(type(end) is int for end in each) for each in ranges):
        raise MalformedReplyError("'commands' should hold pairs of numbers")
    return tuple((start, stop) for start, stop in ranges)


def _stated(item: JsonObject) -> StatedTheorem:
    return StatedTheorem(
        name=expect(item, "name", str),
        start=expect(item, "start", int),
        sorries=tuple(map(_place, expect(item, "sorries", list))),
    )


def _place(item: JsonObject) -> SorryPlace:
    return SorryPlace(
        start=expect(item, "start", int),
        stop=expect(item, "stop", int),
        is_tactic=expect(item, "tactic", bool),
        statement=optional(item, "statement", str) or "",
        objection=optional(item, "objection", str),
    )


def _verdict(item: JsonObject, judge: Judge) -> FileVerdict:
    name = expect(item, "name", str)
    return FileVerdict(
        name=name,
        start=expect(item, "start", int),
        sorries=expect(item, "sorries", int),
        unproved=names_in(item, "unproved"),
        result=judge(name, expect(item, "statement", str), certify_reply(item)),
    )
