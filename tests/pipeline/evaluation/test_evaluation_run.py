from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import toy_workers as toy
from fake_worker import fake_worker_argv
from late_engine import LateEngine
from toy_workers import THEOREMS, toy_evaluation

from leanebm.core import Candidate, EncoderIdentity, Leaf, ProofState, StateScorer, Theorem
from leanebm.energy import load_header
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import (
    SHIPPED_HEAD,
    Arena,
    EnergyConfig,
    Evaluation,
    EvaluationRun,
    LocalEngine,
    Observer,
    Part,
    Parts,
    PipelineEvent,
    RunConfig,
    SearchRun,
    ShardsEngine,
    Share,
    StageStarted,
    Workbench,
    WorkbenchOpener,
    compare_runs,
    open_workbench,
    summarise_run,
)
from leanebm.pipeline.evaluation.evaluation_run import _Remembering
from leanebm.pipeline.workbench import sharing_lean
from leanebm.search import (
    BestFirstSearch,
    BreadthFirst,
    CumulativeLogProb,
    LengthNormalisedLogProb,
    NegativeEnergy,
    SearchBudget,
    SearchConfig,
)
from leanebm.testing import LOST, ScriptedPolicy, ToyWorld
from leanebm.trajectory import AnytimeCurve, Cost, attempt_folder, read_trajectory

Numbers = Callable[..., tuple[Theorem, ...]]


@pytest.fixture
def arms(config: RunConfig) -> dict[str, RunConfig]:
    small = attrs.evolve(config, search=SearchConfig(budget=SearchBudget(max_expansions=16)))
    scorers: dict[str, StateScorer] = {
        "plain": LengthNormalisedLogProb(),
        "sum": CumulativeLogProb(),
        "broad": BreadthFirst(),
    }
    return {name: attrs.evolve(small, scorer=scorer) for name, scorer in scorers.items()}


async def test_each_arm_is_the_run_that_it_would_be_alone(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems = numbers(*range(1, 25))
    found = await EvaluationRun(arms, theorems, tmp_path / "all", opening=toy_bench(world)).run()
    assert list(found.summaries) == ["plain", "sum", "broad"]
    for name, config in arms.items():
        alone = await SearchRun(config, theorems, tmp_path / name, opening=toy_bench(world)).run()
        together = summarise_run(tmp_path / "all" / "arms" / name)
        assert AnytimeCurve.of(together.records) == AnytimeCurve.of(alone.records)
        assert together.totals.tactic_calls == alone.totals.tactic_calls
    assert [comparison.experiment.name for comparison in found.comparisons] == ["sum", "broad"]
    assert found.tactics_remembered > found.tactics_asked > 0


async def test_a_head_that_fits_no_scorer_is_found_before_anything_is_started(
    tmp_path: Path, arms: dict[str, RunConfig], numbers: Numbers, never: WorkbenchOpener
) -> None:
    head = EnergyConfig(path=SHIPPED_HEAD)
    fitted = attrs.evolve(arms["plain"], energy=head, scorer=LengthNormalisedLogProb(alpha=0.25))
    with pytest.raises(ConfigError, match="tuned beside another exponent"):
        await EvaluationRun({**arms, "fitted": fitted}, numbers(1, 2), tmp_path / "out", opening=never).run()
    assert not (tmp_path / "out").exists()


class Roomy(BestFirstSearch):
    def __init__(self, *, room: int = 1, **parts: Any) -> None:
        super().__init__(**parts)
        if not room:
            raise RuntimeError("no room")
        self.room = room


@attrs.frozen
class Unready:
    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]

    def check_ready(self) -> None:
        raise ValueError("there is no table")


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"parts": Parts(search=Part(Roomy, {"room": 0}))}, r"^arm mine: Roomy could not be made.*no room"),
        ({"scorer": Unready()}, r"^arm mine: a part is not ready(.|\n)*Unready: there is no table @ \$\.scorer"),
    ],
)
async def test_a_part_of_the_last_arm_that_cannot_work_is_found_before_the_first_is_searched(
    tmp_path: Path,
    arms: dict[str, RunConfig],
    numbers: Numbers,
    never: WorkbenchOpener,
    last: dict[str, Any],
    said: str,
) -> None:
    arms["mine"] = attrs.evolve(arms["plain"], **last)
    with pytest.raises(ConfigError, match=said):
        await EvaluationRun(arms, numbers(1, 2), tmp_path / "out", opening=never).run()
    assert not (tmp_path / "out").exists()


