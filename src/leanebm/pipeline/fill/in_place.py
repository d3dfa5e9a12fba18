"""A found proof in the place of the ``sorry`` that it is for: how it is written there, and whether it stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final

import attrs

from leanebm.core import Certificate, CertificationRejected, CertificationResult, Proof, Theorem
from leanebm.core.proof_script import indented, tactic_blocks
from leanebm.lean.files import CertifiedFile, FileRefused, FileSorries, LeanFiles, SorryPlace, StatedTheorem
from leanebm.pipeline.fill.lean_file import Edit, edited_source, shifted

_STEP: Final = 2

_MARKS: Final = re.compile(r"[ \t]*(?:[·.] *)*")

_FITS_AFTER: Final = re.compile(r"(?:^|:=|=>|[⟨(,]|\b(?:from|exact|refine|fun .*))\s*$")

_FITS_BEFORE: Final = re.compile(r"\s*(?:$|[⟩),;]|--)")

_OPENS_A_BLOCK: Final = re.compile(r"(?:\bby|=>)\s*$")


def disturbed(commands: Sequence[tuple[int, int]], edits: Sequence[Edit], found: CertifiedFile) -> bool:
    """Whether ``edits`` changed more of a file than what they are in.

    Lean must find the commands where they were, one for one: a proof cannot end its own command and begin another.

    Args:
        commands: where the commands begin and end without the changes.
        edits: the changes.
        found: what Lean found with them.
    """
    expected = [(shifted(start, edits), shifted(stop, edits)) for start, stop in commands]
    return list(found.commands) != expected


def own_and_others(name: str, known: FileSorries, unproved: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of ``unproved`` are the theorem ``name`` or a part of it, such as ``name.go``, and which are not."""
    stated = {theorem.name for theorem in known.theorems} - {name}
    own = [each for each in unproved if each == name or (each.startswith(f"{name}.") and each not in stated)]
    return own, [each for each in unproved if each not in own]


@attrs.define(eq=False)
class InPlaceCertifier:
    """Decides whether a proof may take the place of one ``sorry``. A :class:`~leanebm.core.ProofCertifier`.

    It may if the file is read with it as it was before, up to the end of the theorem's command: every command is where
    it was, the theorem says what it said, and it holds one ``sorry`` less. Whether the theorem is proved is another
    question, for there may be more of them, in it or in what it uses. So the certificate that this gives is for the
    search, which it ends, and for nobody else; what a person is told is decided about the complete file.
    """

    files: LeanFiles
    source: str
    """The file as it was before anything was filled."""

    known: FileSorries
    theorem: StatedTheorem
    sorry: SorryPlace
    filled: Sequence[Edit]
    """What was filled before."""

    num_filled: int
    """How many of them are in this theorem."""

    edit: Edit | None = None
    """The change that was accepted."""

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        """Try the ways to write ``proof`` down, and accept the first that stands."""
        message = ""
        for edit in insertions(self.source, self.sorry, proof):
            objection = await self._objection(edit)
            if objection is None:
                self.edit = edit
                return self._certificate(theorem, proof, edit)
            message = message or objection
        return CertificationRejected(
            theorem=theorem, source=self.source, tactics=tactic_blocks(proof), reason="in_place", message=message
        )

    async def _objection(self, edit: Edit) -> str | None:
        """Why the file does not stand with ``edit``."""
        edits = [*self.filled, edit]
        end = next(stop for start, stop in self.known.commands if start <= self.sorry.start < stop)
        text = self._beginning(edits, end)
        found = await self.files.certify(text, original=self._beginning((), end), theorems=[self.theorem.name])
        if isinstance(found, FileRefused):
            return f"in its place it is refused ({found.reason}): {found.message}"
        if disturbed([each for each in self.known.commands if each[1] <= end], edits, found):
            return "in its place, Lean reads it as more than a proof"
        verdicts = [verdict for verdict in found.theorems if verdict.name == self.theorem.name]
        if len(verdicts) != 1:
            return "in its place, the theorem is not there any more"
        (verdict,) = verdicts
        left = len(self.theorem.sorries) - self.num_filled - 1
        if verdict.sorries != left:
            return f"in its place, {verdict.sorries} sorries are left, not {left}"
        if verdict.is_certified or not isinstance(verdict.result, CertificationRejected):
            return None
        # A proof that uses `sorry` itself is none; what is left to fill, here and elsewhere, is not its fault.
        own, _ = own_and_others(self.theorem.name, self.known, verdict.unproved)
        is_own_fault = verdict.result.reason != "sorry" or (not left and own)
        return (
            f"in its place it is rejected ({verdict.result.reason}): {verdict.result.message}" if is_own_fault else None
        )

    def _beginning(self, edits: Sequence[Edit], end: int) -> str:
        """The file up to the byte ``end`` of its source, with changes."""
        until = [edit for edit in edits if edit.stop <= end]
        return edited_source(self.source.encode()[:end].decode() + "\n", until)

    def _certificate(self, theorem: Theorem, proof: Proof, edit: Edit) -> Certificate:
        text = edited_source(self.source, [*self.filled, edit])
        return Certificate(
            theorem=theorem,
            source=text,
            tactics=tactic_blocks(proof),
            statement=theorem.display,
            fingerprint=hashlib.sha256(theorem.display.encode()).hexdigest()[:32],
            axioms=(),
            constants=(),
            lean_version="",
            backend="",
            imports=(),
        )


