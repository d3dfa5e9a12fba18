"""Makes theorem sets: statements from a factory, by default without those that one automation tactic proves."""

from __future__ import annotations

import asyncio
import json
import math
import os
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final, final

import attrs
from attrs.validators import ge

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import ProofAdvanced, ProofEnvironment, ProofFinished
from leanebm.data.conjectures import (
    Conjecture,
    ConjectureFactory,
    ConjectureFile,
    ConjectureSplit,
    write_conjecture_file,
)
from leanebm.errors import CommandRefused, ConfigError, StatementError, WorkerLost
from leanebm.lean import LeanPoolConfig, ReplayingEnvironment
from leanebm.pipeline._concurrently import for_each
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.search.probe_run import AUTOMATION
from leanebm.pipeline.workbench import open_lean
from leanebm.storage import write_atomically

_BATCH: Final = 50
"""Statements of one family that Lean is asked about before the next family's turn."""

_TACTIC_TIMEOUT_S: Final = 4.0
_MOST_OF_A_FAMILY: Final = 2.0
"""How many times its even share a family may give where others have too little."""

_KEPT_ALL_THE_SAME: Final[Mapping[str, frozenset[str]]] = {"propositional": frozenset({"grind"})}
"""By family, tactics that do not count: grind decides propositional logic, so no statement of it would be left."""

_SHORTENED: Final[Mapping[tuple[str, str], str]] = {("nat_recursion", "grind"): "grind (ematch := 3) (gen := 3)"}
"""By family and tactic, how it is tried: grind unfolds ``f (n + 1)`` for seconds before it gives up."""

_NOT_CLOSED: Final = ""
_REFUSED: Final = "statement refused"
_LOST: Final = "Lean broke"
_LATE: Final = "Lean ran out of time"


@attrs.frozen(kw_only=True)
class ConjectureCounts:
    """What became of the statements that were drawn."""

    kept: Mapping[str, int]
    """Statements in the file, by split."""

    by_family: Mapping[str, int]
    """Statements in the file, by family."""

    drawn: int = attrs.field(validator=ge(0))
    """New statements that the families made."""

    dropped: Mapping[str, int]
    """Statements that are not in the file, by the tactic that proved them or by what went wrong."""

    __repr__ = fitting_repr


