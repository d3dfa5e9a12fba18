"""Search many theorems at once, and keep everything that is found."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, final

import attrs

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import ProofSearch, SearchOutcome, SearchResult, Theorem
from leanebm.errors import ConfigError, LeanEbmError, StatementError, WorkerLost
from leanebm.pipeline._concurrently import together
from leanebm.pipeline._rehearsal import make_on_trial
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.engines.engine import Ended, Engine, FailuresInARow, Station, record_given_up
from leanebm.pipeline.engines.local_engine import LocalEngine
from leanebm.pipeline.engines.shards_engine import items_of
from leanebm.pipeline.events import LogObserver, Observer, stage
from leanebm.pipeline.run_folder import (
    RunFolder,
    all_done,
    refuse_others_results,
    refuse_restated,
    refuse_unlike_run,
    write_text,
)
from leanebm.pipeline.search.live_trees import LiveTrees
from leanebm.pipeline.search.searched_theorem import SearchedTheorem, SearchTally
from leanebm.pipeline.search.summary import RunSummary, summarise_run
from leanebm.pipeline.settings import settings_that_matter, to_toml
from leanebm.pipeline.theorem_check import Cause, refused_by_cause
from leanebm.pipeline.workbench import Workbench, WorkbenchOpener, open_workbench, refuse_parts
from leanebm.storage import RunInfo, ShardWriter, refuse_unwritable, shard_paths
from leanebm.trajectory import TRAJECTORY_FORMAT, Attempt, TheoremRecord, TrajectoryRow


def record_of(result: SearchResult, run: RunInfo, *, started_unix_s: float) -> TheoremRecord:
    """One theorem's search, summed up."""
    statistics, error = result.statistics, result.error
    return TheoremRecord(
        theorem=result.theorem,
        run_id=run.run_id,
        outcome=result.outcome,
        certificate=result.certificate,
        rejections=result.rejections,
        error_kind=type(error).__name__ if error is not None else None,
        error=str(error) if error is not None else None,
        started_unix_s=started_unix_s,
        nodes=statistics.nodes,
        expansions=statistics.expansions,
        tactic_calls=statistics.tactic_calls,
        policy_calls=statistics.policy_calls,
        energy_calls=statistics.energy_calls,
        wall_s=statistics.wall_s,
        policy_s=statistics.policy_s,
        policy_wait_s=statistics.policy_wait_s,
        policy_weights=statistics.policy_weights,
        lean_s=statistics.lean_s,
        score_s=statistics.score_s,
        certify_s=statistics.certify_s,
    )


def rows_of(result: SearchResult, run: RunInfo, *, started_unix_s: float) -> list[TrajectoryRow]:
    """One row per node, in order of discovery."""
    of_all: dict[str, Any] = {
        "run_id": run.run_id,
        "theorem": result.theorem.name,
        "statement": result.theorem.display,
        "outcome": result.outcome,
        "started_unix_s": started_unix_s,
        "backend": run.backend,
        "seed": run.seed,
    }
    return [
        TrajectoryRow(
            **of_all | row | {"attempts": tuple(Attempt(**attempt) for attempt in row["attempts"])},
            worker_epoch=node.state.ref.epoch,
        )
        for node, row in zip(result.nodes, result.node_rows(), strict=True)
    ]


_MAX_UNRECORDED = 256
"""Finished searches that may wait for the disk; a search tree is held in memory until it is written."""