class Guess:
    """An energy model, and an encoder of three numbers; both end in words where they are asked to."""

    def __init__(self, *, made: bool = True, starts: bool = True) -> None:
        if not made:
            raise RuntimeError("no room")
        self.starts = starts

    async def __aenter__(self) -> Guess:
        if not self.starts:
            raise RuntimeError("no model")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [0.0 for _ in states]

    async def identity(self) -> EncoderIdentity:
        return attrs.evolve(load_header(SHIPPED_HEAD).encoder, dim=3)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [1.0, 2.0, 3.0]) for _ in texts]


class Narrow(Guess):
    """Says that it is the head's encoder, and is not."""

    async def identity(self) -> EncoderIdentity:
        return load_header(SHIPPED_HEAD).encoder


class Steps:
    """A policy that needs no server."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise AssertionError(f"{n} for {state}")


WRONG_LATER = [
    (Parts(policy=Steps(), energy_model=Part(Guess, {"made": False})), r"^arm late: Guess could not be made.*no room"),
    (Parts(policy=Steps(), encoder=Part(Guess, {"made": False})), r"^arm late: Guess could not be made.*no room"),
    (Parts(policy=Steps(), energy_model=Part(Guess, {"starts": False})), "^arm late: the energy model.*no model"),
    (Parts(policy=Steps(), encoder=Part(Guess)), r"(?s)^arm late: .*dim.* 3"),
    (Parts(policy=Steps(), encoder=Part(Narrow)), r"(?s)^arm late: .*3"),
]


@pytest.mark.parametrize(("parts", "said"), WRONG_LATER)
async def test_what_is_wrong_with_the_parts_of_a_later_arm_costs_no_search_and_no_start_of_lean(
    tmp_path: Path, numbers: Numbers, observer: Any, parts: Parts, said: str
) -> None:
    lean = LeanPoolConfig(backend=CommandBackend(argv=("no-such-lean",)), num_workers=1)
    plain = RunConfig(lean=lean, parts=Parts(policy=Steps()))
    energy = EnergyConfig() if parts.encoder is None else EnergyConfig(path=SHIPPED_HEAD, beta=0.0)
    late = attrs.evolve(plain, parts=parts, energy=energy)
    arms = {"plain": plain, "again": plain, "late": late}
    with pytest.raises(LeanEbmError, match=said):
        await EvaluationRun(arms, numbers(1, 2), tmp_path / "out", observer=observer).run()
    assert not (tmp_path / "out").exists()
    tried = [event.detail for event in observer.events if getattr(event, "stage", None) == "trying the parts"]
    assert tried == ["of arm late"]
    assert not any("Lean" in event.stage for event in observer.events)


def test_what_only_a_start_would_show_is_no_matter_of_a_check(tmp_path: Path, numbers: Numbers) -> None:
    for fields in ({"made": False}, {"starts": False}):
        parts = Parts(policy=Steps(), energy_model=Part(Guess, fields))
        arms = {"plain": RunConfig(parts=Parts(policy=Steps())), "late": RunConfig(parts=parts)}
        run = EvaluationRun(arms, numbers(1), tmp_path / "out")
        with nullcontext() if "starts" in fields else pytest.raises(ConfigError, match="arm late: Guess could not be"):
            run.check()
        assert not (tmp_path / "out").exists()


class Loaded:
    """The shipped head's encoder, which takes long to load, or so one may think."""

    told: ClassVar[list[str]] = []

    def __init__(self, name: str = "a") -> None:
        self.name = name

    async def __aenter__(self) -> Loaded:
        self.told.append(f"{self.name} loaded")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.told.append(f"{self.name} left")

    async def identity(self) -> EncoderIdentity:
        return load_header(SHIPPED_HEAD).encoder

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [1.0] * (load_header(SHIPPED_HEAD).encoder.dim or 0)) for _ in texts]


