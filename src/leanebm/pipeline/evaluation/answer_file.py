"""Files of what Lean and a policy answered about one theorem."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import os
import zlib
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Self, final

import attrs
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from leanebm._shown import named_repr, reason
from leanebm.core import Candidate, ProofAdvanced, ProofFinished, ProofState, StateRef, TacticOutcome
from leanebm.errors import TrajectoryError
from leanebm.storage import MAX_DATA_BYTES, not_written, read_regular, write_next

_Question = tuple[str | int, ...]

MAX_UNPACKED_BYTES: Final = 2**30
"""Largest text of answers of one file that is written, and read again; in memory it is several times that."""

_ENDING: Final = ".json.gz"

_GZIP: Final = 16 + zlib.MAX_WBITS

_log = logging.getLogger(__name__)

_NOWHERE: Final = StateRef(-1, -1)


_json = make_converter()
configure_tagged_union(TacticOutcome, _json, tag_name="fate", tag_generator=attrgetter("fate.value"))


@final
class AnswerFile:
    """Answers by question, as JSON values: in memory from :meth:`read` to :meth:`write`.

    States go by keys, and are written without their place in a process. What is new is put in place as one more file,
    whole: ``0.json.gz``, ``1.json.gz`` … Several workers may do so at once, and nobody's answers are lost: of two
    answers to one question, that of the first file stays. Any file may be deleted.

    Args:
        path: the theorem's own folder.
        answers: what the files hold.
    """

    def __init__(self, path: str | os.PathLike[str], answers: dict[_Question, Any]) -> None:
        self._path = Path(path)
        self._answers = answers
        self._new: dict[_Question, Any] = {}

    __repr__ = named_repr("_path")

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The answers that are there; none if no file is.

        Raises:
            TrajectoryError: a file is damaged, or cannot be read.
        """
        answers: dict[_Question, Any] = {}
        files = _files(Path(path))
        for number in sorted(files):
            answers = _read(files[number]) | answers
        return cls(path, answers)

    def write(self) -> None:
        """Put in place what is new, if anything is.

        Raises:
            ConfigError: nothing can be written there.
            TrajectoryError: the disk is full.
        """
        if not self._new:
            return
        text = json.dumps([*self._new.items()], separators=(",", ":")).encode()
        if len(text) > MAX_UNPACKED_BYTES:
            _log.warning("%s stays as it is: %d bytes of answers are more than is read again", self._path, len(text))
            return
        # Not where a file was deleted: what comes later must not stand before what is there.
        names = (f"{number}{_ENDING}" for number in itertools.count(max(_files(self._path), default=-1) + 1))
        try:
            write_next(self._path, names, gzip.compress(text, 1))
        except OSError as error:
            raise not_written(self._path, error) from error
        self._new = {}

    def root(self) -> ProofState | None:
        """The state in which proofs of the theorem begin; ``None`` if nobody opened one."""
        found: ProofState | None = self._get(("root",), ProofState)
        return found

    def keep_root(self, state: ProofState) -> None:
        """Remember it."""
        self._keep(("root",), attrs.evolve(state, ref=_NOWHERE), ProofState)

    def outcome(self, state: str, goal: int, tactic: str) -> TacticOutcome | None:
        """What became of a tactic; ``None`` if nobody ran it."""
        found: TacticOutcome | None = self._get(("outcome", state, goal, tactic), TacticOutcome)
        return found

    def keep_outcome(self, state: str, goal: int, tactic: str, outcome: TacticOutcome) -> None:
        """Remember it."""
        self._keep(("outcome", state, goal, tactic), with_ref(outcome, _NOWHERE), TacticOutcome)

    def proposal(self, state: str, n: int) -> tuple[Candidate, ...] | None:
        """What the policy proposed; ``None`` if it was not asked."""
        found: tuple[Candidate, ...] | None = self._get(("proposal", state, n), tuple[Candidate, ...])
        return found

    def keep_proposal(self, state: str, n: int, candidates: tuple[Candidate, ...]) -> None:
        """Remember it."""
        self._keep(("proposal", state, n), candidates, tuple[Candidate, ...])

    def _get(self, question: _Question, kind: Any) -> Any:
        if question not in self._answers:
            return None
        try:
            return _json.structure(self._answers[question], kind)
        except (KeyError, TypeError, ValueError, ExceptionGroup) as error:
            raise _damaged(self._path / f"*{_ENDING}", error) from error

    def _keep(self, question: _Question, answer: object, kind: Any) -> None:
        self._answers[question] = self._new[question] = _json.unstructure(answer, unstructure_as=kind)


def _files(folder: Path) -> dict[int, Path]:
    """The files of answers that are there, by their numbers: each search that has new ones makes one."""
    numbers = ((file.name.removesuffix(_ENDING), file) for file in folder.glob(f"*{_ENDING}"))
    return {int(number): file for number, file in numbers if number.isdecimal()}


def _read(path: Path) -> dict[_Question, Any]:
    """What a file holds: nothing, if its writer is about to write, or was killed then."""
    try:
        packed = read_regular(path, max_bytes=MAX_DATA_BYTES)
    except FileNotFoundError:  # somebody has just deleted it
        return {}
    except OSError as error:  # what it holds may be good
        raise TrajectoryError(f"{path} cannot be read: {reason(error)}") from error
    if not packed:
        return {}
    try:
        return {tuple(question): answer for question, answer in json.loads(_unpacked(packed))}
    except (OSError, EOFError, zlib.error, TypeError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _unpacked(packed: bytes) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    text = stream.decompress(packed, MAX_UNPACKED_BYTES)
    if stream.eof:
        return text
    if len(text) < MAX_UNPACKED_BYTES:
        raise EOFError("it ends too early")
    raise ValueError(f"it unpacks to more than {MAX_UNPACKED_BYTES} bytes, the most that are read")


def _damaged(path: Path, error: BaseException) -> TrajectoryError:
    return TrajectoryError(f"{path} cannot be used: {error}. Delete it: what it held will be asked again")


def with_ref(outcome: TacticOutcome, ref: StateRef) -> TacticOutcome:
    """``outcome``, whose state is found at ``ref``."""
    if isinstance(outcome, ProofAdvanced | ProofFinished):
        return attrs.evolve(outcome, state=attrs.evolve(outcome.state, ref=ref))
    return outcome