@final
class SearchRun:
    """One invocation that searches a set of theorems into a folder.

    ``config.concurrency`` theorems are searched at a time. A theorem counts as done once its search
    tree is on the disk; whatever ends the run, what is done stays done, and a run with ``resume`` goes
    on with the rest. An infrastructure failure ends one theorem's search, is recorded as that,
    and is tried again by the next run that resumes; only when too many come in a row does the run stop.

    Args:
        config: how to search.
        theorems: what to search; names must be unique.
        folder: where results go.
        resume: whether the folder may hold an earlier run's results, which are then kept.
        resume_anyway: whether ``resume`` goes on also where results of the two runs are not alike, because settings or
            the code of a part differ. What differs is written into every shard from then on.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier.
        engine: who searches which theorem; by default, this process searches all.
    """

    def __init__(
        self,
        config: RunConfig,
        theorems: Sequence[Theorem],
        folder: str | os.PathLike[str],
        *,
        resume: bool = False,
        resume_anyway: bool = False,
        observer: Observer | None = None,
        opening: WorkbenchOpener = open_workbench,
        engine: Engine | None = None,
    ) -> None:
        self._config = config
        self._theorems = theorems
        self._folder = RunFolder(folder)
        self._resume = resume or resume_anyway
        self._resume_anyway = resume_anyway
        self._observer = LogObserver() if observer is None else observer
        self._opening = opening
        self._engine = LocalEngine() if engine is None else engine
        self._refusals: list[str] = []

    __repr__ = named_repr("_folder")

    async def run(self) -> RunSummary:
        """Search all theorems; returns what the folder holds then, an earlier run's results included.

        Raises:
            ConfigError: as :meth:`is_done`; a part is not ready; or, once all have been tried, Lean refused every one
                of the statements.
            LeanError, PolicyError: the parts could not be started, or failed too often in a row.
            TrajectoryError: results cannot be written.
        """
        done = self._check()
        mine = items_of(self._engine, self._theorems)
        if all_done(self._folder.path, done, mine, self._observer, "searching"):
            return summarise_run(self._folder.path)
        if self._opening is open_workbench:  # here, too, where others search: before they are asked to
            refuse_parts(self._config)
        job = SearchJob(
            config=self._config,
            items=self._theorems,
            folder=self._folder,
            resume_anyway=self._resume_anyway,
            opening=self._opening,
        )
        ended = await self._engine.run(job, self._observer)
        self._refusals = [one.refusal for one in ended if one.refusal is not None]
        self._check_refusals(mine)
        return summarise_run(self._folder.path)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The theorems whose statements Lean refused, each with its reason."""
        return tuple(self._refusals)

    def check(self) -> None:
        """Refuse all that can be known to be wrong before anything is started.

        Each part is made once, and thrown away, unless ``opening`` is the caller's own.

        Raises:
            ConfigError: as :meth:`is_done`; or a part is not ready or could not be made, or the energy head does not
                fit the scorer.
            EnergyError: there is no energy head where there should be one, or its header is damaged.
            TrajectoryError: what the folder holds is damaged.
        """
        self._check()
        if self._opening is open_workbench:
            make_on_trial(self._config)

    def is_done(self) -> bool:
        """Whether the folder holds all results, so that a run starts nothing.

        Raises:
            ConfigError: names are not unique, a part cannot be written down, the folder cannot be written to, or it
                holds a run already and ``resume`` is off, or one with other settings or theorems, or of another kind.
            TrajectoryError: what the folder holds is damaged.
        """
        done = self._check()
        return bool(done) and all(theorem.name in done for theorem in items_of(self._engine, self._theorems))

    def _check(self) -> frozenset[str]:
        """As :meth:`is_done`; returns the names of the theorems that are done."""
        counts = Counter(theorem.name for theorem in self._theorems)
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ConfigError("theorem names must be unique:", [f"{name!r} occurs more than once" for name in twice])
        if not (self._resume or self._engine.shares_folder) and shard_paths(self._folder.trajectory):
            raise ConfigError(
                f"{self._folder.path} holds an earlier run's results",
                ["add --resume to go on with that run, or choose another folder @ --output"],
            )
        refuse_others_results(self._folder.path, "search")
        refuse_unwritable(self._folder.path)
        settings = _settings_that_matter(self._config)  # also refuses what cannot be written down
        return refuse_unlike_run(
            self._folder.trajectory,
            TRAJECTORY_FORMAT,
            seed=self._config.seed,
            backend=self._config.lean.backend.name,
            settings=settings,
            theorems=self._theorems,
            resume_anyway=self._resume_anyway,
        )

    def _check_refusals(self, mine: Sequence[Theorem]) -> None:
        """A few bad statements are to be expected in a large set; if every one is bad, the set is wrong."""
        if mine and len(self._refusals) == len(mine):
            raise ConfigError(
                f"nothing was searched, for Lean refused every statement ({len(self._refusals)}):", self._refusals
            )


@final
@attrs.frozen(kw_only=True)
class SearchJob:
    """Theorems to search into a folder, for an :class:`~leanebm.pipeline.Engine`."""

    config: RunConfig
    """How to search."""

    items: Sequence[Theorem]
    folder: RunFolder
    resume_anyway: bool = False
    """Whether results may be pooled with those of other settings."""

    opening: WorkbenchOpener = open_workbench
    """Starts the policy, Lean and the certifier."""

    __repr__ = fitting_repr

    @property
    def path(self) -> Path:
        """The folder's path."""
        return self.folder.path

    def name_of(self, item: Theorem) -> str:
        """The theorem's name."""
        return item.name

    @asynccontextmanager
    async def open(
        self, items: Sequence[Theorem], observer: Observer, *, part: str | None = None
    ) -> AsyncIterator[Station[Theorem]]:
        """Start the parts, and take the folder or a part of it. As :meth:`Job.open <leanebm.pipeline.Job.open>`."""
        # Before anything is started: what cannot be written down is refused here.
        toml, settings = to_toml(self.config), _settings_that_matter(self.config)
        async with self.opening(self.config, observer) as bench:
            info = bench.run_info(self.config, settings)
            async with ShardWriter(
                self.folder.trajectory, TRAJECTORY_FORMAT, run=info, pool_unlike_runs=self.resume_anyway, part=part
            ) as writer:
                self.folder.sweep(is_shared=part is not None)
                write_text(self.folder.config, toml)
                done = writer.completed()
                if not self.resume_anyway:
                    refuse_restated(items, done)
                waiting = [theorem for theorem in items if theorem.name not in done]
                # Of several workers, none looks at all statements: it is one's own that one searches.
                refused = await self._look_at(waiting, bench, observer) if part is None else Counter[Cause]()
                detail = self._detail(len(items) - len(waiting), len(waiting), refused)
                with stage(observer, "searching", detail) as searching:
                    tally = SearchTally(stage=searching, total=len(waiting))
                    search = bench.start_search(self.config.search, tally)
                    live = LiveTrees(self.folder.running / (part or "local"), info.run_id, tally.running)
                    async with live, together() as tellers:
                        recorder = _Recorder(self.folder, info, writer)
                        yield _SearchStation(self.config, waiting, search, recorder, tally, tellers)

    async def give_up(self, items: Sequence[Theorem], why: str, *, part: str) -> None:
        """Record theorems as lost. As :meth:`Job.give_up <leanebm.pipeline.Job.give_up>`."""

        def records_of(run: RunInfo) -> list[TheoremRecord]:
            lost = [SearchResult.unopened(theorem, WorkerLost(why)) for theorem in items]
            return [record_of(result, run, started_unix_s=run.started_unix_s) for result in lost]

        pool = self.resume_anyway
        await record_given_up(self.folder.trajectory, TRAJECTORY_FORMAT, records_of, part=part, pool_unlike_runs=pool)

    async def _look_at(self, waiting: Sequence[Theorem], bench: Workbench, observer: Observer) -> Counter[Cause]:
        """How many statements do not elaborate, which a person wants to know before the search rather than after it."""
        with stage(observer, "elaborating"):
            return await refused_by_cause(
                waiting,
                bench.environment,
                imports=self.config.lean.imports,
                concurrency=self.config.concurrency,
            )

    def _detail(self, done: int, waiting: int, refused: Counter[Cause]) -> str:
        theorems = "one theorem" if waiting == 1 else f"{waiting} theorems"
        told = [f"{done} done before"] if done else []
        if refused:
            causes = ", ".join(f"{count} {cause}" for cause, count in refused.most_common())
            told.append(f"{refused.total()} of them will not elaborate: {causes}; check-theorems says more")
        more = f" ({'; '.join(told)})" if told else ""
        return f"{theorems}{more} into {self.folder.path}"


