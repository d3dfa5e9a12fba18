"""Rounds of search and learning: prove, learn from the proofs, keep what proves more, and prove again."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, final

import attrs
from filelock import FileLock, Timeout

from leanebm._extras import extra_needed
from leanebm._fields import torch_device
from leanebm._shown import named_repr
from leanebm.core import ContrastiveGroup, StateEncoder, Theorem
from leanebm.data import read_contrastive_set
from leanebm.energy import load_checkpoint
from leanebm.energy.training import hold_apart
from leanebm.errors import ConfigError, EnergyError, TrajectoryError
from leanebm.pipeline._readiness import refuse_unready
from leanebm.pipeline._rehearsal import make_on_trial, part_on_trial
from leanebm.pipeline.comparison.comparison import RunComparison, compare_runs, exact_sign_test
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.contrastive.contrastive_run import ContrastiveConfig, ContrastiveRun
from leanebm.pipeline.contrastive.folder import ContrastiveFolder, ContrastiveReport
from leanebm.pipeline.contrastive.trajectory import read_search_groups
from leanebm.pipeline.energy.guidance import EnergyConfig
from leanebm.pipeline.energy.sources import EnergySources
from leanebm.pipeline.energy.training_run import EnergyTrainingRun
from leanebm.pipeline.engines.engine import Engine
from leanebm.pipeline.engines.local_engine import LocalEngine
from leanebm.pipeline.engines.shards_engine import ShardsEngine, share_of
from leanebm.pipeline.evaluation.evaluation_run import EvaluationRun
from leanebm.pipeline.evaluation.tuning_run import TuningRun, judged_area, judged_areas
from leanebm.pipeline.events import LogObserver, Observer
from leanebm.pipeline.iteration._ledger import Found, Ledger
from leanebm.pipeline.iteration.aggregate import Aggregate, digest_of_groups, digest_of_proofs, shortest_proofs
from leanebm.pipeline.iteration.config import IterationConfig, IterationTheorems
from leanebm.pipeline.iteration.manifest import IterationManifest, StageRecord, digest_of
from leanebm.pipeline.iteration.page import PAGE_NAME, write_iteration_page
from leanebm.pipeline.iteration.policy_step import NothingToLearn, PolicyStep
from leanebm.pipeline.iteration.summary import (
    ENERGY,
    FROZEN,
    POLICY,
    POLICY_AND_ENERGY,
    SAMPLE_ONLY,
    IterationSummary,
    summarise_iteration,
)
from leanebm.pipeline.parts import Part
from leanebm.pipeline.run_folder import refuse_others_results, write_text
from leanebm.pipeline.search.search_run import SearchRun
from leanebm.pipeline.settings import settings_that_matter, to_toml
from leanebm.pipeline.workbench import WorkbenchOpener, sharing_lean
from leanebm.policy import PolicyClient
from leanebm.search import LengthNormalisedLogProb
from leanebm.storage import refuse_unwritable, remove_scratch_below
from leanebm.trajectory import AnytimeCurve, TheoremRecord, read_trajectory

_ALONE: Final = "alone"
_INCUMBENT: Final = "incumbent"
_CHALLENGER: Final = "challenger"

_FEWEST_PROOFS: Final = 2
"""Theorems that a policy learns from: one of them may be held out."""

_SEARCHES: Final = (f"search/{FROZEN}", f"search/{ENERGY}")


@attrs.frozen(kw_only=True)
class _Guide:
    """What orders a search, and which policy it asks."""

    run: RunConfig
    alpha: float
    beta: float | None = None
    head: Path | None = None
    encoder: StateEncoder | Part[StateEncoder] | None = None
    """The head's, if it has one of its own."""

    def config(self, seed: int, max_expansions: int | None = None) -> RunConfig:
        """The settings of a search; energies come of exact norms, so that they are the same at any time."""
        run = self.run.sampled_anew(seed - self.run.seed)
        energy, parts = EnergyConfig(), run.parts
        if self.head is not None:
            energy = EnergyConfig(path=self.head, beta=self.beta, freeze_spectral=True)
            parts = attrs.evolve(parts, encoder=self.encoder)
        search = run.search
        if max_expansions is not None:
            search = attrs.evolve(search, budget=attrs.evolve(search.budget, max_expansions=max_expansions))
        scorer = LengthNormalisedLogProb(alpha=self.alpha)
        return attrs.evolve(run, scorer=scorer, energy=energy, parts=parts, search=search)

    @property
    def digest(self) -> str:
        config = self.config(0)
        return digest_of([settings_that_matter(config), config.facts_behind()])