class Asking(Loaded):
    """Asks the run's server, which is another one in each arm."""

    def __init__(self, encoder: object, name: str = "asking") -> None:
        super().__init__(name)
        assert encoder is not None


A, B = (["a loaded", "a left"], ["b loaded", "b left"])


@pytest.mark.parametrize(
    ("encoders", "told"),
    [
        ([Loaded(), Loaded()], 2 * A),  # two objects: who knows whether they are alike
        ([Part(Loaded), Part(Loaded)], A),
        ([Part(Loaded), Part(Loaded, {"name": "b"})], [*A, *B, *A, *B]),
        ([Part(Asking), Part(Asking)], 3 * ["asking loaded", "asking left"]),
    ],
)
async def test_an_encoder_that_asks_no_server_is_loaded_once_for_the_arms_that_have_it(
    tmp_path: Path, numbers: Numbers, monkeypatch: pytest.MonkeyPatch, encoders: list[Any], told: list[str]
) -> None:
    monkeypatch.setattr(Loaded, "told", [])
    lean = LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()), num_workers=1)
    arms = {"plain": RunConfig(lean=lean)}
    for beta, encoder in enumerate(encoders):
        energy = EnergyConfig(path=SHIPPED_HEAD, beta=float(beta))
        arms[f"beta{beta}"] = RunConfig(lean=lean, energy=energy, parts=Parts(encoder=encoder))
    found = await EvaluationRun(arms, numbers(1), tmp_path / "out", headroom=1).run()
    assert [summary.totals.attempted for summary in found.summaries.values()] == [1, 1, 1]
    assert Loaded.told == told


async def test_parts_are_made_and_not_started_where_other_machines_search(tmp_path: Path, numbers: Numbers) -> None:
    class Elsewhere:
        shares_folder = True

        async def run(self, job: Any, observer: Any) -> Sequence[Any]:  # noqa: ARG002 - as an engine has it
            raise LeanEbmError("asked to search")

    plain = RunConfig(parts=Parts(policy=Steps()))
    for fields, said in (({"made": False}, "arm late: Guess could not"), ({"starts": False}, "asked to search")):
        late = attrs.evolve(plain, parts=Parts(policy=Steps(), energy_model=Part(Guess, fields)))
        run = EvaluationRun({"plain": plain, "late": late}, numbers(1), tmp_path / "out", engine=Elsewhere())
        with pytest.raises(LeanEbmError, match=said):
            await run.run()


@pytest.mark.parametrize(
    ("held", "options", "said"),
    [
        ("", {"cost": Cost.SECONDS}, "seconds mean nothing @ --by"),
        ("", {"budgets": (0.0,)}, r"got \[0.0\] @ --budgets"),
        ("trajectory/part-000000.parquet", {}, "holds results of leanebm search"),
        ("baseline/validation", {"resume": True}, "holds results of leanebm iterate"),
    ],
)
async def test_what_would_fail_at_the_end_is_refused_before_anything_is_started(
    tmp_path: Path,
    arms: dict[str, RunConfig],
    numbers: Numbers,
    never: WorkbenchOpener,
    held: str,
    options: dict[str, Any],
    said: str,
) -> None:
    (tmp_path / "out" / held).mkdir(parents=True)
    with pytest.raises(ConfigError, match=said):
        await EvaluationRun(arms, numbers(1, 2), tmp_path / "out", opening=never, **options).run()


async def test_an_arm_whose_energies_nothing_gives_is_refused_before_anything_is_started(
    tmp_path: Path, arms: dict[str, RunConfig], numbers: Numbers, never: WorkbenchOpener
) -> None:
    arms["energy"] = attrs.evolve(arms["plain"], scorer=NegativeEnergy())
    with pytest.raises(ConfigError, match="reads energies"):
        await EvaluationRun(arms, numbers(1, 2), tmp_path / "out", opening=never).run()


