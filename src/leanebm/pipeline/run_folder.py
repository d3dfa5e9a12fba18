"""Where a run keeps what it found."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final, Self

import attrs

from leanebm._shown import fitting_repr, reason, shown
from leanebm.core import Certificate, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline.events import Observer, stage
from leanebm.pipeline.settings import structure_settings
from leanebm.storage import (
    ShardFormat,
    file_stem,
    not_written,
    read_regular,
    read_shards,
    refuse_unlike,
    remove_scratch,
    shard_paths,
    write_atomically,
)
from leanebm.trajectory import TRAJECTORY_FOLDER

_FORMAT: Final = 1

_BY_MESSAGES: Final = "text."
"""How fingerprints begin that a backend without our REPL makes: of the statement's text, not of its meaning."""

_SAME_FOR_THE_SAME_LEAN: Final = ("statement", "axioms", "constants", "trusted_constants")

_WHO_FOUND_IT: Final = ("lean_version", "backend", "vouched_for_by", "leanebm_version")


def as_paths(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> tuple[Path, ...]:
    """Runs, or other files and folders, however many are given: one by itself is one path, and not its letters."""
    return (Path(paths),) if isinstance(paths, str | os.PathLike) else tuple(map(Path, paths))


def record_path(proof_file: str | os.PathLike[str]) -> Path:
    """Where the record of ``proof_file`` is: ``NAME.certificate.json`` beside ``NAME.lean``."""
    return Path(proof_file).with_suffix(".certificate.json")


_RESULTS: Final = {
    "search": f"{TRAJECTORY_FOLDER}/**/*.parquet",
    "generate-negatives": "groups/**/*.parquet",
    "eval or tune": f"arms/*/{TRAJECTORY_FOLDER}",
    "iterate": "baseline/validation",
}
"""Which files in its folder tell a command's results; others may have folders and files of such plain names."""


def refuse_others_results(folder: Path, own: str) -> None:
    """Refuse a folder in which another command keeps its results: each writes its settings there, over the other's.

    Args:
        folder: need not exist.
        own: the command itself, of :data:`_RESULTS`.

    Raises:
        ConfigError: it is another command's.
    """
    for command, files in _RESULTS.items():
        if command != own and any(folder.glob(files)):
            raise ConfigError(f"{folder} holds results of leanebm {command}", ["choose another folder @ --output"])


def refuse_restated(theorems: Iterable[Theorem], done: Mapping[str, Theorem]) -> None:
    """Refuse to go on with a run in which theorems of these names say something else.

    Raises:
        ConfigError: a statement, header or context is not the one that was worked on.
    """
    if names := [theorem.name for theorem in theorems if done.get(theorem.name, theorem) != theorem]:
        raise ConfigError(
            "the earlier run worked on other theorems of these names; give them other names, or choose another folder; "
            "`search` and `generate-negatives` keep what was found with --resume-anyway:",
            [f"another statement, header or context @ {name}" for name in names],
        )


def refuse_unlike_run(
    folder: Path,
    shard_format: ShardFormat[Any, Any],
    *,
    seed: int,
    backend: str,
    settings: Mapping[str, Any],
    theorems: Iterable[Theorem],
    resume_anyway: bool = False,
) -> frozenset[str]:
    """Refuse to go on with another run, as far as that is known before Lean and the servers are there.

    With ``resume_anyway``, only what cannot be read is refused.

    Returns:
        The names of the theorems of which ``folder`` holds a final result.

    Raises:
        ConfigError: settings differ from those of the runs that wrote to ``folder``, or theorems say something else.
        TrajectoryError: a shard there is damaged.
    """
    if not shard_paths(folder):
        return frozenset()
    found = read_shards(folder, shard_format)
    done = {record.theorem.name: record.theorem for record in found.records if record.is_final}
    if resume_anyway:
        return frozenset(done)
    last = found.runs[-1]
    known_later = {name: last.config[name] for name in last.config.keys() - settings.keys() if name == "served"}
    now = attrs.evolve(last, seed=seed, backend=backend, config={**settings, **known_later}, resumed_despite=())
    refuse_unlike(folder, now, found.runs)
    refuse_restated(theorems, done)
    return frozenset(done)


def all_done(run: Path, done: Set[str], theorems: Iterable[Theorem], observer: Observer, doing: str) -> bool:
    """Whether each of ``theorems`` is among those ``done``, so that nothing need be started for them.

    Args:
        run: the folder that holds the results.
        done: names of theorems with a final result there.
        theorems: what is to be done.
        observer: is told if so.
        doing: what there is nothing left of, such as ``searching``.
    """
    if not done or any(theorem.name not in done for theorem in theorems):
        return False
    with stage(observer, doing, f"nothing more: all is done in {run}"):
        return True


@attrs.frozen(kw_only=True)
class CertificateRecord:
    """A certificate without the proof, which is the file beside it."""

    theorem: Theorem
    """What was asked for."""

    statement: str
    """The certified type, as Lean prints it."""

    fingerprint: str
    """Its fingerprint: equal for statements that are equal up to bound names."""

    source_sha256: str
    """SHA-256 of the proof file, in hexadecimal."""

    axioms: tuple[str, ...]
    """The logical axioms the proof depends on."""

    constants: tuple[str, ...]
    """Library constants that it uses directly."""

    trusted_constants: tuple[str, ...]
    """Those of them that were taken on trust of the library's hash."""

    imports: tuple[str, ...]
    """Modules that it was checked over."""

    lean_version: str
    """The Lean that accepted it."""

    backend: str
    """How that Lean was run."""

    vouched_for_by: str
    """Whose word this is: Lean's as leanebm runs it, or that of a program of the user's own."""

    leanebm_version: str
    """The leanebm whose certifier decided."""

    format: int = attrs.field(default=_FORMAT, validator=attrs.validators.in_((_FORMAT,)))
    """Version of this file's layout."""

    __repr__ = fitting_repr

    @classmethod
    def of(cls, certificate: Certificate) -> Self:
        """The record of ``certificate``."""
        own = {attribute.name for attribute in attrs.fields(cls)} - {"format"}
        return cls(**{name: getattr(certificate, name) for name in own})

    @classmethod
    def read(cls, proof_file: str | os.PathLike[str]) -> Self | None:
        """The record beside ``proof_file``, or ``None`` if there is none.

        Raises:
            ConfigError: it cannot be read, or is of another format.
        """
        path = record_path(proof_file)
        try:
            table = json.loads(read_regular(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"cannot read {path}: {reason(error)}") from error
        return structure_settings(table, cls, source=str(path))

    def to_json(self) -> str:
        """The text of its file."""
        return json.dumps(attrs.asdict(self), ensure_ascii=False, indent=2) + "\n"

    def objection_to(self, content: bytes) -> str | None:
        """Why ``content`` is not the file that was certified; ``None`` if it is."""
        digest = hashlib.sha256(content).hexdigest()
        if digest == self.source_sha256:
            return None
        return f"the file is not the one that was certified: its SHA-256 is {digest}, recorded is {self.source_sha256}"

    def differences(self, certificate: Certificate) -> Iterator[str]:
        """What this check found otherwise than the recorded one, in words."""
        comparable = self.fingerprint.startswith(_BY_MESSAGES) == certificate.fingerprint.startswith(_BY_MESSAGES)
        if comparable and self.fingerprint != certificate.fingerprint:
            yield (
                f"it states {certificate.statement!r} (Lean {certificate.lean_version}), "
                f"recorded is {self.statement!r} (Lean {self.lean_version})"
            )
        if self.imports != certificate.imports:
            yield f"it imports {', '.join(certificate.imports)}, recorded is {', '.join(self.imports)}"
        if self._is_of_the_same_lean(certificate):
            for name in self._other_in(_SAME_FOR_THE_SAME_LEAN, certificate):
                yield f"its {_spaced(name)}: {getattr(certificate, name)!r}, recorded is {getattr(self, name)!r}"

    def unconfirmed(self, certificate: Certificate) -> Iterator[str]:
        """What is recorded that this check neither found as well nor can refute, in words.

        Another Lean may print otherwise, and knows other axioms behind the library's lemmas. But whoever made up a
        record can say that it is another Lean's.
        """
        for name in self._other_in(_WHO_FOUND_IT, certificate):
            yield f"{_spaced(name)} {shown(getattr(self, name))}"
        if not self._is_of_the_same_lean(certificate):
            for name in self._other_in(("fingerprint", *_SAME_FOR_THE_SAME_LEAN), certificate):
                yield f"{_spaced(name)} {shown(getattr(self, name))}"

    def _is_of_the_same_lean(self, certificate: Certificate) -> bool:
        return (self.lean_version, self.backend) == (certificate.lean_version, certificate.backend)

    def _other_in(self, names: Sequence[str], certificate: Certificate) -> Iterator[str]:
        return (name for name in names if getattr(self, name) != getattr(certificate, name))


def _spaced(name: str) -> str:
    return name.replace("_", " ")


@attrs.frozen
class RunFolder:
    """A run's folder: the trajectory, the proofs and the settings, side by side.

    .. code-block:: text

        runs/demo/
          config.toml        the settings the run was made with, defaults filled in
          trajectory/        Parquet shards, one row a node
          trajectory/.lock   empty, and held by who writes there; stays, as others may wait for it
          trajectory/WORKER/ those of one of several workers, until they are merged
          leases/            what these workers have claimed
          running/           searches that go on, for who looks on; gone when they have ended
          proofs/NAME.lean   one file a certified proof; each stands alone; NAME ends in, say, +1 if it has capitals
          proofs/NAME.certificate.json   what it was certified as, for checking it again
    """

    path: Path = attrs.field(converter=Path)

    @property
    def trajectory(self) -> Path:
        """The directory of Parquet shards."""
        return self.path / TRAJECTORY_FOLDER

    @property
    def proofs(self) -> Path:
        """The directory of certified proofs."""
        return self.path / "proofs"

    @property
    def running(self) -> Path:
        """The directory of what is being searched now, with a folder for each process."""
        return self.path / "running"

    @property
    def config(self) -> Path:
        """The settings, with every default written out."""
        return self.path / "config.toml"

    def sweep(self, *, is_shared: bool) -> None:
        """Remove what killed workers left half-written; and what they said they were searching, if no others are here.

        Args:
            is_shared: whether others may be at work in the folder; if not, its lock is the caller's.
        """
        for folder in (self.path, self.proofs):
            remove_scratch(folder, is_shared=is_shared)
        if not is_shared:
            shutil.rmtree(self.running, ignore_errors=True)

    def proof_of(self, name: str) -> Path:
        """Where the proof of the theorem of that name is, or would be."""
        return self.proofs / f"{file_stem(name)}.lean"

    def write_proof(self, certificate: Certificate) -> Path:
        """Write the certified proof as a file that Lean checks by itself."""
        return write_proof(certificate, self.proofs)


def proof_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """``path`` itself if it is a file; the proofs of a run's folder, or of any other folder with proofs in it.

    Raises:
        ConfigError: a folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return (path,)
    found = sorted(RunFolder(path).proofs.glob("*.lean")) or sorted(path.glob("*.lean"))
    if not found:
        raise ConfigError(f"there is no proof in {path}: no .lean file, neither there nor in {RunFolder(path).proofs}")
    return tuple(found)


def write_proof(certificate: Certificate, folder: str | os.PathLike[str]) -> Path:
    """Write the certified proof and its record into ``folder``; two theorems' names never share a file."""
    path = Path(folder) / f"{file_stem(certificate.theorem.name)}.lean"
    write_text(path, certificate.source)
    write_text(record_path(path), CertificateRecord.of(certificate).to_json())
    return path


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader, or a crash, meets the old file or the new one whole.

    Raises:
        ConfigError: nothing can be written there.
        TrajectoryError: the disk is full.
    """
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise not_written(path, error) from error
