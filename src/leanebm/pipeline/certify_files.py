"""Check proof files again, each from its text alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs

from leanebm.core import CertificationResult, Theorem
from leanebm.errors import ConfigError
from leanebm.lean import Certifier, EmbeddedBackend, LeanPoolConfig
from leanebm.pipeline.embedded_lean import PREPARING_LEAN, prepare_embedded_lean
from leanebm.pipeline.events import LogObserver, Observer
from leanebm.pipeline.workbench import stage

__all__ = ["ProofFile", "certify_files", "read_proof_file"]

_IMPORT = re.compile(r"import\s+(\S+)\s*")
_THEOREM = re.compile(r"theorem\s+(?P<name>\S+)\s*:(?P<statement>.*?):=\s*by\b(?P<proof>.*)", re.DOTALL)
_LIBRARY = re.compile(r"type_of%\s*@(?P<name>\S+)")
_OUR_PREFIX = "leanebm_"


@attrs.frozen(kw_only=True)
class ProofFile:
    """A proof file, taken apart."""

    path: Path
    imports: tuple[str, ...]
    theorem: Theorem
    proof: str
    """The tactic block after ``by``."""


def read_proof_file(path: Path) -> ProofFile:
    """Take apart a file of the shape that leanebm writes.

    That is: ``import`` lines, ``open`` and ``universe`` lines, and one ``theorem name : statement := by``
    with its proof. Lines that are comments may stand before the theorem.

    Raises:
        ConfigError: the file cannot be read, or is of another shape.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}") from error
    lines = [line for line in lines if line.strip()]
    imports = [match[1] for line in lines if (match := _IMPORT.fullmatch(line))]
    rest = [line for line in lines if not _IMPORT.fullmatch(line)]
    start = next((number for number, line in enumerate(rest) if line.startswith("theorem ")), len(rest))
    found = _THEOREM.fullmatch("\n".join(rest[start:]))
    if found is None:
        raise ConfigError(
            f"{path} is not a proof file", [f"expected `theorem name : statement := by` and a proof @ {path}"]
        )
    header = "\n".join(line for line in rest[:start] if not line.startswith("--"))
    return ProofFile(
        path=path, imports=tuple(imports) or ("Init",), theorem=_theorem(found, header), proof=found["proof"]
    )


def _theorem(found: re.Match[str], header: str) -> Theorem:
    name = found["name"].removeprefix(_OUR_PREFIX)
    statement = found["statement"].strip()
    if library := _LIBRARY.fullmatch(statement):
        # Told apart so that certification can refuse a proof that uses the theorem itself.
        return Theorem(name=name, copy_from=library["name"], header=header)
    return Theorem(name=name, statement=statement, header=header)


async def certify_files(
    paths: Sequence[Path], config: LeanPoolConfig, *, observer: Observer | None = None
) -> tuple[CertificationResult, ...]:
    """Elaborate and kernel-check each file's theorem and proof, in a fresh Lean process.

    Files with equal imports share a process; ``config.imports`` does not matter here.

    Raises:
        ConfigError: files cannot be read or are of another shape; all of them are listed.
        LeanError: Lean broke; nothing is known about the files.
    """
    observer = LogObserver() if observer is None else observer
    files = _read_all(paths)
    if isinstance(config.backend, EmbeddedBackend):
        with stage(observer, PREPARING_LEAN):
            await prepare_embedded_lean(observer)
    results: dict[Path, CertificationResult] = {}
    for imports in dict.fromkeys(file.imports for file in files):
        async with Certifier(attrs.evolve(config, imports=imports)) as certifier:
            for file in files:
                if file.imports == imports:
                    with stage(observer, f"certifying {file.path}"):
                        results[file.path] = await certifier.certify(file.theorem, [file.proof])
    return tuple(results[path] for path in paths)


def _read_all(paths: Sequence[Path]) -> list[ProofFile]:
    files: list[ProofFile] = []
    problems: list[str] = []
    for path in paths:
        try:
            files.append(read_proof_file(path))
        except ConfigError as error:
            problems += error.problems or [error.summary]
    if problems:
        raise ConfigError("these are not proof files that can be certified:", problems)
    return files