@final
class IterationRun:
    """One invocation that learns from its own proofs, round by round, in a folder.

    Each round searches the training theorems that are left, trains a head from scratch on what all rounds found,
    chooses its weight by what validation searches prove, and uses it from then on unless they prove less, or later,
    than with what is in use. Beside it goes an arm that makes as many attempts with fresh seeds and learns nothing.

    Every stage is a run of its own, in a folder of its own. Killed at any moment, an invocation with ``resume`` goes
    on, and ends with the same manifest but for what it cost.

    Searches, and replays of proofs, are shared out by the engine. Everything else is done by one process. With an
    engine of workers that share the folder, others can join it: they take part in whatever search is under way, wait
    while there is none, and end with the iteration, or some time after its process.

    Args:
        config: how.
        theorems: on what.
        folder: where everything goes.
        resume: whether the folder may hold an iteration, which then goes on.
        policy_step: teaches the policy in each round; by default fine-tuning if ``config.finetune`` is there,
            else only the head learns.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier of a search; by default all searches share one Lean.
        engine: who searches which theorem; by default, this process searches all.
        joins: whether this process only helps one that iterates in the folder. It needs a :class:`ShardsEngine`.
    """

    def __init__(
        self,
        config: IterationConfig,
        theorems: IterationTheorems,
        folder: str | os.PathLike[str],
        *,
        resume: bool = False,
        policy_step: PolicyStep | None = None,
        observer: Observer | None = None,
        opening: WorkbenchOpener | None = None,
        engine: Engine | None = None,
        joins: bool = False,
    ) -> None:
        self._config = config
        self._theorems = theorems
        self._folder = Path(folder)
        self._resume = resume
        self._observer = LogObserver() if observer is None else observer
        self._policy_step = policy_step
        if policy_step is None and config.finetune is not None:
            with extra_needed("serve", "fine-tuning"):
                from leanebm.pipeline.finetune.finetune_step import FinetuneStep
            self._policy_step = FinetuneStep(config.finetune, observer=self._observer)
        self._opening = opening
        self._engine = LocalEngine() if engine is None else engine
        self._joins = joins
        manifest = IterationManifest(
            settings=settings_that_matter(config),
            theorems={name: _digest_of_theorems(getattr(theorems, name)) for name in ("train", "validation", "test")},
        )
        gives_up_s = self._engine.expires_s if joins and isinstance(self._engine, ShardsEngine) else None
        self._ledger = Ledger(self._folder, manifest, self._observer, gives_up_s)

    __repr__ = named_repr("_folder")

    def check(self) -> None:
        """Refuse all that is wrong before anything is started; another machine's devices are not.

        Each part is made once, and thrown away.

        Raises:
            ConfigError: as :meth:`run`, or the settings cannot be written down, or the folder cannot be written to.
        """
        to_toml(self._config)
        refuse_engine(self._engine, joins=self._joins)
        if not self._joins:
            self._ledger.open(resume=self._resume)
            refuse_others_results(self._folder, "iterate")
            refuse_unwritable(self._folder)
            refuse_unready({"head": self._config.head})  # before the searches that it is to learn from
            self._make_parts()

    def _make_parts(self) -> None:
        make_on_trial(self._config.run)
        training = self._config.head_training
        part_on_trial(StateEncoder, training.encoder, "$.head.encoder", encoder=PolicyClient(training.policy))

    async def run(self) -> IterationSummary:
        """Go through all rounds; what is done stays done.

        Raises:
            ConfigError: the folder holds an iteration and ``resume`` is off, or another iteration; the engine does
                not see all of a round; torch does not see a device; the head's encoder is not ready; or the server does
                not serve the model that is fine-tuned.
            LeanEbmError: there is no process to join, or it is gone.
            LeanError, PolicyError, EnergyError, TrajectoryError: as the runs that the stages are.
        """
        self.check()
        if self._joins:
            await self._ledger.join()
            await self._all_rounds()
            await self._ledger.caught_up()
            return summarise_iteration(self._folder)
        self._require_devices()
        check_server = getattr(self._policy_step, "check_server", None)
        if check_server is not None:
            await check_server(self._config.run)
        await self._try_encoder()
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / ".lock")
        try:
            with lock.acquire(timeout=0):
                remove_scratch_below(self._folder, is_shared=self._engine.shares_folder)
                write_text(self._folder / "config.toml", to_toml(self._config))
                self._ledger.begin()
                if isinstance(self._engine, ShardsEngine):
                    with self._ledger.showing_life(self._engine.expires_s):
                        await self._all_rounds()
                else:
                    await self._all_rounds()
        except Timeout as error:
            raise TrajectoryError(f"another process iterates in {self._folder}; wait for it, or stop it") from error
        return summarise_iteration(self._folder)

    def _require_devices(self) -> None:
        finetune = self._config.finetune
        for device in (self._config.head.trainer.device, "auto" if finetune is None else finetune.device):
            if device != "auto":
                torch_device(device)

    async def _try_encoder(self) -> None:
        """See that a head can be trained, if one may still have to be."""
        rounds = range(self._config.rounds)
        if all(StageRecord.read(self._folder / _of(number) / "evaluation") is not None for number in rounds):
            return
        training = EnergyTrainingRun(
            self._config.head_training, EnergySources(), self._folder / "head", observer=self._observer
        )
        await training.try_encoder()

    async def _all_rounds(self) -> None:
        async with AsyncExitStack() as stack:
            self._opening = self._opening or await stack.enter_async_context(sharing_lean())
            alone = _Guide(run=self._config.run, alpha=0.0)
            sets = self._ledger.manifest.theorems
            base = guide = await self._tuned("baseline", self._seed(0), alone, sets)
            for number in range(self._config.rounds):
                guide = await self._round(number, base, guide)
                if not self._joins:
                    write_iteration_page(self._folder / PAGE_NAME, summarise_iteration(self._folder))

    async def _round(self, number: int, base: _Guide, guide: _Guide) -> _Guide:
        """What guides the next round."""
        await self._search(number, ENERGY if number else FROZEN, guide)
        if number:
            await self._search(number, SAMPLE_ONLY, base)
        await self._negatives(number)
        aggregate = await self._aggregate(number)
        policy = await self._policy(number, aggregate)
        challenger = None if self._policy_step is None else attrs.evolve(base, run=policy)
        if aggregate.result["objection"] is None:
            head = await self._head(number, aggregate)
            guided = _Guide(run=policy, alpha=0.0, beta=0.0, head=head, encoder=self._config.head.encoder)
            inputs = {"head": guided.digest}
            challenger = await self._tuned(_of(number), self._seed(number), guided, inputs)
        if challenger is not None:
            guide = await self._gate(number, {_ALONE: base, _INCUMBENT: guide, _CHALLENGER: challenger})
        await self._evaluation(number, base, guide)
        return guide

    # --- searching ---

    def _seed(self, number: int) -> int:
        return self._config.run.seed + number

    async def _search(self, number: int, arm: str, guide: _Guide) -> None:
        """Search what the arm has not proved yet."""
        before = self._searches(arm, number)
        known = _lengths(before)
        again = self._config.search_proved_again
        waiting = [theorem for theorem in self._theorems.train if again or theorem.name not in known]
        budget, seed = self._config.budget(number), self._seed(number)
        name = f"{_of(number)}/search/{arm}"

        async def search(folder: Path) -> None:
            if waiting:
                await SearchRun(guide.config(seed, budget), waiting, folder, **self._how()).run()

        def output() -> str:
            return digest_of(_lasting(self._folder / name) if waiting else [])

        async def work(folder: Path) -> Found:
            await search(folder)
            now = _lengths([*before, *([folder] if waiting else [])])
            lengths = sorted(now.values())
            result = {
                "attempted": len(waiting),
                "broken": _broken([folder] if waiting else []),
                "budget": budget,
                "new": len(now.keys() - known.keys()),
                "proved": len(now),
                "of": len(self._theorems.train),
                "mean_length": sum(lengths) / len(lengths) if lengths else None,
                "p90_length": lengths[math.ceil(0.9 * len(lengths)) - 1] if lengths else None,
                "lean": read_trajectory(folder).runs[-1].lean_version if waiting else None,
            }
            return output(), result

        inputs = {
            "guide": guide.digest,
            "theorems": _digest_of_theorems(waiting),
            "searches": digest_of([self._ledger.output(str(path.relative_to(self._folder))) for path in before]),
        }
        await self._ledger.stage(
            name, seed, inputs, work, shared=search, holds=lambda record: record.output == output()
        )

    def _how(self) -> dict[str, Any]:
        """What all searches and replays have in common."""
        return {"resume": True, "observer": self._observer, "opening": self._opening, "engine": self._engine}

    def _searches(self, arm: str, rounds: int) -> list[Path]:
        """The folders of the arm's searches in the first ``rounds`` rounds; all arms share the first round's."""
        names = [f"{_of(number)}/search/{arm if number else FROZEN}" for number in range(rounds)]
        return [self._folder / name for name in names if (self._folder / name / "trajectory").exists()]

    # --- learning ---

    async def _negatives(self, number: int) -> None:
        """Replay the proofs that are new in this round."""
        config, seed = self._config, self._seed(number)
        before, after = (shortest_proofs(self._searches(ENERGY, rounds)) for rounds in (number, number + 1))
        known = {proof.theorem.name: proof.tactics for proof in before}
        new = [
            proof
            for proof in after
            if proof.num_steps >= config.negatives.min_steps and known.get(proof.theorem.name) != proof.tactics
        ]
        if not config.replay_proofs or not new:
            return

        async def replay(folder: Path) -> ContrastiveReport:
            negatives = attrs.evolve(config.negatives, round=number)
            run = ContrastiveConfig(negatives=negatives, run=config.run.sampled_anew(number))
            return await ContrastiveRun(run, new, folder, **self._how()).run()

        async def work(folder: Path) -> Found:
            report = await replay(folder)
            result = {"proofs": len(new), "groups": report.groups, "negatives": dict(report.negatives)}
            return digest_of_groups(_groups_in(folder)), result

        inputs = {"proofs": digest_of([attrs.asdict(proof) for proof in new])}

        def holds(record: StageRecord) -> bool:
            return record.output == digest_of_groups(_groups_in(self._folder / record.stage))

        await self._ledger.stage(f"{_of(number)}/negatives", seed, inputs, work, shared=replay, holds=holds)

    async def _aggregate(self, number: int) -> StageRecord:
        """Gather what all rounds found."""
        folders = {each: self._folder / _of(each) / "negatives" for each in range(number + 1)}
        there = {each: folder for each, folder in folders.items() if ContrastiveFolder(folder).groups.exists()}

        async def work(folder: Path) -> Found:
            min_steps = self._config.negatives.min_steps
            aggregate = Aggregate.gather(self._searches(ENERGY, number + 1), there, min_steps=min_steps)
            await aggregate.write(folder, one_tactic_share=self._config.one_tactic_share)
            shown = len(aggregate.for_policy(self._config.one_tactic_share))
            result = {**aggregate.counts(), "policy_proofs": shown, "objection": self._objection(aggregate)}
            return aggregate.digest, {**result, **_digests(folder, _groups_in(folder))}

        def holds(record: StageRecord) -> bool:
            own = self._folder / record.stage
            groups = _groups_in(own)
            is_same = all(record.result.get(name) == digest for name, digest in _digests(own, groups).items())
            return is_same and record.result["groups"] == len(groups)

        names = [f"{_of(each)}/{what}" for each in range(number + 1) for what in ("negatives", *_SEARCHES)]
        inputs = {name: self._ledger.output(name) for name in names if self._ledger.output(name) != "none"}
        return await self._ledger.stage(f"{_of(number)}/aggregate", self._seed(number), inputs, work, holds=holds)

    def _held_out(self) -> Path:
        """The searches of validation theorems that heads are judged on."""
        return self._folder / str(self._ledger.done[0].result["folder"])

    def _objection(self, aggregate: Aggregate) -> str | None:
        """Why no head can be trained on them, if none can."""
        held_out = read_search_groups(self._held_out())
        try:
            split = hold_apart(aggregate.groups, held_out)
        except EnergyError as error:
            return str(error)
        for name, groups in (("training", split.training), ("validation", split.validation)):
            if not any(group.negatives for group in groups):
                return f"no decision point of the {name} theorems has a negative"
        return None

    async def _head(self, number: int, aggregate: StageRecord) -> Path:
        """Train a head from scratch."""
        config = self._config.head_training
        sources = EnergySources(negatives=(self._folder / aggregate.stage,), val_trajectories=(self._held_out(),))
        name = f"{_of(number)}/head"

        def output() -> str:
            load_checkpoint(self._folder / name)  # raises if the weights are not those of the header
            return str(EnergyConfig(path=self._folder / name, beta=0.0).digest)

        async def work(folder: Path) -> Found:
            report = await EnergyTrainingRun(config, sources, folder, observer=self._observer).run()
            accuracy = report.metrics["pairwise_sibling"].value
            result = {
                "sibling_accuracy": accuracy,
                "fitted_beta": report.fit.calibration.beta,
                "verdict": report.verdict.grade.value,
            }
            return output(), result

        inputs = {"aggregate": aggregate.output, "held_out": self._ledger.output("baseline/tuning")}
        await self._ledger.stage(
            name, config.trainer.seed, inputs, work, holds=lambda record: record.output == output()
        )
        return self._folder / name

    async def _policy(self, number: int, aggregate: StageRecord) -> RunConfig:
        """How to ask this round's policy."""
        run, name = self._config.run, f"{_of(number)}/policy"
        if self._policy_step is None or aggregate.result["policy_proofs"] < _FEWEST_PROOFS:
            return run
        learn = partial(self._policy_step.learn, self._folder / aggregate.stage, self._folder / name, run)
        learnt: list[RunConfig] = []

        async def work(_: Path) -> Found:
            try:
                learnt.append(await learn())
            except NothingToLearn as error:
                return digest_of(settings_that_matter(run)), {
                    "objection": " ".join([error.summary, "; ".join(error.problems)]).rstrip()
                }
            return digest_of(settings_that_matter(learnt[0])), {}

        record = await self._ledger.stage(name, self._seed(number), {"aggregate": aggregate.output}, work)
        if "objection" in record.result:
            return run
        if not learnt:  # it is done: the server may have to be told again
            learnt.append(await learn())
            self._ledger.require(record, lambda record: record.output == digest_of(settings_that_matter(learnt[0])))
        return learnt[0]

    # --- judging ---

    async def _tuned(self, where: str, seed: int, guide: _Guide, inputs: Mapping[str, str]) -> _Guide:
        """``guide`` with the exponent, and the weight if it has a head, with which validation searches prove most."""
        shelf = self._shelf(f"{where}/validation", guide.config(seed))

        def tuning_run() -> TuningRun:
            return TuningRun(
                guide.config(seed),
                self._theorems.validation,
                shelf,
                alphas=self._config.alphas,
                betas=self._config.betas,
                **self._how(),
            )

        async def work(_: Path) -> Found:
            tuning = await tuning_run().run()
            choices = [arm for arm in tuning.arms if (arm.beta is None) == (guide.head is None)]
            best = max(choices, key=lambda arm: arm.area)
            weights = {"alpha": best.alpha, "beta": best.beta}
            folder = _name_of(shelf / "arms" / best.name, self._folder)
            result = {**weights, "proved": best.proved, "area": best.area, "folder": folder}
            folders = [shelf / "arms" / arm.name for arm in tuning.arms]
            return _output(result, folders), {**result, "broken": _broken(folders)}

        def holds(record: StageRecord) -> bool:
            return record.output == _output(record.result, [shelf / "arms" / name for name in tuning_run().names])

        found = await self._ledger.stage(
            f"{where}/tuning", seed, inputs, work, shared=lambda _: tuning_run().search(), holds=holds
        )
        return attrs.evolve(guide, alpha=found.result["alpha"], beta=found.result["beta"])

    async def _gate(self, number: int, guides: Mapping[str, _Guide]) -> _Guide:
        """The last of ``guides`` whose validation searches are no worse than those that would guide without it."""
        budget, where = self._config.run.search.budget.max_expansions, f"{_of(number)}/validation"

        async def search(_: Path) -> dict[str, Path]:
            return await self._evaluate(where, guides, self._theorems.validation, number)

        async def work(folder: Path) -> Found:
            folders = await search(folder)
            curves = AnytimeCurve.on_shared_theorems(
                {name: AnytimeCurve.of(_records(folder)) for name, folder in folders.items()}
            )
            adopted, *others = curves
            for name in others:
                if passes(curves[name], curves[adopted], budget, self._config.gate_p):
                    adopted = name
            found = {
                "adopted": adopted,
                "is_adopted": adopted == _CHALLENGER,
                "proved": {name: curve.proved_within(budget) for name, curve in curves.items()},
                "areas": {name: judged_area(curve, budget) for name, curve in curves.items()},
            }
            return _output(found, folders.values()), {**found, "broken": _broken(folders.values())}

        def holds(record: StageRecord) -> bool:
            return record.output == _output(record.result, self._folders_of(where, guides, number).values())

        inputs = {name: guide.digest for name, guide in guides.items()}
        found = await self._ledger.stage(
            f"{_of(number)}/gate", self._seed(number), inputs, work, shared=search, holds=holds
        )
        return guides[found.result["adopted"]]

    async def _evaluation(self, number: int, base: _Guide, guide: _Guide) -> None:
        """Compare the arms, on test theorems if there are some."""
        on, theorems = "test", self._theorems.test
        if not theorems:
            on, theorems = "validation", self._theorems.validation
        control = SAMPLE_ONLY if number else FROZEN
        arms = {control: base, ENERGY: guide}
        if self._policy_step is not None:
            alone = attrs.evolve(guide, alpha=base.alpha, beta=None, head=None)
            arms = {control: base, POLICY: alone, POLICY_AND_ENERGY: guide}

        async def search(_: Path) -> dict[str, Path]:
            return await self._evaluate(f"{_of(number)}/{on}", arms, theorems, number)

        async def work(folder: Path) -> Found:
            folders = await search(folder)
            result = {
                "on": on,
                "of": len(theorems),
                "arms": {arm: self._solved(arm, folder) for arm, folder in folders.items()},
                "beside": self._beside(folders, control),
                "guide": {"alpha": guide.alpha, "beta": guide.beta, "head": _name_of(guide.head, self._folder)},
            }
            return _output(result, folders.values()), {**result, "broken": _broken(folders.values())}

        def holds(record: StageRecord) -> bool:
            return record.output == _output(
                record.result, self._folders_of(f"{_of(number)}/{on}", arms, number).values()
            )

        inputs = {"base": base.digest, "guide": guide.digest, "theorems": self._ledger.manifest.theorems[on]}
        await self._ledger.stage(
            f"{_of(number)}/evaluation", self._seed(number), inputs, work, shared=search, holds=holds
        )

    def _beside(self, folders: Mapping[str, Path], control: str) -> dict[str, dict[str, Any]]:
        """Each arm that learns, beside the one that does not and beside what everything began with."""
        others = {control: folders[control]}
        if (first := self._ledger.record(f"{_of(0)}/evaluation")) is not None:
            others[FROZEN] = self._folder / first.result["arms"][FROZEN]["folder"]
        return {
            arm: {other: _paired(compare_runs(path, folder)) for other, path in others.items()}
            for arm, folder in folders.items()
            if arm != control
        }

    def _solved(self, arm: str, folder: Path) -> dict[str, Any]:
        """What the arm proved now, and what in any round so far."""
        earlier = [record.result["arms"] for record in self._ledger.done if record.stage.endswith("/evaluation")]
        names = (SAMPLE_ONLY, FROZEN) if arm == SAMPLE_ONLY else (arm,)
        folders = [self._folder / arms[name]["folder"] for arms in earlier for name in names if name in arms]
        now, ever = _lengths([folder]), _lengths([*folders, folder])
        return {"proved": len(now), "proved_ever": len(ever), "folder": str(folder.relative_to(self._folder))}

    async def _evaluate(
        self, name: str, arms: Mapping[str, _Guide], theorems: Sequence[Theorem], number: int
    ) -> dict[str, Path]:
        """Search with every arm; those that ask the same policy share their answers."""
        configs = {arm: guide.config(self._seed(number)) for arm, guide in arms.items()}
        shelves = {arm: self._shelf(name, config) for arm, config in configs.items()}
        for shelf in dict.fromkeys(shelves.values()):
            together = {arm: config for arm, config in configs.items() if shelves[arm] == shelf}
            await EvaluationRun(together, theorems, shelf, headroom=1, **self._how()).run()
        return self._folders_of(name, arms, number)

    def _folders_of(self, name: str, arms: Mapping[str, _Guide], number: int) -> dict[str, Path]:
        """Where the search of each arm is."""
        seed = self._seed(number)
        return {arm: self._shelf(name, guide.config(seed)) / "arms" / arm for arm, guide in arms.items()}

    def _shelf(self, name: str, run: RunConfig) -> Path:
        """Where searches that ask the policy of ``run`` keep their answers."""
        settings = settings_that_matter(run)
        return self._folder / name / digest_of([settings["policy"], settings["parts"]["policy"], run.without])[:8]


