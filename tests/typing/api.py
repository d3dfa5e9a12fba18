"""Never run, only type-checked: code that a user may write has to pass ``mypy --strict`` and strict pyright."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

from leanebm import (
    BestFirstSearch,
    BlockingLeanPool,
    Certificate,
    LeanPool,
    LeanPoolConfig,
    PolicyClient,
    PolicyClientConfig,
    ProofAttempt,
    ProofState,
    Prover,
    SearchBudget,
    SearchConfig,
    SearchOutcome,
    SearchResult,
    Theorem,
    prove,
    theorem_of,
)
from leanebm.core import (
    Candidate,
    EnergyModel,
    Leaf,
    Node,
    ProofAdvanced,
    ProofEnvironment,
    ProofFinished,
    ProofSearch,
    StateScorer,
    TacticPolicy,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.lean import Certifier, LeanBackend, ReplayingEnvironment, WorkerCommand
from leanebm.pipeline import (
    Observer,
    Part,
    Parts,
    PipelineEvent,
    RunConfig,
    SearchRun,
    compare_runs,
    read_run_config,
)
from leanebm.search import NegativeEnergy, SearchProgress, WeightedSum, WeightedTerm
from leanebm.search.scorers import LengthNormalisedLogProb
from leanebm.testing import ScriptedPolicy, ToyWorld


class MyScorer:
    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [leaf.path_log_prob for leaf in leaves]


class MyPolicy:
    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        return [Candidate("rfl", 0.0)][:n] if state.goals else []


class MyObserver:
    def notify(self, event: PipelineEvent) -> None:
        print(event)  # noqa: T201


class PatientSearch(BestFirstSearch):
    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:  # noqa: ARG002
        return await self.policy.propose(node.state, 4 * self.config.candidates_per_state)


async def search_by_hand(theorem: Theorem) -> SearchResult:
    config = LeanPoolConfig.auto()
    async with (
        PolicyClient(PolicyClientConfig(url="http://127.0.0.1:30000")) as policy,
        LeanPool(config) as pool,
        Certifier(config) as certifier,
    ):
        search = BestFirstSearch(
            policy=policy,
            scorer=LengthNormalisedLogProb(alpha=0.7),
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
            config=SearchConfig(budget=SearchBudget(max_expansions=100, max_wall_s=60.0)),
        )
        result = await search.run(theorem)
    assert_type(result, SearchResult)
    assert_type(result.outcome, SearchOutcome)
    assert_type(result.certificate, Certificate | None)
    return result


async def run_one_tactic(pool: LeanPool, theorem: Theorem) -> str:
    async with pool.open(theorem) as proof:
        match await proof.run_tactic(proof.root, "simp"):
            case ProofAdvanced(state=state) | ProofFinished(state=state):
                assert_type(state, ProofState)
                return state.text
            case TacticRejected(message=message) | TacticTimedOut(message=message):
                assert_type(message, str)
                return message


async def run_many(theorems: Sequence[Theorem]) -> None:
    config = read_run_config(Path("run.toml"))
    assert_type(config, RunConfig)
    await SearchRun(config, theorems, Path("runs/mine"), observer=MyObserver()).run()


def parts_of_ones_own() -> RunConfig:
    parts = Parts(policy=MyPolicy(), search=Part(PatientSearch))
    return RunConfig(scorer=MyScorer(), parts=parts)


def interfaces_are_met(pool: LeanPool) -> tuple[StateScorer, TacticPolicy, ProofEnvironment, Observer]:
    return MyScorer(), MyPolicy(), pool, MyObserver()


def the_toy_world_meets_them_too() -> tuple[ProofEnvironment, TacticPolicy]:
    world = ToyWorld.countdown(8)
    return world, ScriptedPolicy.over(world)


class MyEnergyModel:
    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [float(len(state.text)) for state in states]


class MyBackend:
    @property
    def name(self) -> str:
        return "mine"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        return WorkerCommand(backend=self.name, argv=("my-lean", *imports))


def more_interfaces_are_met() -> tuple[EnergyModel, LeanBackend]:
    return MyEnergyModel(), MyBackend()


def what_has_defaults_needs_no_argument() -> tuple[RunConfig, SearchConfig, SearchBudget]:
    return RunConfig(), SearchConfig(), SearchBudget()


def energies_in_a_search(world: ToyWorld, certifier: Certifier) -> ProofSearch:
    scorer = WeightedSum((WeightedTerm(scorer=LengthNormalisedLogProb()), WeightedTerm(scorer=NegativeEnergy())))
    return BestFirstSearch(
        policy=ScriptedPolicy.over(world), environment=world, certifier=certifier, scorer=scorer, energy=MyEnergyModel()
    )


def without_an_event_loop() -> str:
    assert_type(prove("1 + 1 = 2", tactics=["rfl"]), ProofAttempt)
    with Prover(RunConfig(scorer=MyScorer())) as prover:
        assert_type(prover.prove(theorem_of("1 + 1 = 2")).certificate, Certificate | None)
    with BlockingLeanPool(LeanPoolConfig.embedded()) as pool, pool.open(theorem_of("1 + 1 = 2")) as proof:
        return proof.root.text


def the_gain(baseline: Path, experiment: Path) -> float:
    [*_, last] = compare_runs(baseline, experiment).budgets
    assert_type(last.p, float)
    assert_type(last.only_experiment, int)
    return last.gain.value
