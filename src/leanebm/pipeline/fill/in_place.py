"""Whether a found proof stands where the ``sorry`` did that it is for."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import attrs

from leanebm.core import Certificate, CertificationRejected, CertificationResult, Proof, Theorem
from leanebm.core.proof_script import tactic_blocks
from leanebm.lean.files import CertifiedFile, FileRefused, FileSorries, LeanFiles, SorryPlace, StatedTheorem
from leanebm.pipeline.fill.insertion import insertions
from leanebm.pipeline.fill.lean_file import Edit, edited_source, shifted


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