async def test_a_further_arm_asks_only_what_is_new(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems, policy = numbers(*range(1, 25)), ScriptedPolicy.over(world)
    opening = toy_bench(world, policy=policy)
    first = {"plain": arms["plain"]}
    await EvaluationRun(first, theorems, tmp_path, opening=opening, headroom=1).run()
    asked = len(policy.asked)
    again = {**first, "same": arms["plain"]}
    found = await EvaluationRun(again, theorems, tmp_path, opening=opening, headroom=1, resume=True).run()
    assert len(policy.asked) == asked
    assert found.tactics_asked == 0
    assert found.comparisons[0].only_baseline == found.comparisons[0].only_experiment == ()


@pytest.mark.parametrize("budget", [SearchBudget(max_expansions=3), SearchBudget(max_tactic_calls=9)])
async def test_headroom_is_measured_before_any_arm(
    tmp_path: Path,
    arms: dict[str, RunConfig],
    world: ToyWorld,
    numbers: Numbers,
    toy_bench: Callable[..., Any],
    observer: Any,
    budget: SearchBudget,
) -> None:
    """Whatever limit it is that ends the searches, there is more of it."""
    tight = {name: attrs.evolve(arm, search=SearchConfig(budget=budget)) for name, arm in arms.items()}
    theorems = numbers(*range(1, 25))
    run = EvaluationRun(tight, theorems, tmp_path, opening=toy_bench(world), observer=observer, headroom=8)
    headroom = (await run.run()).headroom
    assert headroom is not None
    assert headroom.theorems == 24
    assert headroom.proved == summarise_run(tmp_path / "arms" / "plain").totals.proved
    assert headroom.proved_with_more == summarise_run(tmp_path / "headroom").totals.proved > headroom.proved
    assert headroom.points == pytest.approx(100 * (headroom.proved_with_more - headroom.proved) / 24)
    details = [event.detail for event in observer.events if isinstance(event, StageStarted)]
    told = [number for number, detail in enumerate(details) if "times the budget" in detail]
    searches = [number for number, detail in enumerate(details) if "theorems into" in detail]
    assert len(searches) == 4
    assert searches[0] < told[0] < searches[1]


@pytest.mark.parametrize(("gained", "is_little"), [(9, True), (10, False), (0, True)])
def test_little_headroom_is_said(gained: int, is_little: bool) -> None:
    from leanebm.pipeline import Headroom

    sentence = Headroom(factor=4, theorems=100, proved=50, proved_with_more=50 + gained).sentence
    assert ("little headroom" in sentence) is is_little


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"seed": 7}, r"\$\.seed"),
        ({"search": SearchConfig(budget=SearchBudget(max_expansions=5))}, "max_expansions"),
        ({"search": SearchConfig(candidates_per_state=5)}, "candidates_per_state"),
        ({"without": ("simp",)}, "without"),
    ],
)
async def test_arms_that_differ_in_more_than_the_order_are_refused_before_any_work(
    tmp_path: Path,
    arms: dict[str, RunConfig],
    numbers: Numbers,
    never: WorkbenchOpener,
    change: dict[str, Any],
    path: str,
) -> None:
    arms["odd"] = attrs.evolve(arms["plain"], **change)
    with pytest.raises(ConfigError, match=path):
        await EvaluationRun(arms, numbers(1), tmp_path / "out", opening=never).run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", "a/b", "../x", ".hidden", "a b"])
async def test_a_name_that_is_no_folder_is_refused(
    tmp_path: Path, arms: dict[str, RunConfig], numbers: Numbers, never: WorkbenchOpener, name: str
) -> None:
    with pytest.raises(ConfigError, match="no name for an arm"):
        await EvaluationRun({name: arms["plain"]}, numbers(1), tmp_path, opening=never).run()


async def test_arms_whose_folders_some_file_systems_take_for_one_are_refused(
    tmp_path: Path, arms: dict[str, RunConfig], numbers: Numbers, never: WorkbenchOpener
) -> None:
    alike = dict.fromkeys(("plain", "Plain", "other", "PLAIN"), arms["plain"])
    with pytest.raises(ConfigError, match=r"plain and PLAIN differ in capitals alone[\s\S]*Plain and PLAIN differ"):
        await EvaluationRun(alike, numbers(1), tmp_path / "out", opening=never).run()
    assert not (tmp_path / "out").exists()