@final
class ConjectureRun:
    """One making of a set of conjectures, written to a Parquet file.

    What Lean said of each statement is kept beside the file until that is written, so a run that was stopped goes on
    where it was when the same one is started again.

    Args:
        config: which Lean, and how many statements at a time.
        path: the file to write.
        factory: what the statements come from.
        number: statements to keep for train, val and test together; about ten, one and two thirteenths of them.
        unseen: statements to keep of the families that the factory holds out.
        tactics: a statement that one of these proves by itself, after ``intros``, is dropped; ``decide`` is tried
            before ``intros``, for it needs a closed statement. Without any, Lean is not started and all are kept.
        provenance: what else is to be written into the file's metadata, such as the command.
        observer: is told what happens.
    """

    def __init__(
        self,
        config: RunConfig,
        path: str | os.PathLike[str],
        factory: ConjectureFactory,
        *,
        number: int,
        unseen: int,
        tactics: Sequence[str] = AUTOMATION,
        provenance: Mapping[str, str] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._lean = _patient(config.lean)
        self._concurrency = config.concurrency
        self._path = Path(path)
        self._factory = factory
        self._wanted = {False: number, True: unseen}
        self._tactics = tuple(tactics)
        self._provenance = dict(provenance or {})
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_path", "_wanted")

    async def run(self) -> ConjectureCounts:
        """Make the set and write it.

        Raises:
            ConfigError: no statement was left, or the notes of a stopped run are about other tactics.
            LeanInstallError: no usable Lean could be found or prepared.
            WorkerStartError: Lean does not start.
        """
        if not any(self._wanted.values()):
            raise ConfigError("no statement is asked for:", ["give a number above 0 @ --number, --unseen"])
        notes = _Notes(self._path.with_name(f"{self._path.name}.notes.jsonl"), self._tactics)
        kept: list[Conjecture] = []
        told = {**self._identity, "leanebm_version": version("leanebm"), **self._provenance}
        async with AsyncExitStack() as stack:
            environment = None
            if self._tactics:
                pool = await stack.enter_async_context(open_lean(self._lean, self._observer))
                environment = ReplayingEnvironment(pool)
                told["lean_version"] = await pool.lean_version()
            judge = _Judge(environment, self._tactics, notes, self._concurrency)
            for is_unseen, wanted in self._wanted.items():
                families = [name for name in self._factory.names if (name in self._factory.held_out) is is_unseen]
                kept += await self._collect(judge, families, wanted, "unseen families" if is_unseen else "families")
        kept.sort(key=lambda conjecture: (list(ConjectureSplit).index(conjecture.split), conjecture.name))
        write_conjecture_file(self._path, ConjectureFile(tuple(kept), told))
        notes.path.unlink(missing_ok=True)
        return ConjectureCounts(
            kept=dict(Counter(conjecture.split.value for conjecture in kept)),
            by_family=dict(Counter(conjecture.family for conjecture in kept)),
            drawn=judge.verdicts.total(),
            dropped={why: count for why, count in judge.verdicts.items() if why != _NOT_CLOSED},
        )

    @property
    def _identity(self) -> dict[str, str]:
        return {
            "seed": str(self._factory.seed),
            "families": ",".join(self._factory.names),
            "held_out": ",".join(sorted(self._factory.held_out)),
            "difficulties": ",".join(map(str, self._factory.difficulties)),
            "per_skeleton": str(self._factory.per_skeleton),
            "number": str(self._wanted[False]),
            "unseen": str(self._wanted[True]),
            "tactics": ",".join(self._tactics),
        }

    async def _collect(self, judge: _Judge, families: Sequence[str], wanted: int, what: str) -> list[Conjecture]:
        """Ask each family in turn, until there is enough or none has more."""
        kept: list[Conjecture] = []
        most = math.ceil(_MOST_OF_A_FAMILY * wanted / max(len(families), 1))
        have: Counter[str] = Counter()
        waiting = deque(families)
        with stage(self._observer, f"making conjectures of {len(families)} {what}") as making:
            while waiting and len(kept) < wanted:
                family = waiting.popleft()
                drawn = await asyncio.to_thread(self._factory.draw, family, _BATCH)
                survivors = await judge.survivors(drawn)
                taken = survivors[: min(most - have[family], wanted - len(kept))]
                kept += taken
                have[family] += len(taken)
                if len(drawn) == _BATCH and have[family] < most and judge.is_worth_asking(family):
                    waiting.append(family)
                _tell(making, len(kept), wanted, have)
        return kept


def _tell(making: Stage, done: int, total: int, have: Mapping[str, int]) -> None:
    making.progressed(done=done, total=total, counts=" · ".join(f"{name} {count}" for name, count in have.items()))


def _patient(config: LeanPoolConfig) -> LeanPoolConfig:
    """Tactics end by Lean's own limit on steps rather than by the clock, so that a busy machine says the same."""
    return attrs.evolve(config, tactic_timeout_s=max(config.tactic_timeout_s, _TACTIC_TIMEOUT_S))


_FEWEST_SURVIVORS: Final = 0.04
_FAIR_TRIAL: Final = 150


@final
class _Judge:
    """Knows which statements need more than one automation tactic; without an environment, none is asked about."""

    def __init__(
        self, environment: ProofEnvironment | None, tactics: Sequence[str], notes: _Notes, concurrency: int
    ) -> None:
        self._environment = environment
        self._tactics = tuple(tactics)
        self._notes = notes
        self._concurrency = concurrency
        self.verdicts: Counter[str] = Counter()
        self._of_family: dict[str, Counter[bool]] = {}

    async def survivors(self, drawn: Sequence[Conjecture]) -> list[Conjecture]:
        """Those that no tactic proves, in their order."""
        unknown = [conjecture for conjecture in drawn if conjecture.name not in self._notes.verdicts]
        await for_each(unknown, self._judge, concurrency=self._concurrency)
        survivors = []
        for conjecture in drawn:
            verdict = self._notes.verdicts[conjecture.name]
            survives = verdict == _NOT_CLOSED or verdict in _KEPT_ALL_THE_SAME.get(conjecture.family, ())
            self.verdicts[_NOT_CLOSED if survives else verdict] += 1
            self._of_family.setdefault(conjecture.family, Counter())[survives] += 1
            survivors += [attrs.evolve(conjecture, closed_by=verdict)] if survives else []
        return survivors

    def is_worth_asking(self, family: str) -> bool:
        """Whether, after a fair trial, enough of its statements survive."""
        counts = self._of_family[family]
        return counts.total() < _FAIR_TRIAL or counts[True] >= _FEWEST_SURVIVORS * counts.total()

    async def _judge(self, conjecture: Conjecture) -> None:
        try:
            verdict = _NOT_CLOSED if self._environment is None else await self._closed_by(conjecture, self._environment)
        except StatementError:
            verdict = _REFUSED
        except CommandRefused as refusal:
            if refusal.kind != "timeout":
                raise
            verdict = _LATE
        except WorkerLost:
            verdict = _LOST
        self._notes.add(conjecture.name, verdict)

    async def _closed_by(self, conjecture: Conjecture, environment: ProofEnvironment) -> str:
        async with environment.open(conjecture.theorem) as session:
            introduced = await session.run_tactic(session.root, "intros")
            state = introduced.state if isinstance(introduced, ProofAdvanced) else session.root
            for tactic in self._tactics:
                tried = _SHORTENED.get((conjecture.family, tactic), tactic)
                outcome = await session.run_tactic(session.root if tactic == "decide" else state, tried)
                if isinstance(outcome, ProofFinished):
                    return tactic
        return _NOT_CLOSED


@final
class _Notes:
    """What Lean said so far, one line per statement, under a line that says to which tactics."""

    def __init__(self, path: Path, tactics: Sequence[str]) -> None:
        self.path = path
        self.verdicts: dict[str, str] = {}
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if lines and lines[0] != json.dumps(tactics):
            raise ConfigError(f"{path} holds notes about other tactics; remove it, or write to another file")
        for line in lines[1:]:
            with suppress(ValueError):  # a line that was cut off when a run was stopped
                name, verdict = json.loads(line)
                self.verdicts[name] = verdict
        known = [json.dumps(tactics), *map(json.dumps, self.verdicts.items())]
        write_atomically(path, "".join(f"{line}\n" for line in known).encode())

    def add(self, name: str, verdict: str) -> None:
        self.verdicts[name] = verdict
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([name, verdict]) + "\n")