def refuse_engine(engine: Engine, *, joins: bool) -> None:
    """Refuse an engine that does not see all of a round, or under which nobody can be joined.

    Raises:
        ConfigError: it is one of these.
    """
    if share_of(engine) is not None:
        raise ConfigError(
            "a round goes on from all of its searches, and a share is not all:",
            ["leave it out: workers claim one theorem after the other @ --shard"],
        )
    if joins and not isinstance(engine, ShardsEngine):
        raise ConfigError(
            "only workers that share a folder can be joined:",
            ["start the iteration and those that join it with --engine shards @ --join"],
        )


def passes(challenger: AnytimeCurve, incumbent: AnytimeCurve, max_expansions: int, gate_p: float) -> bool:
    """Whether a challenger may take the incumbent's place; both curves are of the same theorems.

    Unless its area is smaller, as :func:`~leanebm.pipeline.judged_area` counts it, and a sign test of what it proves
    sooner and what later gives p ≤ ``gate_p``.
    """
    if judged_area(challenger, max_expansions) >= judged_area(incumbent, max_expansions):
        return True
    if gate_p == 1.0:
        return False
    areas, others = (judged_areas(curve, max_expansions) for curve in (challenger, incumbent))
    sooner, later = (sum(sign * (areas[name] - others[name]) > 0 for name in areas) for sign in (1, -1))
    return exact_sign_test(sooner, later) > gate_p