async def test_without_an_arm_there_is_nothing_to_do(tmp_path: Path, numbers: Numbers, never: WorkbenchOpener) -> None:
    with pytest.raises(ConfigError, match="no arm"):
        await EvaluationRun({}, numbers(1), tmp_path, opening=never).run()


async def test_it_may_be_stopped_anywhere_and_goes_on(
    tmp_path: Path,
    arms: dict[str, RunConfig],
    world: ToyWorld,
    numbers: Numbers,
    toy_bench: Callable[..., Any],
    observer: Any,
) -> None:
    theorems = numbers(*range(1, 15))
    whole = await EvaluationRun(arms, theorems, tmp_path / "whole", opening=toy_bench(world)).run()
    bench = toy_bench(world)

    async def cut_after(events: int) -> bool:
        """Whether the run came to its end before so many events."""
        seen = 0

        def stop(_: PipelineEvent) -> None:
            nonlocal seen
            seen += 1
            if seen == events:
                task.cancel()

        observer.react = stop
        run = EvaluationRun(arms, theorems, tmp_path / "cut", opening=bench, observer=observer, resume=True)
        task = asyncio.ensure_future(run.run())
        await asyncio.wait([task])
        return not task.cancelled()

    ends = [await cut_after(events) for events in (2, 5, 9, 14, 20, 40)]
    assert ends.count(False) > 3
    found = await EvaluationRun(arms, theorems, tmp_path / "cut", opening=bench, resume=True).run()
    for name in arms:
        ours, theirs = found.summaries[name], whole.summaries[name]
        assert AnytimeCurve.of(ours.records) == AnytimeCurve.of(theirs.records)


