"""Contrastive groups from known proofs: replay each, and look beside every step for states that lead nowhere."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final, final

import attrs

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import ContrastiveGroup, Evidence, SearchOutcome, TacticFate
from leanebm.data import (
    CONTRASTIVE_FORMAT,
    ContrastiveRecord,
    KnownProof,
    ReplayOutcome,
    read_contrastive_set,
)
from leanebm.errors import ConfigError, WorkerLost
from leanebm.pipeline._concurrently import for_each
from leanebm.pipeline._rehearsal import make_on_trial
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.contrastive._replay import ReplayedProof, lost_proof, replay_proof
from leanebm.pipeline.contrastive._rerooted import RerootedCertifier, RerootedEnvironment
from leanebm.pipeline.contrastive.audit import AuditedNegative, ChosenNegative, NegativeAudit, sample_negatives
from leanebm.pipeline.contrastive.config import NegativesConfig
from leanebm.pipeline.contrastive.folder import ContrastiveFolder, ContrastiveReport
from leanebm.pipeline.engines.engine import Ended, Engine, FailuresInARow, Station, record_given_up
from leanebm.pipeline.engines.local_engine import LocalEngine
from leanebm.pipeline.engines.shards_engine import items_of
from leanebm.pipeline.events import LogObserver, Observer, Stage, stage
from leanebm.pipeline.library_run import LIBRARY_MODULES
from leanebm.pipeline.run_folder import (
    all_done,
    refuse_others_results,
    refuse_restated,
    refuse_unlike_run,
    write_text,
)
from leanebm.pipeline.settings import settings_that_matter, to_toml
from leanebm.pipeline.workbench import Workbench, WorkbenchOpener, open_workbench, refuse_parts
from leanebm.search import SearchConfig
from leanebm.storage import RunInfo, ShardWriter, ShardWriterConfig, refuse_unwritable, remove_scratch, shard_paths

AUDIT_FACTOR: Final = 5
"""How many times the budget of a search an audited negative gets."""

_SHARDS: Final = ShardWriterConfig(max_wait_s=0.1)  # whoever replayed a proof waits for its shard before the next


@attrs.frozen(kw_only=True)
class ContrastiveConfig:
    """Everything that shapes how contrastive groups are made."""

    negatives: NegativesConfig = attrs.field(factory=NegativesConfig)
    """What is looked for beside a proof."""

    run: RunConfig = attrs.field(factory=RunConfig)
    """The policy, Lean, how many theorems at a time; and the search of an audit."""

    __repr__ = fitting_repr


@final
class ContrastiveRun:
    """One invocation that replays known proofs into a folder of contrastive groups.

    A theorem counts as done once its groups are on the disk; whatever ends the run, what is done stays
    done, and a run with ``resume`` goes on with the rest. A worker or a server that is lost costs one theorem,
    is recorded as that, and is tried again by the next run that resumes; it is never a label.

    Args:
        config: how to make groups.
        proofs: what to replay; names must be unique.
        folder: where groups, settings and the report go.
        audit: how many negatives to search for proofs of, with :data:`AUDIT_FACTOR` times the budget.
        resume: whether the folder may hold an earlier run's groups, which are then kept, and so is its audit if
            this run makes none.
        resume_anyway: whether ``resume`` goes on also where groups of the two runs are not alike, because settings or
            the code of a part differ. What differs is written into every shard from then on.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier.
        engine: who replays which proof; by default, this process replays all.
    """

    def __init__(
        self,
        config: ContrastiveConfig,
        proofs: Sequence[KnownProof],
        folder: str | os.PathLike[str],
        *,
        audit: int = 0,
        resume: bool = False,
        resume_anyway: bool = False,
        observer: Observer | None = None,
        opening: WorkbenchOpener = open_workbench,
        engine: Engine | None = None,
    ) -> None:
        self._config = _with_library(config, proofs)
        self._proofs = {proof.theorem.name: proof for proof in proofs}
        self._long_enough = [proof for proof in proofs if proof.num_steps >= config.negatives.min_steps]
        self._too_short = len(proofs) - len(self._long_enough)
        self._folder = ContrastiveFolder(folder)
        self._audit_size = audit
        self._resume = resume or resume_anyway
        self._resume_anyway = resume_anyway
        self._observer = LogObserver() if observer is None else observer
        self._opening = opening
        self._engine = LocalEngine() if engine is None else engine

    __repr__ = named_repr("_folder")

    async def run(self) -> ContrastiveReport:
        """Replay all proofs, audit a sample of what was found, and write the report.

        Raises:
            ConfigError: no proof is long enough, the folder cannot be written to, or it holds groups already and
                ``resume`` is off, or they were made under other settings; or a part is not ready.
            LeanError, PolicyError: the parts could not be started, or failed too often in a row.
            TrajectoryError: groups cannot be written.
        """
        done = self._check()
        if not self._audit_size:
            mine = (proof.theorem for proof in items_of(self._engine, self._long_enough))
            if not all_done(self._folder.path, done, mine, self._observer, "replaying"):
                if self._opening is open_workbench:  # here, too, where others replay: before they are asked to
                    refuse_parts(self._config.run)
                await self._replay_all(self._opening)
            # An earlier part's audit stays until there is a new one, also if that is stopped.
            return self._report(self._groups(), self._folder.read_audit() if self._resume else None)
        async with self._opening(self._config.run, self._observer) as bench:
            await self._replay_all(lambda *_: nullcontext(bench))
            groups = self._groups()
            self._report(groups, self._folder.read_audit() if self._resume else None)
            return self._report(groups, await self._audit(groups, bench))

    def check(self) -> None:
        """Refuse all that can be known to be wrong before anything is started; each part is made once.

        Raises:
            ConfigError, EnergyError, TrajectoryError: as :meth:`SearchRun.check`, and :meth:`run`.
        """
        self._check()
        if self._opening is open_workbench:
            make_on_trial(self._config.run)

    async def _replay_all(self, opening: WorkbenchOpener) -> None:
        job = ContrastiveJob(
            config=self._config,
            items=self._long_enough,
            folder=self._folder,
            too_short=self._too_short,
            resume_anyway=self._resume_anyway,
            opening=opening,
        )
        await self._engine.run(job, self._observer)

    def _groups(self) -> list[ContrastiveGroup]:
        return list(read_contrastive_set(self._folder.groups).rows())

    def _check(self) -> frozenset[str]:
        """Refuse what can be known to be wrong before anything is started; returns the names of theorems done."""
        to_toml(self._config)  # what cannot be written down is refused before anything is started
        if not self._long_enough:
            raise ConfigError(
                f"none of the {len(self._proofs)} proofs has {self._config.negatives.min_steps} steps or more",
                ["proofs of one step have no state to learn from; give longer ones, or lower --min-steps"],
            )
        if self._audit_size and self._engine.shares_folder:
            raise ConfigError(
                "an audit samples all groups, and a worker does not know when the others have made theirs",
                ["leave out --audit now, and add it to a last run with --resume and without --engine @ --audit"],
            )
        if not (self._resume or self._engine.shares_folder) and shard_paths(self._folder.groups):
            raise ConfigError(
                f"{self._folder.path} holds an earlier run's groups",
                ["add --resume to go on with that run, or choose another folder @ --output"],
            )
        refuse_others_results(self._folder.path, "generate-negatives")
        refuse_unwritable(self._folder.path)
        run = self._config.run
        return refuse_unlike_run(
            self._folder.groups,
            CONTRASTIVE_FORMAT,
            seed=run.seed,
            backend=run.lean.backend.name,
            settings=_settings_that_matter(self._config),
            theorems=(proof.theorem for proof in self._long_enough),
            resume_anyway=self._resume_anyway,
        )

    def _report(self, groups: Sequence[ContrastiveGroup], audit: NegativeAudit | None) -> ContrastiveReport:
        records = read_contrastive_set(self._folder.groups).records
        report = ContrastiveReport.of(records, groups, too_short=self._too_short, audit=audit)
        self._folder.write_report(report)
        return report

    # --- auditing ---

    async def _audit(self, groups: Sequence[ContrastiveGroup], bench: Workbench) -> NegativeAudit:
        chosen = sample_negatives(groups, self._proofs, self._audit_size, seed=self._config.run.seed)
        search = self._config.run.search
        search = attrs.evolve(search, budget=search.budget.times(AUDIT_FACTOR))
        outcomes: list[SearchOutcome] = []

        async def audit(negative: ChosenNegative) -> AuditedNegative:
            found = await self._search_from(negative, search, bench)
            outcomes.append(found.outcome)
            provable = f"{outcomes.count(SearchOutcome.PROVED)} of them provable"
            auditing.progressed(done=len(outcomes), total=len(chosen), counts=provable)
            return found

        with stage(self._observer, "auditing negatives") as auditing:
            audited = await for_each(chosen, audit, concurrency=self._config.run.concurrency)
        return NegativeAudit(audited=audited, groups=len(groups), ended_unix_s=time.time())

    async def _search_from(self, negative: ChosenNegative, search: SearchConfig, bench: Workbench) -> AuditedNegative:
        rerooted = attrs.evolve(
            bench,
            environment=RerootedEnvironment(bench.environment, negative.path),
            certifier=RerootedCertifier(bench.certifier, negative.path),
        )
        return AuditedNegative.of(negative, await rerooted.start_search(search).run(negative.theorem))


@final
@attrs.frozen(kw_only=True)
class ContrastiveJob:
    """Known proofs to replay into a folder, for an :class:`~leanebm.pipeline.Engine`."""

    config: ContrastiveConfig
    items: Sequence[KnownProof]
    folder: ContrastiveFolder
    too_short: int = 0
    """Proofs that were left out, for a person."""

    resume_anyway: bool = False
    """Whether groups may be pooled with those of other settings."""

    opening: WorkbenchOpener = open_workbench
    """Starts the policy, Lean and the certifier."""

    __repr__ = fitting_repr

    @property
    def path(self) -> Path:
        """The folder's path."""
        return self.folder.path

    def name_of(self, item: KnownProof) -> str:
        """The theorem's name."""
        return item.theorem.name

    @asynccontextmanager
    async def open(
        self, items: Sequence[KnownProof], observer: Observer, *, part: str | None = None
    ) -> AsyncIterator[Station[KnownProof]]:
        """Start the parts, and take the folder or a part of it. As :meth:`Job.open <leanebm.pipeline.Job.open>`."""
        toml = to_toml(self.config)
        async with self.opening(self.config.run, observer) as bench:
            info = bench.run_info(self.config.run, _settings_that_matter(self.config))
            async with ShardWriter(
                self.folder.groups,
                CONTRASTIVE_FORMAT,
                run=info,
                config=_SHARDS,
                pool_unlike_runs=self.resume_anyway,
                part=part,
            ) as writer:
                remove_scratch(self.folder.path, is_shared=part is not None)
                write_text(self.folder.config, toml)
                done = writer.completed()
                if not self.resume_anyway:
                    refuse_restated((proof.theorem for proof in items), done)
                waiting = [proof for proof in items if proof.theorem.name not in done]
                detail = self._detail(len(items) - len(waiting), len(waiting))
                with stage(observer, "replaying", detail) as replaying:
                    tally = _Tally(stage=replaying, total=len(waiting))
                    yield _ReplayStation(self.config, waiting, bench, info.run_id, writer, tally)

    async def give_up(self, items: Sequence[KnownProof], why: str, *, part: str) -> None:
        """Record proofs as lost. As :meth:`Job.give_up <leanebm.pipeline.Job.give_up>`."""

        def records_of(run: RunInfo) -> list[ContrastiveRecord]:
            return [lost_proof(proof, WorkerLost(why), run_id=run.run_id) for proof in items]

        pool = self.resume_anyway
        await record_given_up(self.folder.groups, CONTRASTIVE_FORMAT, records_of, part=part, pool_unlike_runs=pool)

    def _detail(self, done: int, waiting: int) -> str:
        proofs = "one known proof" if waiting == 1 else f"{waiting} known proofs"
        left_out = [f"{done} done before"] if done else []
        left_out += [f"{self.too_short} too short"] if self.too_short else []
        more = f" ({', '.join(left_out)})" if left_out else ""
        return f"{proofs}{more} into {self.folder.path}"