@final
class _SearchStation:
    """Searches theorems, and has what is found written while the next one is searched."""

    def __init__(
        self,
        config: RunConfig,
        waiting: Sequence[Theorem],
        search: ProofSearch,
        recorder: _Recorder,
        tally: SearchTally,
        tellers: asyncio.TaskGroup,
    ) -> None:
        self.waiting = waiting
        self.concurrency = config.concurrency
        self._search = search
        self._recorder = recorder
        self._tally = tally
        self._tellers = tellers
        self._failures = FailuresInARow(config.max_failures_in_a_row)
        self._unrecorded = asyncio.Semaphore(config.concurrency + _MAX_UNRECORDED)

    async def work(self, item: Theorem) -> asyncio.Future[Ended]:
        await self._unrecorded.acquire()
        started_unix_s = time.time()
        try:
            result = await self._search.run(item)
        except StatementError as error:
            self._unrecorded.release()
            return self._refused(SearchedTheorem(theorem=item, error=error))
        except BaseException:
            self._unrecorded.release()
            self._tally.dropped(item)
            raise
        # No await between the search's end and this: a cancellation must not cost what was found.
        proof, kept = self._recorder.keep(result, started_unix_s)
        # A shard waits for company before it is written; this searcher need not wait with it.
        kept.add_done_callback(lambda _: self._unrecorded.release())
        searched = SearchedTheorem(theorem=item, result=result, proof=proof)
        ended = self._tellers.create_task(_tell(searched, kept, self._tally))
        is_lost = result.outcome is SearchOutcome.INFRASTRUCTURE
        self._failures.note(result.error or LeanEbmError("searches failed without saying why") if is_lost else None)
        return ended

    def _refused(self, searched: SearchedTheorem) -> asyncio.Future[Ended]:
        self._tally.ended(searched)
        return _ended(searched).at_once()