async def test_an_earlier_evaluation_is_not_mixed_in_unasked(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await EvaluationRun(arms, numbers(1, 2), tmp_path, opening=toy_bench(world)).run()
    with pytest.raises(ConfigError, match="resume"):
        await EvaluationRun(arms, numbers(1, 2), tmp_path, opening=toy_bench(world)).run()


async def test_any_arm_with_other_settings_is_refused_before_anything_starts(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await EvaluationRun(arms, numbers(1, 2), tmp_path, opening=toy_bench(world)).run()
    opened = []

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Any) -> Any:
        opened.append(config)
        async with toy_bench(world)(config, observer) as bench:
            yield bench

    *same, last = arms
    others = {**{name: arms[name] for name in same}, last: arms[same[0]]}
    with pytest.raises(ConfigError, match="scorer") as refused:
        await EvaluationRun(others, numbers(1, 2), tmp_path, opening=opening, resume=True).run()
    assert "`search` and `generate-negatives` go on all the same with --resume-anyway" in str(refused.value), "not eval"
    assert opened == []


async def test_seconds_of_arms_are_not_compared(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await EvaluationRun(arms, numbers(1, 2), tmp_path, opening=toy_bench(world)).run()
    with pytest.raises(ConfigError, match="seconds"):
        compare_runs(tmp_path / "arms" / "plain", tmp_path / "arms" / "broad", cost=Cost.SECONDS)


# --- workers that share the folder ---------------------------------------------------------------


def curves(folder: Path) -> dict[str, AnytimeCurve]:
    """How each search of the evaluation ended, at what cost."""
    names = ("headroom", *(f"arms/{name}" for name in toy.ARMS))
    return {name: AnytimeCurve.of(summarise_run(folder / name).records) for name in names}


@pytest.fixture(scope="session")
async def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Evaluation]:
    """What one process finds, and where; tests leave it as it is."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, await toy_evaluation(folder, LocalEngine()).run()


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, toy.__file__, str(folder), "eval"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def test_workers_that_are_killed_in_an_arm_find_what_one_process_finds(
    tmp_path: Path, undisturbed: tuple[Path, Evaluation]
) -> None:
    with ExitStack() as stack:
        for searches in (1, 3):  # while headroom is measured, and in the second arm
            victim, worker = stack.enter_context(start(tmp_path)), stack.enter_context(start(tmp_path))
            assert victim.stdout is not None
            assert [victim.stdout.readline() for _ in range(searches)] == ["searching\n"] * searches
            os.killpg(victim.pid, signal.SIGKILL)
            worker.communicate()
            assert worker.returncode == 0
    assert curves(tmp_path) == curves(undisturbed[0])
    assert all(len(curve.spent) == len(THEOREMS) for curve in curves(tmp_path).values())


async def test_workers_ask_lean_and_the_policy_no_more_than_one_process_does(
    tmp_path: Path, undisturbed: tuple[Path, Evaluation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanebm.pipeline.engines.shards_engine.BEATS_TO_EXPIRE", 1000)  # none is taken for dead
    found = await asyncio.gather(*(toy_evaluation(tmp_path, ShardsEngine(expires_s=300.0)).run() for _ in range(3)))
    alone = undisturbed[1]
    assert curves(tmp_path) == curves(undisturbed[0])
    assert sum(one.tactics_asked for one in found) == alone.tactics_asked
    assert sum(one.tactics_remembered for one in found) == alone.tactics_remembered > 0
    for one in found:  # who is early waits for the others
        assert one.headroom == alone.headroom
        assert [row.experiment for row in one.comparisons[0].budgets] == [
            row.experiment for row in alone.comparisons[0].budgets
        ]


async def test_shares_compare_nothing_until_one_process_sees_all(
    tmp_path: Path, undisturbed: tuple[Path, Evaluation]
) -> None:
    for number in (1, 2):
        share = await toy_evaluation(tmp_path, ShardsEngine(share=Share(number, 2))).run()
        assert (share.comparisons, share.headroom) == ((), None)
    whole = await toy_evaluation(tmp_path, LocalEngine(), resume=True).run()
    assert whole.tactics_asked == 0
    assert whole.headroom == undisturbed[1].headroom
    assert whole.comparisons[0].as_json() == undisturbed[1].comparisons[0].as_json() | {
        "baseline": str(tmp_path / "arms/plain"),
        "experiment": str(tmp_path / "arms/broad"),
    }


async def test_what_is_sent_to_a_cluster_holds_nothing_open() -> None:
    async with sharing_lean() as opening:
        remembering = _Remembering(opening, Arena("answers"), 2)
        sent = pickle.loads(pickle.dumps(remembering))  # noqa: S301 - our own
    assert (sent.opening.func, sent.attempt) == (open_workbench, 2)


# --- several searches of each theorem ------------------------------------------------------------


def dicey_bench(world: ToyWorld, toy_bench: Callable[..., Any], asked: list[int]) -> WorkbenchOpener:
    """The toy world, where the policy proposes ``halve`` with odd seeds only, and ``decrement`` with even ones."""

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        tactics = ("halve", "done") if config.seed % 2 else ("decrement", "done")

        class Policy:
            async def propose(self, state: ProofState, n: int) -> list[Candidate]:  # noqa: ARG002 - the same for all
                asked.append(config.seed)
                return [Candidate(tactic, -1.0 - place) for place, tactic in enumerate(tactics)][:n]

        async with toy_bench(world, policy=Policy())(config, observer) as bench:
            yield bench

    return opening


async def test_what_a_worker_ends_that_was_taken_for_dead_changes_no_figure_of_an_evaluation(tmp_path: Path) -> None:
    async with LateEngine("n5") as engine:
        told = await toy_evaluation(tmp_path, engine).run()
        assert [summary.totals.infrastructure for summary in told.summaries.values()] == [1, 1]
        await engine.end()
        again = await toy_evaluation(tmp_path, ShardsEngine(expires_s=60.0)).run()
    assert [summary.as_json() for summary in again.summaries.values()] == [
        summary.as_json() for summary in told.summaries.values()
    ]
    assert again.comparisons == told.comparisons
    assert again.headroom == told.headroom


async def test_a_theorem_is_proved_if_one_of_its_searches_proves_it(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems, asked = numbers(3, 5, 16, 24), list[int]()
    opening = dicey_bench(world, toy_bench, asked)
    tight = SearchConfig(budget=SearchBudget(max_expansions=8))
    two = {name: attrs.evolve(arms[name], search=tight) for name in ("plain", "broad")}
    found = await EvaluationRun(two, theorems, tmp_path, headroom=1, pass_n=2, opening=opening).run()
    apart = [
        {record.theorem.name: record for record in read_trajectory(attempt_folder(tmp_path / "arms/plain", k)).records}
        for k in (1, 2)
    ]
    proved = [{name for name, record in each.items() if record.certificate} for each in apart]
    assert proved[0] == {"n3", "n5"}
    assert proved[1] == {"n16"}
    together = found.summaries["plain"]
    assert (together.totals.attempted, together.totals.proved) == (4, 3)
    assert {record.theorem.name for record in together.records if record.certificate} == {"n3", "n5", "n16"}
    assert together.totals.expansions == sum(record.expansions for each in apart for record in each.values())
    assert together.as_json()["searches"] == 8
    [comparison] = found.comparisons
    assert comparison.budgets[-1].baseline == comparison.budgets[-1].experiment == 3
    assert sum(row.baseline for row in comparison.depths) == 3
    before = len(asked)
    assert set(asked) == {0, 1}
    await EvaluationRun(two, theorems, tmp_path, headroom=1, pass_n=2, resume=True, opening=opening).run()
    assert len(asked) == before
    with pytest.raises(ConfigError, match="plain has been searched more often than 1 times"):
        await EvaluationRun(two, theorems, tmp_path, headroom=1, resume=True, opening=opening).run()


async def test_runs_of_one_and_of_several_searches_are_not_compared(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    one = {"plain": arms["plain"]}
    for folder, pass_n in (("one", 1), ("two", 2)):
        run = EvaluationRun(one, numbers(3), tmp_path / folder, headroom=1, pass_n=pass_n, opening=toy_bench(world))
        await run.run()
    with pytest.raises(ConfigError, match="2 searches of each theorem, not 1"):
        compare_runs(tmp_path / "one/arms/plain", tmp_path / "two/arms/plain")


@pytest.fixture
def attempts(
    tmp_path: Path, arms: dict[str, RunConfig], world: ToyWorld, toy_bench: Callable[..., Any]
) -> Callable[..., Any]:
    """Search these theorems, once for each tuple, as attempts of one run; in the last one, what is lost is lost."""
    config = attrs.evolve(arms["plain"], concurrency=1)

    async def search(name: str, *theorems: tuple[Theorem, ...], lost: str = "") -> Path:
        for number, of_attempt in enumerate(theorems, start=1):
            moves = {lost: {"decrement": LOST}} if number == len(theorems) and lost else {}
            bench = toy_bench(ToyWorld(moves={**world.moves, **moves}))
            await SearchRun(config, of_attempt, attempt_folder(tmp_path / name, number), opening=bench).run()
        return tmp_path / name

    return search


async def test_attempts_that_were_stopped_half_way_are_not_compared(
    attempts: Callable[..., Any], numbers: Numbers
) -> None:
    whole = await attempts("whole", numbers(2, 3), numbers(2, 3))
    for name, further in {"less": (2,), "other": (2, 5), "more": (2, 3, 5)}.items():
        half = await attempts(name, numbers(2, 3), numbers(*further))
        for pair in ((whole, half), (half, whole), (half, half)):
            with pytest.raises(ConfigError, match=rf"{name} has not searched all theorems equally often"):
                compare_runs(*pair)


async def test_a_theorem_with_a_broken_attempt_is_left_out_and_not_unproved(
    attempts: Callable[..., Any], numbers: Numbers
) -> None:
    stuck = Theorem(name="stuck", statement="-1")
    theorems = (*numbers(2), stuck)
    whole = await attempts("whole", theorems, theorems)
    broken = await attempts("broken", theorems, theorems, lost="-1")
    for pair in ((whole, broken), (broken, whole)):
        found = compare_runs(*pair)
        assert (found.theorems, found.left_out) == (1, ("stuck",))
    totals = summarise_run(broken).totals
    assert (totals.attempted, totals.proved, totals.infrastructure) == (2, 1, 1)
    assert set(AnytimeCurve.of(summarise_run(broken).records).spent) == {"n2"}