def insertions(source: str, sorry: SorryPlace, proof: Proof) -> tuple[Edit, ...]:
    """Ways to write ``proof`` in the place of ``sorry``, the most readable first.

    They mean the same wherever they are read as what they are meant to be. Which of them are is for Lean to say.
    """
    data = source.encode()
    before, after = data[: sorry.start].decode(), data[sorry.stop :].decode()
    line, rest = before[before.rfind("\n") + 1 :], after.partition("\n")[0]
    blocks = tactic_blocks(proof)
    edits = _tactics(line, blocks) if sorry.is_tactic else _terms(line, rest, blocks)
    return tuple(_edit(sorry, before, text) for text in edits)


def _tactics(line: str, blocks: Sequence[str]) -> list[str]:
    block = _below(blocks, len(line))
    margin = _margin(line)
    if len(line) > margin and "\n" in block and _OPENS_A_BLOCK.search(line):
        block = f"\n{_below(blocks, margin + _STEP, first=True)}"
    return [block, _bracketed("focus", blocks, margin)]


def _terms(line: str, rest: str, blocks: Sequence[str]) -> list[str]:
    margin = _margin(line)
    text = _below(blocks, margin + _STEP, first=True)
    bare = f"by\n{text}" if "\n" in text else f"by {text.strip()}"
    bracketed = _bracketed("by", blocks, margin)
    fits = _FITS_AFTER.search(line) is not None and _FITS_BEFORE.match(rest) is not None
    return [bare, bracketed] if fits else [bracketed, bare]


def _bracketed(word: str, blocks: Sequence[str], margin: int) -> str:
    """``(word …)``; a comment at the end of the proof does not swallow the bracket."""
    text = _below(blocks, margin + 2 * _STEP, first=True)
    last = text.rpartition("\n")[2]
    end = f"\n{' ' * (margin + _STEP)})" if "--" in last else ")"
    return f"({word}\n{text}{end}" if "\n" in text else f"({word} {text.strip()}{end}"


def _below(blocks: Sequence[str], margin: int, *, first: bool = False) -> str:
    """The lines of a proof, moved to a column; the first one of them only if it is not there yet."""
    text = "\n".join(indented(block, " " * margin) for block in blocks)
    return text if first else text.lstrip(" ")


def _margin(line: str) -> int:
    """Where the tactic begins that a line begins with: behind its bullets."""
    match = _MARKS.match(line)
    return len(match[0]) if match is not None else 0


def _edit(sorry: SorryPlace, before: str, text: str) -> Edit:
    """Blanks before a line break go with what stood there."""
    blanks = len(before) - len(before.rstrip(" ")) if text.startswith("\n") else 0
    return Edit(sorry.start - blanks, sorry.stop, text)