async def _tell(searched: SearchedTheorem, kept: Awaitable[None], tally: SearchTally) -> Ended:
    """Tell of a result once it is on the disk."""
    await kept
    tally.ended(searched)
    return _ended(searched)


def _ended(searched: SearchedTheorem) -> Ended:
    result, error, name = searched.result, searched.error, searched.theorem.name
    return Ended(
        name=name,
        line=searched.line,
        is_final=result is None or result.outcome is not SearchOutcome.INFRASTRUCTURE,
        refusal=None if error is None else f"{' '.join(error.description.split())} @ {name}",
    )


@attrs.frozen
class _Recorder:
    """Puts a finished search on the disk."""

    folder: RunFolder
    info: RunInfo
    writer: ShardWriter[TheoremRecord, TrajectoryRow]

    def keep(self, result: SearchResult, started_unix_s: float) -> tuple[Path | None, asyncio.Future[None]]:
        """Write the proof, then have the tree written; returns the proof's file, and what is done with the tree.

        In this order a crash in between leaves a proof too many, which is true all the same and is
        found again, rather than a theorem recorded as proved whose file is missing.
        """
        proof = self.folder.write_proof(result.certificate) if result.certificate is not None else None
        record = record_of(result, self.info, started_unix_s=started_unix_s)
        rows = rows_of(result, self.info, started_unix_s=started_unix_s)
        return proof, self.writer.hand_over(record, rows)


def _settings_that_matter(config: RunConfig) -> dict[str, Any]:
    settings = settings_that_matter(config) | config.facts_behind()
    del settings["seed"]  # has a place of its own in the run's record
    return settings
