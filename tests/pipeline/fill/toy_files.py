"""Files of a toy world: each line is a command, and a theorem's statement names a state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import attrs

from leanebm.core import Certificate, CertificationRejected, CertificationResult, ProofEnvironment, Theorem
from leanebm.lean.files import (
    CertifiedFile,
    FileRefused,
    FileSorries,
    FileVerdict,
    LeanFiles,
    SorryPlace,
    StatedTheorem,
)
from leanebm.testing import ToyWorld

_THEOREM = re.compile(r"theorem (?P<name>\w+) : (?P<statement>-?\w+) := (?P<proof>.*)")


@attrs.frozen
class _Line:
    start: int
    text: str

    @property
    def stop(self) -> int:
        return self.start + len(self.text.encode())

    def sorries(self, statement: str) -> tuple[SorryPlace, ...]:
        found = [len(self.text[: match.start()].encode()) for match in re.finditer(r"\bsorry\b", self.text)]
        return tuple(
            SorryPlace(
                start=self.start + place,
                stop=self.start + place + 5,
                is_tactic=True,
                statement=statement,
                objection="it stands for data, not for a proof" if statement.startswith("data") else None,
            )
            for place in found
        )


@attrs.frozen
class ToyFiles(LeanFiles):
    """Stands for :class:`leanebm.lean.files.LeanFiles`.

    A theorem is proved if no ``sorry`` is left in its line. A proof is no command's end, unless it holds ``end``, and a
    line that holds one of ``unfit`` is refused.
    """

    world: ToyWorld
    unfit: tuple[str, ...] = ()

    async def sorries(self, source: str) -> FileSorries | FileRefused:
        """What is missing in a file; one that holds ``wrong`` is none, and is quoted."""
        if "wrong" in source:
            return FileRefused("elaboration", f"1:1: something is wrong\n{source}")
        lines = list(_lines(source))
        return FileSorries(
            commands=tuple((line.start, line.stop) for line in lines),
            theorems=tuple(
                StatedTheorem(name=match["name"], start=line.start, sorries=line.sorries(match["statement"]))
                for line in lines
                if (match := _THEOREM.fullmatch(line.text)) is not None
            ),
            others=tuple(sorry for line in lines if not line.text.startswith("theorem") for sorry in line.sorries("")),
        )

    def environment(self, source: str, sorry: SorryPlace) -> ProofEnvironment:
        """The world, in which the statement of a ``sorry`` is the state where its proof begins."""
        assert source.encode()[sorry.start : sorry.stop] == b"sorry"
        return self.world

    async def certify(
        self, source: str, *, original: str | None = None, theorems: Sequence[str] | None = None
    ) -> CertifiedFile | FileRefused:
        """The verdict on theorems of a file."""
        assert original is not None
        if any(word in source for word in self.unfit):
            return FileRefused("elaboration", "it does not fit")
        lines = list(_lines(source))
        commands = [(line.start, line.stop) for line in lines]
        if "end" in source:
            commands.append((len(source), len(source)))
        verdicts = []
        for line in lines:
            match = _THEOREM.fullmatch(line.text)
            if match is not None and (theorems is None or match["name"] in theorems):
                left = len(line.sorries(""))
                verdicts.append(
                    FileVerdict(
                        name=match["name"],
                        start=line.start,
                        sorries=left,
                        unproved=(match["name"],) if left else (),
                        result=_result(match["name"], match["statement"], source, left),
                    )
                )
        return CertifiedFile(commands=tuple(commands), theorems=tuple(verdicts))


def _lines(source: str) -> Iterator[_Line]:
    at = 0
    for text in source.split("\n"):
        if text.strip():
            yield _Line(at + len(text) - len(text.lstrip()), text.strip())
        at += len(text.encode()) + 1


def _result(name: str, statement: str, source: str, left: int) -> CertificationResult:
    theorem = Theorem(name=name, statement=statement)
    if left:
        return CertificationRejected(
            theorem=theorem, source=source, tactics=(), reason="sorry", message="it rests on sorryAx"
        )
    return Certificate(
        theorem=theorem,
        source=source,
        tactics=(),
        statement=statement,
        fingerprint="f",
        axioms=(),
        constants=(),
        lean_version="toy",
        backend="toy",
        imports=("Init",),
    )
