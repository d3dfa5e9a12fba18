"""A file of what Lean and a policy answered."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, Self, final

import attrs
from cattrs.preconf.json import make_converter
from cattrs.strategies import configure_tagged_union

from leanebm._shown import named_repr
from leanebm.core import Candidate, ProofAdvanced, ProofFinished, ProofState, StateRef, TacticOutcome
from leanebm.errors import ConfigError, TrajectoryError

_VERSION: Final = "1"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS root (theorem TEXT PRIMARY KEY, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS transition (
    theorem TEXT, state TEXT, goal INTEGER, tactic TEXT, outcome TEXT NOT NULL,
    PRIMARY KEY (theorem, state, goal, tactic)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS proposal (
    state TEXT, n INTEGER, candidates TEXT NOT NULL, PRIMARY KEY (state, n)
) WITHOUT ROWID;
"""

_REMEDY: Final = "If the disk is not full, delete it: what it held will be asked again"

_NOWHERE: Final = StateRef(-1, -1)


def _fate_of(outcome: Any) -> str:
    return str(outcome.fate)


_json = make_converter()
configure_tagged_union(TacticOutcome, _json, tag_name="fate", tag_generator=_fate_of)


@final
class AnswerFile:
    """Answers by question. Theorems and states go by keys; a state is written without its place in a process.

    From ``with AnswerFile.open(path, about)``. Its methods raise :class:`TrajectoryError` where the file is damaged,
    or cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], database: sqlite3.Connection) -> None:
        self._path = Path(path)
        self._database = database

    __repr__ = named_repr("_path")

    @classmethod
    @contextmanager
    def open(cls, path: str | os.PathLike[str], about: Mapping[str, Any]) -> Iterator[Self]:
        """Open the file at ``path``, or make it. What is written is there after a kill at any moment.

        Args:
            path: of the file; its folder exists.
            about: what the answers depend on, as JSON values: which Lean, which policy.

        Raises:
            ConfigError: the file holds answers of another Lean or policy, or is none of ours.
        """
        try:
            database = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise ConfigError(f"{path} cannot be opened: {error}") from error
        with closing(database):
            file = cls(path, database)
            try:
                database.execute("PRAGMA journal_mode=WAL")
                database.execute("PRAGMA synchronous=NORMAL")
                database.executescript(_TABLES)
                file.require({"version": _VERSION, **about})
            except sqlite3.Error as error:
                raise ConfigError(f"{path} holds no remembered answers: {error}. {_REMEDY}") from error
            yield file

    def require(self, about: Mapping[str, Any]) -> None:
        """Refuse the file if it was made under other circumstances; what it does not say yet, it says from now on.

        Args:
            about: what the answers depend on, as JSON values.

        Raises:
            ConfigError: with everything that differs.
        """
        wanted = {key: json.dumps(value, sort_keys=True) for key, value in about.items()}
        held = dict(self._database.execute("SELECT key, value FROM about"))
        if differ := sorted(key for key in wanted if held.get(key, wanted[key]) != wanted[key]):
            raise ConfigError(
                f"the answers in {self._path} are not of this Lean and this policy; choose another folder:",
                [f"{wanted[key]}, there {held[key]} @ {key}" for key in differ],
            )
        self._database.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", wanted.items())

    def root(self, theorem: str) -> ProofState | None:
        """The state in which proofs of a theorem begin; ``None`` if nobody opened one."""
        found = self._one("SELECT state FROM root WHERE theorem = ?", theorem)
        return None if found is None else self._read(found, ProofState)

    def keep_root(self, theorem: str, state: ProofState) -> None:
        """Remember it."""
        self._write(
            "INSERT OR REPLACE INTO root VALUES (?, ?)", theorem, _json.dumps(attrs.evolve(state, ref=_NOWHERE))
        )

    def outcome(self, theorem: str, state: str, goal: int, tactic: str) -> TacticOutcome | None:
        """What became of a tactic; ``None`` if nobody ran it."""
        query = "SELECT outcome FROM transition WHERE theorem = ? AND state = ? AND goal = ? AND tactic = ?"
        found = self._one(query, theorem, state, goal, tactic)
        return None if found is None else self._read(found, TacticOutcome)

    def keep_outcome(self, theorem: str, state: str, goal: int, tactic: str, outcome: TacticOutcome) -> None:
        """Remember it."""
        nowhere = with_ref(outcome, _NOWHERE)
        text = _json.dumps(nowhere, unstructure_as=TacticOutcome)
        self._write("INSERT OR REPLACE INTO transition VALUES (?, ?, ?, ?, ?)", theorem, state, goal, tactic, text)

    def proposal(self, state: str, n: int) -> tuple[Candidate, ...] | None:
        """What the policy proposed; ``None`` if it was not asked."""
        found = self._one("SELECT candidates FROM proposal WHERE state = ? AND n = ?", state, n)
        return None if found is None else self._read(found, tuple[Candidate, ...])

    def keep_proposal(self, state: str, n: int, candidates: tuple[Candidate, ...]) -> None:
        """Remember it."""
        text = _json.dumps(candidates, unstructure_as=tuple[Candidate, ...])
        self._write("INSERT OR REPLACE INTO proposal VALUES (?, ?, ?)", state, n, text)

    def _one(self, query: str, *arguments: object) -> str | None:
        with self._reported():
            row = self._database.execute(query, arguments).fetchone()
        return None if row is None else str(row[0])

    def _write(self, statement: str, *arguments: object) -> None:
        with self._reported():
            self._database.execute(statement, arguments)

    def _read(self, text: str, kind: Any) -> Any:
        with self._reported():
            return _json.loads(text, kind)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, KeyError, TypeError, ValueError, ExceptionGroup) as error:
            raise TrajectoryError(f"{self._path} cannot be used: {error}. {_REMEDY}") from error


def with_ref(outcome: TacticOutcome, ref: StateRef) -> TacticOutcome:
    """``outcome``, whose state is found at ``ref``."""
    if isinstance(outcome, ProofAdvanced | ProofFinished):
        return attrs.evolve(outcome, state=attrs.evolve(outcome.state, ref=ref))
    return outcome
