from __future__ import annotations

import asyncio
import json
import tomllib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Evidence, TacticFate, Theorem
from leanebm.data import KnownProof, ReplayOutcome, read_contrastive_set
from leanebm.errors import ConfigError, PolicyUnavailable, TrajectoryError
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.pipeline import (
    ContrastiveConfig,
    ContrastiveFolder,
    ContrastiveReport,
    ContrastiveRun,
    Engine,
    LocalEngine,
    NegativesConfig,
    Observer,
    PipelineEvent,
    RunConfig,
    ShardsEngine,
    Share,
    StageFinished,
    StageProgressed,
    Workbench,
    WorkbenchOpener,
    merge,
    start_embedded_server,
    structure_settings,
)
from leanebm.pipeline.contrastive._replay import ReplayedProof, replay_proof
from leanebm.pipeline.engines._leases import MAX_CLAIMS
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search.scorers import LengthNormalisedLogProb
from leanebm.testing import LOST, QED, ScriptedPolicy, ToyWorld

ToyBench = Callable[..., Any]


def countdown(start: int) -> KnownProof:
    """The proof that counts down to 1 one by one."""
    return KnownProof(
        theorem=Theorem(name=f"n{start}", statement=str(start)),
        module=f"Numbers.{start}",
        tactics=(*["decrement"] * (start - 1), "done"),
        states=tuple(f"⊢ {n}" for n in range(start, 0, -1)),
    )


PROOFS = tuple(countdown(n) for n in (1, 2, 3, 4, 5, 6))


@pytest.fixture
def generation(config: RunConfig) -> ContrastiveConfig:
    return ContrastiveConfig(negatives=NegativesConfig(closers=("auto",), probe_expansions=2), run=config)


def outcomes(folder: Path) -> dict[str, str]:
    return {
        record.theorem.name: record.outcome for record in read_contrastive_set(ContrastiveFolder(folder).groups).records
    }


async def test_groups_settings_and_report_stand_side_by_side(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench, observer: Any
) -> None:
    report = await ContrastiveRun(generation, PROOFS, tmp_path, observer=observer, opening=toy_bench(world)).run()
    assert outcomes(tmp_path) == {f"n{n}": "verified" for n in range(2, 7)}
    groups = list(read_contrastive_set(tmp_path / "groups").rows())
    assert sorted((group.theorem, group.depth) for group in groups) == [
        (f"n{n}", depth) for n in range(2, 7) for depth in range(n - 1)
    ]
    assert (report.proofs, report.too_short, report.groups) == (5, 1, len(groups))
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(json.dumps(report.as_json()))
    started, *progressed, finished = observer.events
    assert (started.stage, finished.stage) == ("replaying", "replaying")
    assert [(type(event.item), event.done, event.total) for event in progressed] == [
        (ReplayedProof, done, 5) for done in range(1, 6)
    ]
    dead = sum(len(group.negatives) for group in groups)
    assert progressed[-1].counts.startswith(
        f"verified 5 · failed 0    {len(groups)} groups · {dead} negatives ({dead} dead) · "
    )


