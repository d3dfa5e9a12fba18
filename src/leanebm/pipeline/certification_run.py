"""Check proof files again, each from its text alone, and against what is recorded of it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import attrs

from leanebm._shown import fitting_repr, named_repr, printable, reason
from leanebm.core import Certificate, CertificationRejected, CertificationResult, Theorem
from leanebm.core.theorem_text import ERASURE_LINE, LeanCommand, lean_commands, theorem_of_command
from leanebm.errors import CommandRefused, ConfigError, LeanEbmError, WorkerLost, WorkerStartError
from leanebm.lean import Certifier, LeanPoolConfig
from leanebm.lean.files import CertifiedFile, FileRefused
from leanebm.pipeline.events import LogObserver, Observer, stage
from leanebm.pipeline.fill.lean_file import MAX_FILE_BYTES, LeanFile, refuse_odd_imports
from leanebm.pipeline.proof_file_report import ProofFileReport
from leanebm.pipeline.run_folder import CertificateRecord
from leanebm.pipeline.workbench import prepare_lean
from leanebm.storage import read_regular

_IMPORT = re.compile(r"import\s+(\S+)\s*")
_THEOREM = re.compile(r"theorem\s+(?P<name>[^\s:]+)\s*(?P<rest>.*)", re.DOTALL)
_BY = re.compile(r":=\s*by\b")
_LIBRARY = re.compile(r"type_of%\s*@(?P<name>\S+)")
_OUR_PREFIX = "leanebm_"
_BRACKETS = {"(": ")", "[": "]", "{": "}", "⟨": "⟩"}


@attrs.frozen(kw_only=True)
class ProofFile:
    """A proof file, taken apart."""

    path: Path = attrs.field(converter=Path)
    content: bytes = attrs.field(repr=False)
    """The file as it is."""

    imports: tuple[str, ...]
    body: str
    """Everything after the import lines: what Lean is given, to the letter."""

    declaration: str
    """What the file calls the theorem."""

    theorem: Theorem
    proof: str
    """The tactic block after ``by``."""

    __repr__ = fitting_repr


def read_proof_file(path: str | os.PathLike[str]) -> ProofFile:
    """Take apart a file of the shape that leanebm writes.

    That is: ``import`` lines, a header and a context, and at the end ``theorem name : statement := by``
    with its proof. Comments may stand between them. What is read here only says what to expect of the file:
    Lean is given its text, and a misreading ends in a rejection.

    Raises:
        ConfigError: the file is not a regular file, is larger than a MiB, cannot be read, or is of another shape.
    """
    path = Path(path)
    try:
        content = read_regular(path, max_bytes=MAX_FILE_BYTES)
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {reason(error)}") from error
    imports, body = _split_imports(text)
    refuse_odd_imports(path, imports)
    commands = lean_commands(body)
    place = max((place for place, command in enumerate(commands) if command.keyword == "theorem"), default=-1)
    found = None if place < 0 else _THEOREM.match(body, commands[place].keyword_start)
    parts = None if found is None else _split_statement(found["rest"])
    if found is None or parts is None:
        raise ConfigError(
            f"{path} is not a proof file", [f"expected `theorem name : statement := by` and a proof @ {path}"]
        )
    statement, proof = parts
    before = theorem_of_command(_without_erasures(commands[: place + 1], statement), -1)
    return ProofFile(
        path=path,
        content=content,
        imports=imports or ("Init",),
        body=body,
        declaration=found["name"],
        theorem=_theorem(found["name"], statement, header=before.header, context=before.context),
        proof=proof,
    )


def _without_erasures(commands: Sequence[LeanCommand], statement: str) -> tuple[LeanCommand, ...]:
    """The commands, but for those that keep tactics from finding the library theorem that is proved."""
    if _LIBRARY.fullmatch(statement) is None:
        return tuple(commands)
    return tuple(command for command in commands if ERASURE_LINE.fullmatch(command.code.strip()) is None)


def _split_imports(text: str) -> tuple[tuple[str, ...], str]:
    """The modules named by the lines at the top, and the text after the last of them."""
    imports: list[str] = []
    lines = text.split("\n")
    body_start = 0
    for number, line in enumerate(lines):
        if match := _IMPORT.fullmatch(line):
            imports.append(match[1])
            body_start = number + 1
        elif line.strip() and not line.startswith("--"):
            break
    return tuple(imports), "\n".join(lines[body_start:]).lstrip("\n")


def _split_statement(text: str) -> tuple[str, str] | None:
    """Cut at the first ``:= by`` that is not inside brackets."""
    closing: list[str] = []
    read = 0
    for cut in _BY.finditer(text):
        for character in text[read : cut.start()]:
            if character in _BRACKETS:
                closing.append(_BRACKETS[character])
            elif closing and character == closing[-1]:
                closing.pop()
        if not closing:
            return text[: cut.start()].removeprefix(":").strip(), text[cut.end() :]
        read = cut.start()
    return None


def _theorem(declaration: str, statement: str, *, header: str, context: str) -> Theorem:
    name = declaration.removeprefix(_OUR_PREFIX) or declaration
    if (library := _LIBRARY.fullmatch(statement)) and not context:
        # Told apart so that certification can refuse a proof that uses the theorem itself.
        return Theorem(name=name, copy_from=library["name"], header=header)
    return Theorem(name=name, statement=statement, header=header, context=context)


@final
class CertificationRun:
    """One check of proof files: elaborate and kernel-check each file's text, in a fresh process of any Lean.

    A file with a :class:`CertificateRecord` beside it must moreover be the very file that was certified, and
    be found to state what is recorded; if not, it is rejected for the reason ``record``. In any other file that is
    not of the shape that leanebm writes, each theorem is certified where it stands. Files with equal imports share a
    process.

    Args:
        config: which Lean; its ``imports`` do not matter, for each file names its own.
        paths: the files.
        observer: is told what happens.
    """

    def __init__(
        self, config: LeanPoolConfig, paths: Sequence[str | os.PathLike[str]], *, observer: Observer | None = None
    ) -> None:
        self._config = config
        self._paths = tuple(map(Path, paths))
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_paths")

    async def run(self) -> tuple[ProofFileReport, ...]:
        """One report for each file, in the same order, whatever the other files are.

        Raises:
            LeanInstallError: no usable Lean could be found or prepared, so that nothing is known about any file.
        """
        claims = [_read_claim(path) for path in self._paths]
        reports = {place: claim for place, claim in enumerate(claims) if isinstance(claim, ProofFileReport)}
        open_claims = {place: claim for place, claim in enumerate(claims) if not isinstance(claim, ProofFileReport)}
        if open_claims:
            await prepare_lean(self._config, self._observer)
        for imports in dict.fromkeys(claim.file.imports for claim in open_claims.values()):
            together = {place: claim for place, claim in open_claims.items() if claim.file.imports == imports}
            reports |= await self._decide(imports, together)
        return tuple(reports[place] for place in range(len(claims)))

    async def _decide(
        self, imports: tuple[str, ...], claims: Mapping[int, _Claim | _FileClaim]
    ) -> dict[int, ProofFileReport]:
        reports: dict[int, ProofFileReport] = {}
        failure: WorkerStartError | ConfigError | None = None
        async with Certifier(self._config.over(imports)) as certifier:
            for place, claim in claims.items():
                if failure is not None:  # it was tried several times, and is no different for this file
                    reports[place] = claim.report(failure)
                    continue
                with stage(self._observer, f"certifying {claim.file.path}"):
                    try:
                        reports[place] = await claim.decided(certifier)
                    except (WorkerStartError, ConfigError) as error:
                        failure = error
                        reports[place] = claim.report(error)
                    except (WorkerLost, CommandRefused) as error:
                        reports[place] = claim.report(error)
        return reports


@attrs.frozen
class _Claim:
    """A proof file, and what it is recorded to be."""

    file: ProofFile
    record: CertificateRecord | None

    @property
    def theorem(self) -> Theorem:
        return self.file.theorem if self.record is None else self.record.theorem

    async def decided(self, certifier: Certifier) -> ProofFileReport:
        return self.report(await self._decide(certifier))

    async def _decide(self, certifier: Certifier) -> CertificationResult:
        file, record = self.file, self.record
        result = await certifier.certify_text(self.theorem, file.body, name=file.declaration)
        # What was decided about is the file as it is, import lines and all.
        result = attrs.evolve(result, source=file.content.decode("utf-8"), tactics=(file.proof,))
        if record is None or isinstance(result, CertificationRejected):
            return result
        differences = list(record.differences(result))
        return self.rejected("; ".join(differences)) if differences else result

    def report(self, result: CertificationResult | LeanEbmError) -> ProofFileReport:
        record = self.record
        told = record.unconfirmed(result) if record is not None and isinstance(result, Certificate) else ()
        return ProofFileReport(path=self.file.path, result=result, record=record, unconfirmed=tuple(told))

    def rejected(self, message: str) -> CertificationRejected:
        file = self.file
        return CertificationRejected(
            theorem=self.theorem,
            source=file.content.decode("utf-8"),
            tactics=(file.proof,),
            reason="record",
            message=message,
        )


@attrs.frozen
class _FileClaim:
    """A file as people write them: each of its theorems is claimed to be proved."""

    file: LeanFile

    async def decided(self, certifier: Certifier) -> ProofFileReport:
        return self.report(await certifier.certify_file(self.file.source))

    def report(self, result: CertifiedFile | FileRefused | LeanEbmError) -> ProofFileReport:
        path = self.file.path
        if isinstance(result, LeanEbmError):
            return ProofFileReport(path=path, result=result)
        if isinstance(result, FileRefused):
            return ProofFileReport(path=path, result=self._rejected(result.reason, result.message))
        source = self.file.content.decode("utf-8")
        theorems = tuple(
            attrs.evolve(verdict, result=attrs.evolve(verdict.result, source=source)) for verdict in result.theorems
        )
        if not theorems:
            return ProofFileReport(path=path, result=ConfigError(f"Lean finds no theorem in {path}"))
        results = [verdict.result for verdict in theorems]
        rejected = [each for each in results if isinstance(each, CertificationRejected)]
        return ProofFileReport(path=path, result=[*rejected, results[-1]][0], theorems=theorems)

    def _rejected(self, reason: str, message: str) -> CertificationRejected:
        return CertificationRejected(
            theorem=Theorem(name=printable(self.file.path.stem) or "file", statement="all theorems of the file"),
            source=self.file.content.decode("utf-8"),
            tactics=(),
            reason=reason,
            message=message,
        )


_OUR_KEYWORDS = {"", "import", "open", "universe", "theorem"}
_REMARKS = re.compile(r"(?:\s*--[^\n]*\n)*\s*")


def _is_ours(text: str) -> bool:
    """Whether a text is of the shape that leanebm writes: `open` and `universe` lines, and a bare theorem.

    In front of a library theorem, tactics may be kept from finding it.
    """
    commands = lean_commands(text)
    if commands and commands[-1].keyword == "theorem":
        commands = _without_erasures(commands, theorem_of_command(commands, -1).statement)
    words = [command.keyword for command in commands]
    if not set(words) <= _OUR_KEYWORDS or words.count("theorem") != 1 or words[-1] != "theorem":
        return False
    if (theorem_of_command(commands, len(commands) - 1).proof or "").startswith(("|", "where")):  # a `:= by` is deeper
        return False
    return _REMARKS.fullmatch(text, commands[-1].start, commands[-1].keyword_start) is not None


def _read_claim(path: Path) -> _Claim | _FileClaim | ProofFileReport:
    """What Lean is to decide; or a report, where that can be told without it."""
    try:
        record = CertificateRecord.read(path)
        if record is None:
            return _unrecorded_claim(path)
        claim = _Claim(read_proof_file(path), record)
    except ConfigError as error:
        return ProofFileReport(path=path, result=error)
    objection = record.objection_to(claim.file.content)
    return claim if objection is None else claim.report(claim.rejected(objection))


def _unrecorded_claim(path: Path) -> _Claim | _FileClaim:
    """What a file without a record claims: the one theorem of a file as leanebm writes it, else all that it states.

    Raises:
        ConfigError: it cannot be read, or states no theorem.
    """
    file = LeanFile.read(path)
    if not any(command.is_claim for command in lean_commands(file.source)):
        raise ConfigError(f"{path} states no theorem")
    try:
        ours = read_proof_file(path)
    except ConfigError:
        return _FileClaim(file)
    return _Claim(ours, None) if _is_ours(file.source) else _FileClaim(file)
