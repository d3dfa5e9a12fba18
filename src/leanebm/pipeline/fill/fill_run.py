"""Prove what a file leaves out, and write it with the proofs in place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import final

import attrs

from leanebm._shown import counted, named_repr, reason
from leanebm.core import SearchOutcome, Theorem
from leanebm.core.limits import MAX_TEXT_CHARACTERS
from leanebm.core.theorem_text import lean_commands
from leanebm.errors import CommandRefused, ConfigError, LeanEbmError, PolicyError, StatementError
from leanebm.lean.files import FileRefused, FileSorries, LeanFiles, SorryPlace, StatedTheorem
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.fill.fill_report import FilledTheorem, FillReport, SorryReport
from leanebm.pipeline.fill.in_place import InPlaceCertifier, disturbed, own_and_others
from leanebm.pipeline.fill.lean_file import Edit, LeanFile, edited_source, shifted
from leanebm.pipeline.search.proof_run import for_one_proof
from leanebm.pipeline.workbench import Workbench, WorkbenchOpener, open_workbench
from leanebm.storage import refuse_unwritable, write_atomically

_IN_NO_THEOREM = "it stands in no theorem"


def filled_path(path: str | os.PathLike[str]) -> Path:
    """Where a file is written with its proofs in place unless told otherwise: ``NAME.filled.lean`` beside it."""
    path = Path(path)
    return path.with_name(f"{path.stem}.filled{path.suffix or '.lean'}")


@final
class FillRun:
    """One attempt to fill a file: each ``sorry`` is searched for in turn, and the complete file is certified.

    Args:
        config: how to search; its budget is for each ``sorry``. One Lean worker is started, with the file's imports.
        path: the file. Each ``sorry`` in one of its theorems is searched for.
        output: where to write; :func:`filled_path` if ``None``. An existing file is left alone.
        in_place: write over the file itself.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier.
    """

    def __init__(
        self,
        config: RunConfig,
        path: str | os.PathLike[str],
        *,
        output: str | os.PathLike[str] | None = None,
        in_place: bool = False,
        observer: Observer | None = None,
        opening: WorkbenchOpener = open_workbench,
    ) -> None:
        self._config = for_one_proof(config)
        self._path = Path(path)
        self._output = self._path if in_place else Path(output) if output is not None else filled_path(path)
        self._in_place = in_place
        self._observer = LogObserver() if observer is None else observer
        self._opening = opening

    __repr__ = named_repr("_path")

    async def run(self) -> FillReport:
        """Fill the file, and write it if anything was filled.

        Raises:
            ConfigError: the file cannot be read, Lean does not take it, or the output is there already.
            LeanError, PolicyError: something broke; nothing was written.
        """
        file = LeanFile.read(self._path)
        commands = lean_commands(file.source)
        if not any(command.keyword not in ("", "import") or command.holds_sorry for command in commands):
            raise ConfigError(
                f"{self._path} holds no Lean command, and so no sorry to fill; `leanebm search --theorems` proves the "
                "statements that a file lists"
            )
        if not self._in_place and self._output.exists():
            raise ConfigError(f"{self._output} already exists: move it away, or name another file with --output")
        refuse_unwritable(self._output)
        config = attrs.evolve(self._config, lean=self._config.lean.over(file.imports))
        async with self._opening(config, self._observer) as bench:
            if bench.files is None:
                raise ConfigError("this Lean cannot read files")
            report = await _Filling(file, bench, bench.files, config, self._observer).run()
        if report.content is None:
            return report
        try:
            self._write(file, report.content)
        except ConfigError as error:
            sorries = (sorry for theorem in report.theorems for sorry in theorem.sorries)
            found = [f"{sorry.line}:{sorry.column} {sorry.proof}" for sorry in sorries if sorry.proof is not None]
            raise ConfigError(f"{error}. The proofs that were found:", found) from error
        return attrs.evolve(report, output=self._output)

    def _write(self, file: LeanFile, content: bytes) -> None:
        output = self._output.resolve()  # a link stays a link
        try:
            if self._in_place and output.read_bytes() != file.content:
                raise ConfigError(f"{self._path} was changed meanwhile, and is left as it is")
            if not self._in_place and output.exists():
                raise ConfigError(f"{self._output} was made meanwhile, and is left as it is")
            mode = self._path.stat().st_mode & 0o777
            write_atomically(output, content)
            output.chmod(mode)
        except OSError as error:
            raise ConfigError(f"cannot write {self._output}: {reason(error)}") from error


@attrs.define(eq=False)
class _Filling:
    """A file while it is filled."""

    file: LeanFile
    bench: Workbench
    files: LeanFiles
    config: RunConfig
    observer: Observer
    edits: list[Edit] = attrs.field(init=False, factory=list)
    reports: dict[SorryPlace, SorryReport] = attrs.field(init=False, factory=dict)

    async def run(self) -> FillReport:
        known = await self._read()
        open_theorems = [theorem for theorem in known.theorems if theorem.sorries]
        for theorem in open_theorems:
            num_filled = 0
            for sorry in theorem.sorries:
                num_filled += await self._fill(known, theorem, sorry, num_filled)
        others = tuple(self._stays(sorry, _IN_NO_THEOREM) for sorry in known.others)
        theorems = await self._judged(known, open_theorems) if open_theorems else ()
        return FillReport(
            path=self.file.path,
            theorems=theorems,
            others=others,
            content=self.file.edited(self.edits) if self.edits else None,
        )

    async def _read(self) -> FileSorries:
        with stage(self.observer, f"reading {self.file.path}"):
            try:
                known = await self.files.sorries(self.file.source)
            except CommandRefused as refusal:
                raise ConfigError(
                    f"this Lean cannot read files ({refusal}); use --lean embedded or native"
                ) from refusal
        if isinstance(known, FileRefused):
            raise ConfigError(f"{self.file.path} cannot be filled: Lean does not take it as it is", [known.message])
        return known

    def _stays(self, sorry: SorryPlace, reason: str) -> SorryReport:
        line, column = self.file.place(sorry.start)
        return SorryReport(line=line, column=column, reason=reason)

    async def _fill(self, known: FileSorries, theorem: StatedTheorem, sorry: SorryPlace, num_filled: int) -> bool:
        """Search for what is missing at ``sorry``; whether it was found, and stands in its place."""
        if sorry.objection is not None:
            self.reports[sorry] = self._stays(sorry, sorry.objection)
            return False
        line, column = self.file.place(sorry.start)
        certifier = InPlaceCertifier(
            files=self.files,
            source=self.file.source,
            known=known,
            theorem=theorem,
            sorry=sorry,
            filled=tuple(self.edits),
            num_filled=num_filled,
        )
        with stage(self.observer, f"searching for {theorem.name}, line {line}") as searching:
            why = await self._search(certifier, name=f"{theorem.name}:{line}:{column}", searching=searching)
        if certifier.edit is None:
            self.reports[sorry] = self._stays(sorry, why)
            return False
        self.edits.append(certifier.edit)
        self.reports[sorry] = SorryReport(line=line, column=column, proof=certifier.edit.text.strip())
        return True

    async def _search(self, certifier: InPlaceCertifier, *, name: str, searching: Stage) -> str:
        """Search until ``certifier`` has accepted a proof; else, why there is none."""
        sorry = certifier.sorry
        statement = sorry.statement if len(sorry.statement) <= MAX_TEXT_CHARACTERS else name
        environment = self.files.environment(self.file.source, sorry)
        bench = attrs.evolve(self.bench, environment=environment, certifier=certifier)
        search = bench.start_search(self.config.search)
        try:
            result = await search.run(Theorem(name=name, statement=statement))
        except StatementError as error:
            return str(error)
        nodes, calls = len(result.nodes), result.statistics.tactic_calls
        searching.progressed(counts=f"{counted(nodes, 'node')} · {counted(calls, 'tactic call')}")
        if result.outcome is SearchOutcome.INFRASTRUCTURE and result.error is not None:
            if isinstance(result.error, PolicyError):  # it will be no better at the next one
                raise result.error
            return f"something broke: {result.error}"
        rejected = [each.message for each in result.rejections]
        return " ".join([result.outcome.sentence, *rejected[:1]])

    async def _judged(self, known: FileSorries, theorems: Sequence[StatedTheorem]) -> tuple[FilledTheorem, ...]:
        """The verdicts on the complete file."""
        names = [theorem.name for theorem in theorems]
        text = edited_source(self.file.source, self.edits)
        with stage(self.observer, "certifying"):
            found = await self.files.certify(text, original=self.file.source, theorems=names)
        if isinstance(found, FileRefused) or disturbed(known.commands, self.edits, found):
            why = found.message if isinstance(found, FileRefused) else "its commands are not the same"
            raise LeanEbmError(
                f"{self.file.path} does not stand with its proofs in place, though each one did: {why}. "
                "Nothing was written; please report this"
            )
        content = self.file.edited(self.edits).decode("utf-8")
        judged = []
        for theorem in theorems:
            start = shifted(theorem.start, self.edits)
            [verdict] = [each for each in found.theorems if each.name == theorem.name and each.start == start]
            reports = tuple(self.reports[sorry] for sorry in theorem.sorries)
            tactics = tuple(report.proof for report in reports if report.proof is not None)
            judged.append(
                FilledTheorem(
                    name=theorem.name,
                    line=self.file.place(theorem.start)[0],
                    sorries=reports,
                    result=attrs.evolve(verdict.result, source=content, tactics=tactics),
                    unproved=tuple(own_and_others(theorem.name, known, verdict.unproved)[1]),
                )
            )
        return tuple(judged)