async def test_negated_numbers_are_dead_and_what_can_be_halved_again_is_no_negative(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    report = await ContrastiveRun(generation, PROOFS, tmp_path, opening=toy_bench(world)).run()
    negatives = [each for group in read_contrastive_set(tmp_path / "groups").rows() for each in group.negatives]
    assert {(each.tactic, each.evidence) for each in negatives} == {("negate", Evidence.DEAD)}
    assert report.fates[TacticFate.PROVABLE] > 0


async def test_the_settings_can_be_read_back(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    await ContrastiveRun(generation, PROOFS[:2], tmp_path, opening=toy_bench(world)).run()
    table = tomllib.loads((tmp_path / "config.toml").read_text())
    assert structure_settings(table, ContrastiveConfig, source="config.toml") == generation


async def test_theorems_of_the_library_are_replayed_where_they_are_known(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    library = attrs.evolve(PROOFS[1], theorem=Theorem(name="Nat.add_comm", copy_from="Nat.add_comm"))
    await ContrastiveRun(generation, [library, PROOFS[2]], tmp_path, opening=toy_bench(world)).run()
    [run] = read_contrastive_set(tmp_path / "groups").runs
    assert run.config["run"]["lean"]["imports"] == ["Init", "Std"]
    assert outcomes(tmp_path) == {"Nat.add_comm": "refused", "n3": "verified"}


# --- stopping and going on ----------------------------------------------------------------------
async def test_a_lost_theorem_is_replayed_again_on_resume(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench, observer: Any
) -> None:
    deadly = ToyWorld(moves={**world.moves, "5": {"decrement": LOST}})
    report = await ContrastiveRun(generation, PROOFS, tmp_path, opening=toy_bench(deadly)).run()
    lost = {name for name, outcome in outcomes(tmp_path).items() if outcome == "infrastructure"}
    assert (lost, report.outcomes[ReplayOutcome.VERIFIED]) == ({"n5", "n6"}, 3)
    assert report.failures["n5"].startswith("infrastructure: WorkerDied")
    resumed = ContrastiveRun(generation, PROOFS, tmp_path, resume=True, observer=observer, opening=toy_bench(world))
    report = await resumed.run()
    assert set(outcomes(tmp_path).values()) == {"verified"}
    assert report.groups == sum(range(1, 6))
    assert observer.events[0].detail == f"2 known proofs (3 done before, 1 too short) into {tmp_path}"


async def test_too_many_losses_in_a_row_end_the_run(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    policy = ScriptedPolicy(script={str(n): PolicyUnavailable("gone") for n in range(33)})
    fragile = attrs.evolve(generation, run=attrs.evolve(generation.run, max_failures_in_a_row=2, concurrency=1))
    with pytest.raises(PolicyUnavailable):
        await ContrastiveRun(fragile, PROOFS, tmp_path, opening=toy_bench(world, policy=policy)).run()
    assert list(outcomes(tmp_path).values()) == ["infrastructure"] * 2


async def test_cancelling_keeps_what_was_reported_and_resuming_finishes(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench, observer: Any
) -> None:
    task = asyncio.create_task(
        ContrastiveRun(generation, PROOFS, tmp_path, observer=observer, opening=toy_bench(world)).run()
    )

    def stop_at_the_first(event: PipelineEvent) -> None:
        if isinstance(event, StageProgressed):
            task.cancel()

    observer.react = stop_at_the_first
    with pytest.raises(asyncio.CancelledError):
        await task
    items = [event.item for event in observer.events if isinstance(event, StageProgressed)]
    told = {item.record.theorem.name for item in items if isinstance(item, ReplayedProof)}
    assert told <= outcomes(tmp_path).keys()
    report = await ContrastiveRun(generation, PROOFS, tmp_path, resume=True, opening=toy_bench(world)).run()
    assert report.outcomes[ReplayOutcome.VERIFIED] == 5


async def test_half_written_files_of_a_killed_run_are_removed(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    (tmp_path / ".report.json-x1.part").touch()
    await ContrastiveRun(generation, PROOFS[:2], tmp_path, opening=toy_bench(world)).run()
    assert {path.name for path in tmp_path.iterdir()} == {"config.toml", "groups", "report.json"}


async def test_an_earlier_runs_folder_is_not_touched_without_resume_nor_with_other_settings(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    await ContrastiveRun(generation, PROOFS[:2], tmp_path, opening=toy_bench(world)).run()
    with pytest.raises(ConfigError, match="--resume"):
        await ContrastiveRun(generation, PROOFS, tmp_path, opening=toy_bench(world)).run()
    other = attrs.evolve(generation, negatives=attrs.evolve(generation.negatives, target_negatives=3))
    with pytest.raises(ConfigError, match=r"\$\.config\.negatives\.target_negatives: 3, not 8"):
        await ContrastiveRun(other, PROOFS, tmp_path, resume=True, opening=toy_bench(world)).run()


async def test_groups_of_two_models_are_not_pooled(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    def serving(weights: str) -> WorkbenchOpener:
        @asynccontextmanager
        async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
            async with toy_bench(world)(config, observer) as bench:
                yield attrs.evolve(bench, served={"policy": {"model": "prover", "weights": weights}})

        return opening

    await ContrastiveRun(generation, PROOFS[:2], tmp_path, opening=serving("round-1")).run()
    with pytest.raises(ConfigError, match=r"\$\.config\.served\.policy\.weights: 'round-2', not 'round-1'"):
        await ContrastiveRun(generation, PROOFS, tmp_path, resume=True, opening=serving("round-2")).run()
    await ContrastiveRun(generation, PROOFS, tmp_path, resume_anyway=True, opening=serving("round-2")).run()


async def test_what_cannot_be_read_is_refused_before_anything_starts_also_if_it_is_to_go_on_anyway(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    def opening(config: RunConfig, observer: Observer) -> AbstractAsyncContextManager[Workbench]:
        raise AssertionError(f"{config} was started, and {observer} told")

    await ContrastiveRun(generation, PROOFS[:2], tmp_path, opening=toy_bench(world)).run()
    (tmp_path / "groups" / "part-000000.parquet").write_bytes(b"damaged")
    with pytest.raises(TrajectoryError, match="cannot be read"):
        await ContrastiveRun(generation, PROOFS, tmp_path, resume_anyway=True, opening=opening).run()


async def test_proofs_that_are_all_too_short_are_bad_input(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    with pytest.raises(ConfigError, match="none of the 1 proofs has 2 steps"):
        await ContrastiveRun(generation, PROOFS[:1], tmp_path, opening=toy_bench(world)).run()
    assert list(tmp_path.iterdir()) == []


# --- auditing -----------------------------------------------------------------------------------
TRAP: dict[str, dict[str, str]] = {
    "a": {"go": "b", "long way": "s0", "cliff": "x"},
    "b": {"end": QED},
    **{f"s{i}": {"on": f"s{i + 1}"} for i in range(4)},
    "s4": {"end": QED},
    "x": {},
}

TRAPPED = KnownProof(theorem=Theorem(name="t", statement="a"), tactics=("go", "end"), states=("⊢ a", "⊢ b"))


async def audited(
    folder: Path, generation: ContrastiveConfig, toy_bench: ToyBench, world: ToyWorld, *, observer: Observer
) -> Sequence[tuple[str, str]]:
    shallow = attrs.evolve(generation, negatives=attrs.evolve(generation.negatives, probe_expansions=1))
    run = ContrastiveRun(shallow, [TRAPPED], folder, audit=9, observer=observer, opening=toy_bench(world))
    report = await run.run()
    assert report.audit is not None
    assert json.loads((folder / "report.json").read_text())["audit"]["rate"] == report.audit.rate
    return sorted((each.path[-1], each.outcome) for each in report.audit.audited)


async def test_an_audit_proves_what_the_probe_did_not_and_certifies_the_whole(
    tmp_path: Path, generation: ContrastiveConfig, toy_bench: ToyBench, observer: Any
) -> None:
    found = await audited(tmp_path / "a", generation, toy_bench, ToyWorld(moves=TRAP), observer=observer)
    assert found == [("cliff", "exhausted"), ("long way", "proved")]
    last = [event for event in observer.events if isinstance(event, StageProgressed)][-1]
    assert (last.stage, last.done, last.total, last.counts) == ("auditing negatives", 2, 2, "1 of them provable")
    assert any(isinstance(event, StageFinished) for event in observer.events)
    cheat = ToyWorld(moves=TRAP, cheats=frozenset({("a", "long way")}))
    found = await audited(tmp_path / "b", generation, toy_bench, cheat, observer=observer)
    assert found == [("cliff", "exhausted"), ("long way", "rejected")]


async def test_an_audit_stays_in_the_report_until_there_is_another(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench, observer: Any
) -> None:
    first = await ContrastiveRun(generation, PROOFS[:3], tmp_path, audit=2, opening=toy_bench(world)).run()
    assert first.audit is not None
    assert (len(first.audit.audited), first.audit.groups) == (2, 3)

    def go_on(audit: int) -> ContrastiveRun:
        return ContrastiveRun(
            generation, PROOFS, tmp_path, audit=audit, resume=True, observer=observer, opening=toy_bench(world)
        )

    resumed = await go_on(audit=0).run()
    assert (resumed.audit, resumed.groups) == (first.audit, 15)
    assert ContrastiveFolder(tmp_path).read_audit() == first.audit

    task = asyncio.create_task(go_on(audit=3).run())
    observer.react = lambda event: task.cancel() if isinstance(event, StageProgressed) else None
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ContrastiveFolder(tmp_path).read_audit() == first.audit

    observer.react = lambda _: None
    again = await go_on(audit=3).run()
    assert again.audit is not None
    assert (len(again.audit.audited), again.audit.groups) == (3, 15)


async def test_an_audit_has_five_times_the_budget(
    tmp_path: Path, generation: ContrastiveConfig, toy_bench: ToyBench, observer: Any
) -> None:
    for max_expansions, outcome in ((1, "proved"), (0, "budget_spent")):
        search = attrs.evolve(
            generation.run.search,
            budget=attrs.evolve(generation.run.search.budget, max_expansions=max(max_expansions, 1)),
        )
        steep = ToyWorld(moves=TRAP if max_expansions else {**TRAP, "s4": {"on": "s5"}, "s5": {"end": QED}})
        small = attrs.evolve(generation, run=attrs.evolve(generation.run, search=search))
        found = await audited(tmp_path / outcome, small, toy_bench, steep, observer=observer)
        assert ("long way", outcome) in found


# --- with Lean ----------------------------------------------------------------------------------
OR_SWAP = KnownProof(
    theorem=Theorem(name="or_swap", statement="∀ p q : Prop, p ∨ q → q ∨ p"),
    tactics=("intro p q h", "cases h with | inl h => ?_ | inr h => ?_", "exact Or.inr h", "exact Or.inl h"),
    states=("…",) * 4,
)


@pytest.mark.lean
async def test_a_known_proof_is_replayed_in_lean(lean_pool: LeanPool) -> None:
    """Once the cases are split, the wrong disjunct is a negative; what ``grind`` proves is none."""
    negatives = NegativesConfig(candidates_per_step=32, closers=("grind",), probe_expansions=1, probe_candidates=4)
    async with (
        start_embedded_server() as url,
        PolicyClient(PolicyClientConfig(url=url)) as policy,
        Certifier(LeanPoolConfig.embedded(num_workers=1)) as certifier,
    ):
        bench = Workbench(
            policy=policy,
            scorer=LengthNormalisedLogProb(),
            environment=ReplayingEnvironment(lean_pool),
            certifier=certifier,
            lean_version="4",
        )
        found = await replay_proof(OR_SWAP, bench, negatives, run_id="r")
        wrong = attrs.evolve(OR_SWAP, tactics=("intro p q h", "assumption", *OR_SWAP.tactics[2:]))
        broken = await replay_proof(wrong, bench, negatives, run_id="r")
    assert found.record.outcome == "verified", found.record.message
    assert [group.remaining_depth for group in found.groups] == [3, 2, 1]
    on_path = {group.positive_key for group in found.groups} | {found.groups[0].parent_key}
    keys = {negative.key for group in found.groups for negative in group.negatives}
    assert on_path.isdisjoint(keys)
    assert any("h : p\n⊢ q" in negative.text for negative in found.groups[2].negatives), "left, where only right holds"
    assert found.record.fates[TacticFate.CLOSED] > 0
    assert (broken.record.outcome, broken.record.failed_step) == ("tactic_rejected", 1)


def counts_of(report: ContrastiveReport) -> dict[str, Any]:
    return {name: value for name, value in report.as_json().items() if not name.endswith("_s")}


async def test_workers_share_the_proofs_and_their_groups_are_merged(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    async def replay(folder: Path, engine: Engine, **more: Any) -> ContrastiveReport:
        run = ContrastiveRun(generation, PROOFS, folder, engine=engine, opening=toy_bench(world), **more)
        return await run.run()

    alone = await replay(tmp_path / "alone", LocalEngine())
    shared = tmp_path / "shared"
    for engine in (ShardsEngine(share=Share(2, 2)), ShardsEngine(), ShardsEngine()):
        report = await replay(shared, engine)
    assert counts_of(report) == counts_of(alone)
    before = sorted(group.parent_key for group in read_contrastive_set(shared / "groups").rows())
    merge([shared])
    assert not list((shared / "groups").glob("*/"))
    assert sorted(group.parent_key for group in read_contrastive_set(shared / "groups").rows()) == before
    with pytest.raises(ConfigError, match="an audit samples all groups"):
        await replay(shared, ShardsEngine(), audit=1)


async def test_a_proof_that_is_given_up_is_lost_and_teaches_nothing(
    tmp_path: Path, generation: ContrastiveConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    name = PROOFS[3].theorem.name
    (tmp_path / "leases").mkdir()
    for number in range(MAX_CLAIMS):
        (tmp_path / "leases" / f"{name}.{number}").write_text(f"dead-{number}")
    run = ContrastiveRun(generation, PROOFS, tmp_path, engine=ShardsEngine(), opening=toy_bench(world))
    report = await run.run()
    assert report.outcomes[ReplayOutcome.INFRASTRUCTURE] == 1
    assert report.failures[name] == "infrastructure: WorkerLost: given up: 5 workers claimed it, and died or lost it"
    assert name not in {group.theorem for group in read_contrastive_set(tmp_path / "groups").rows()}
    assert report.proofs + report.too_short == len(PROOFS)