@final
class _ReplayStation:
    """Replays known proofs, one and its shard after the other."""

    def __init__(
        self,
        config: ContrastiveConfig,
        waiting: Sequence[KnownProof],
        bench: Workbench,
        run_id: str,
        writer: ShardWriter[ContrastiveRecord, ContrastiveGroup],
        tally: _Tally,
    ) -> None:
        self.waiting = waiting
        self.concurrency = config.run.concurrency
        self._config = config
        self._bench = bench
        self._run_id = run_id
        self._writer = writer
        self._tally = tally
        self._failures = FailuresInARow(config.run.max_failures_in_a_row)

    async def work(self, item: KnownProof) -> asyncio.Future[Ended]:
        replayed = await replay_proof(item, self._bench, self._config.negatives, run_id=self._run_id)
        await self._writer.write(replayed.record, replayed.groups)
        self._tally.ended(replayed)
        self._failures.note(replayed.error)
        return Ended(name=item.theorem.name, line=replayed.line, is_final=replayed.record.is_final).at_once()


@final
@attrs.define(kw_only=True)
class _Tally:
    """Counts what came of the proofs, and reports it to their stage."""

    stage: Stage
    total: int
    """Proofs to replay now."""

    _outcomes: Counter[ReplayOutcome] = attrs.field(init=False, factory=Counter)
    _groups: int = attrs.field(init=False, default=0)
    _evidence: Counter[Evidence] = attrs.field(init=False, factory=Counter)
    _fates: Counter[TacticFate] = attrs.field(init=False, factory=Counter)

    def ended(self, replayed: ReplayedProof) -> None:
        """Take note of a proof, which is on the disk."""
        self._outcomes[replayed.record.outcome] += 1
        self._groups += len(replayed.groups)
        self._fates.update(replayed.record.fates)
        self._evidence.update(negative.evidence for group in replayed.groups for negative in group.negatives)
        self.stage.progressed(done=self._outcomes.total(), total=self.total, counts=self._counts(), item=replayed)

    def _counts(self) -> str:
        verified, lost = self._outcomes[ReplayOutcome.VERIFIED], self._outcomes[ReplayOutcome.INFRASTRUCTURE]
        failed = self._outcomes.total() - verified - lost
        broken = f" · lost {lost}" if lost else ""
        provable = self._fates[TacticFate.CLOSED] + self._fates[TacticFate.PROVABLE]
        replays = f"verified {verified} · failed {failed}{broken}    {self._groups:,} groups"
        negatives = f"{self._evidence.total():,} negatives ({self._evidence[Evidence.DEAD]:,} dead)"
        return f"{replays} · {negatives} · {provable:,} dropped as provable"


def _with_library(config: ContrastiveConfig, proofs: Sequence[KnownProof]) -> ContrastiveConfig:
    """Let theorems of the library be stated: they need its modules, unless the user chose others."""
    imports = config.run.lean.imports
    if imports != RunConfig().lean.imports or all(proof.theorem.copy_from is None for proof in proofs):
        return config
    lean = config.run.lean.over(LIBRARY_MODULES)
    return attrs.evolve(config, run=attrs.evolve(config.run, lean=lean))


def _settings_that_matter(config: ContrastiveConfig) -> dict[str, Any]:
    settings = settings_that_matter(config) | config.run.facts_behind()
    del settings["run"]["seed"]  # has a place of its own in the run's record
    return settings