def _paired(comparison: RunComparison) -> dict[str, Any]:
    row = comparison.budgets[-1]
    only = {"only_baseline": row.only_baseline, "only_experiment": row.only_experiment}
    points = {name: 100 * getattr(row.gain, name) for name in ("value", "low", "high")}
    return {**only, "p": row.p, "points": points, "area": comparison.area.value}


def _digest_of_theorems(theorems: Sequence[Theorem]) -> str:
    return digest_of([attrs.asdict(theorem) for theorem in theorems])


def _of(number: int) -> str:
    return f"rounds/{number}"


def _name_of(path: Path | None, folder: Path) -> str | None:
    return None if path is None else str(path.relative_to(folder))


def _digests(folder: Path, groups: Sequence[ContrastiveGroup]) -> dict[str, str]:
    """Of what an aggregate's folder holds, of which these are the groups."""
    return {"groups_sha256": digest_of_groups(groups), "proofs_sha256": digest_of_proofs(folder)}


def _groups_in(folder: Path) -> list[ContrastiveGroup]:
    """What counts in a stage's folder: of workers' files some may be merged, and late ones added."""
    shards = ContrastiveFolder(folder).groups
    return list(read_contrastive_set(shards).rows()) if shards.exists() else []


def _records(folder: Path) -> list[TheoremRecord]:
    return sorted(read_trajectory(folder).records, key=lambda record: record.theorem.name)


def _lengths(folders: Sequence[Path]) -> dict[str, int]:
    """How many tactics the shortest proof of each proved theorem has."""
    lengths: dict[str, int] = {}
    for record in (record for folder in folders for record in _records(folder)):
        if record.certificate is not None:
            length = len(record.certificate.tactics)
            lengths[record.theorem.name] = min(length, lengths.get(record.theorem.name, length))
    return lengths


def _broken(folders: Iterable[Path]) -> int:
    """How many searches broke, so that nothing is known of their theorems."""
    return sum(not record.is_final for folder in folders for record in _records(folder))


def _output(result: Mapping[str, Any], folders: Iterable[Path]) -> str:
    """Of a comparison: what came of it, and what was found in the folders of its arms."""
    lasting = {name: value for name, value in result.items() if name != "broken"}
    return digest_of([lasting, *map(_lasting, folders)])


def _lasting(folder: Path) -> list[object]:
    """What a run found, without what differs from one invocation to the next."""
    return [
        [
            record.theorem.name,
            record.outcome.value,
            record.expansions,
            record.certificate.tactics if record.certificate is not None else None,
        ]
        for record in _records(folder)
    ]
