from __future__ import annotations

import asyncio
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from leanebm.core import Candidate, Leaf, Node, NodeStatus, ProofState, SearchOutcome, SearchResult, Theorem
from leanebm.errors import (
    ConfigError,
    EnergyError,
    PartBroken,
    PolicyError,
    PolicyTimeout,
    PolicyUnavailable,
    PromptTooLong,
    StatementError,
    WorkerDied,
)
from leanebm.search import (
    BestFirstSearch,
    CumulativeLogProb,
    LengthNormalisedLogProb,
    SearchBudget,
    SearchConfig,
    SearchProgress,
)
from leanebm.testing import LOST, QED, TIMEOUT, ManualClock, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld

RunSearch = Callable[..., Awaitable[SearchResult]]

LINE = ToyWorld(moves={"a": {"go": "b"}, "b": {"go": "c"}, "c": {"go": QED}})


def named(result: SearchResult) -> dict[str, Node]:
    return {node.state.key: node for node in result.nodes}


# --- endings ------------------------------------------------------------------------------------


async def test_a_proof_is_found_certified_and_carried_with_its_path(run_search: RunSearch) -> None:
    result = await run_search(LINE, "a")
    assert result.outcome is SearchOutcome.PROVED
    assert result.certificate is not None
    assert result.certificate.tactics == ("go", "go", "go")
    assert [node.state.key for node in result.proof] == ["a", "b", "c", QED]
    assert result.proof[-1].status is NodeStatus.PROVED
    assert result.error is None


async def test_a_finished_state_is_neither_scored_nor_queued(run_search: RunSearch) -> None:
    result = await run_search(LINE, "a")
    assert [node.priority is None for node in result.proof] == [False, False, False, True]
    assert result.proof[-1].expansion is None


async def test_nothing_is_expanded_after_the_proof(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"left": "b", "finish": QED, "right": "c"}, "b": {}, "c": {}})
    policy = ScriptedPolicy.of({"a": {"left": 0.5, "finish": 0.3, "right": 0.2}})
    result = await run_search(world, "a", policy)
    assert result.statistics.tactic_calls == 2
    assert set(named(result)) == {"a", "b", QED}
    assert named(result)["a"].status is NodeStatus.PARTIAL


async def test_without_a_proof_the_whole_world_is_expanded(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "y": "c"}, "b": {"x": "a"}, "c": {"z": TIMEOUT}})
    result = await run_search(world, "a")
    assert result.outcome is SearchOutcome.EXHAUSTED
    assert {key: node.status for key, node in named(result).items()} == {
        "a": NodeStatus.EXPANDED,
        "b": NodeStatus.EXPANDED,
        "c": NodeStatus.DEAD,
    }
    assert result.statistics.cyclic == 1
    assert result.statistics.tactic_timed_out == 1
    assert result.statistics.tactic_rejected == 3, "one wrong proposal a state"


async def test_a_rejected_proof_does_not_end_the_search(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"cheat": QED, "go": "b"}, "b": {"go": QED}}, cheats=frozenset({("a", "cheat")}))
    policy = ScriptedPolicy.of({"a": {"cheat": 0.9, "go": 0.1}, "b": {"go": 0.5}})
    result = await run_search(world, "a", policy)
    assert result.outcome is SearchOutcome.PROVED
    assert result.certificate is not None
    assert result.certificate.tactics == ("go", "go")
    assert [rejection.tactics for rejection in result.rejections] == [("cheat",)]
    assert result.nodes[1].status is NodeStatus.REJECTED


async def test_a_search_that_found_only_rejected_proofs_says_so(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"cheat": QED}}, cheats=frozenset({("a", "cheat")}))
    result = await run_search(world, "a")
    assert result.outcome is SearchOutcome.REJECTED
    assert result.certificate is None
    assert result.proof == ()


async def test_a_statement_that_does_not_elaborate_is_the_callers_mistake(run_search: RunSearch) -> None:
    with pytest.raises(StatementError, match="no state 'nowhere'"):
        await run_search(LINE, "nowhere")


# --- budgets ------------------------------------------------------------------------------------


async def test_the_node_budget_counts_expansions(run_search: RunSearch) -> None:
    result = await run_search(LINE, "a", max_expansions=2)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert result.statistics.expansions == 2
    assert [node.state.key for node in result.nodes] == ["a", "b", "c"]


async def test_the_last_node_of_the_budget_may_still_end_the_proof(run_search: RunSearch) -> None:
    assert (await run_search(LINE, "a", max_expansions=3)).outcome is SearchOutcome.PROVED


async def test_a_frontier_that_empties_with_the_budget_is_exhausted(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"go": "b"}, "b": {}})
    assert (await run_search(world, "a", max_expansions=2)).outcome is SearchOutcome.EXHAUSTED


async def test_the_tactic_budget_ends_an_expansion_in_the_middle(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "y": "c", "z": "d"}, "b": {}, "c": {}, "d": {}})
    result = await run_search(world, "a", max_tactic_calls=2)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert result.statistics.tactic_calls == 2
    root, *children = result.nodes
    assert root.status is NodeStatus.PARTIAL
    assert all(child.priority is None for child in children)


async def test_the_wall_budget_is_looked_at_between_tactics(run_search: RunSearch) -> None:
    moves = {"a": {f"t{i}": f"s{i}" for i in range(9)}, **{f"s{i}": {} for i in range(9)}}
    world = ToyWorld(moves=moves, clock=ManualClock(), tactic_s=1.0)
    result = await run_search(world, "a", max_wall_s=3.0)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert result.statistics.tactic_calls == 3
    assert result.statistics.wall_s == 3.0
    assert result.statistics.lean_s == 3.0


async def test_a_bounded_frontier_gives_up_the_claim_to_have_seen_everything(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "y": "c"}, "b": {}, "c": {}})
    result = await run_search(world, "a", max_frontier=1)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert result.statistics.pruned == 1
    assert sorted(node.status.value for node in result.nodes) == ["dead", "expanded", "pruned"]


# --- what can fail ------------------------------------------------------------------------------


async def test_a_lost_worker_is_not_a_failed_proof(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "kill": LOST}, "b": {}})
    policy = ScriptedPolicy.of({"a": {"x": 0.9, "kill": 0.1}})
    result = await run_search(world, "a", policy)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert isinstance(result.error, WorkerDied)
    assert [node.state.key for node in result.nodes] == ["a", "b"], "what was found is kept"


async def test_a_failure_outweighs_a_rejection(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"cheat": QED, "kill": LOST}}, cheats=frozenset({("a", "cheat")}))
    policy = ScriptedPolicy.of({"a": {"cheat": 0.9, "kill": 0.1}})
    result = await run_search(world, "a", policy)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert len(result.rejections) == 1


async def test_a_policy_that_fails_ends_the_search_with_its_error(run_search: RunSearch) -> None:
    failure = PolicyUnavailable("connection refused")
    policy = ScriptedPolicy(script={"a": [Candidate("go", -0.1)], "b": failure})
    result = await run_search(LINE, "a", policy)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.error is failure
    assert len(result.nodes) == 2


async def test_a_prompt_that_is_too_long_costs_only_its_node(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"long": "b", "short": "c"}, "b": {}, "c": {"go": QED}})
    script: dict[str, Sequence[Candidate] | PolicyError] = {
        "a": [Candidate("long", -0.1), Candidate("short", -2.0)],
        "b": PromptTooLong("4100 tokens do not fit 4096"),
    }
    result = await run_search(world, "a", ScriptedPolicy(script={**script, "c": [Candidate("go", -0.1)]}))
    assert result.outcome is SearchOutcome.PROVED
    assert named(result)["b"].status is NodeStatus.UNEXPANDABLE

    result = await run_search(world, "a", ScriptedPolicy(script={**script, "c": []}))
    assert result.outcome is SearchOutcome.BUDGET_SPENT, "a state that nobody looked at is no dead end"
    assert result.statistics.unexpandable == 1


class FailingScorer:
    def __init__(self, answers: Callable[[Sequence[Leaf]], Sequence[float]]) -> None:
        self.answers = answers

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return self.answers(leaves) if leaves[0].depth > 0 else [0.0]


@pytest.mark.parametrize("answers", [lambda leaves: [math.nan] * len(leaves), lambda leaves: [10**400 for _ in leaves]])
async def test_a_scorer_that_makes_up_numbers_is_found_out(
    run_search: RunSearch, answers: Callable[[Sequence[Leaf]], Sequence[float]]
) -> None:
    result = await run_search(LINE, "a", scorer=FailingScorer(answers))
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert isinstance(result.error, EnergyError)
    assert "FailingScorer must give one finite number per leaf" in str(result.error)
    assert [node.state.key for node in result.nodes] == ["a", "b"]


@pytest.mark.parametrize(
    "answers",
    [
        lambda leaves: array("f", [-leaf.depth for leaf in leaves]),
        lambda leaves: [Decimal(-leaf.depth) for leaf in leaves],
        lambda leaves: tuple(Fraction(-leaf.depth) for leaf in leaves),
    ],
)
async def test_numbers_of_any_kind_are_kept_as_plain_floats(run_search: RunSearch, answers: Any) -> None:
    result = await run_search(LINE, "a", scorer=FailingScorer(answers))
    assert result.outcome is SearchOutcome.PROVED
    assert {type(node.priority) for node in result.nodes if not node.is_terminal} == {float}


@pytest.mark.parametrize(
    "answers",
    [
        lambda _: None,
        lambda _: [],
        lambda leaves: [0.0] * (len(leaves) + 1),
        lambda leaves: "1" * len(leaves),
        lambda leaves: dict.fromkeys(range(len(leaves)), 1.0),
        lambda leaves: (1.0 for _ in leaves),
        lambda leaves: [1j for _ in leaves],
    ],
)
async def test_what_is_no_list_of_numbers_breaks_the_scorers_contract(run_search: RunSearch, answers: Any) -> None:
    with pytest.raises(PartBroken, match="FailingScorer must give one finite number per leaf"):
        await run_search(LINE, "a", scorer=FailingScorer(answers))


async def test_a_certifier_that_breaks_leaves_the_candidate_proof_to_be_seen(run_search: RunSearch) -> None:
    class BrokenCertifier(BestFirstSearch):
        def __init__(self, **parts: object) -> None:
            super().__init__(**parts)  # type: ignore[arg-type]
            self.certifier = ToyCertifier(ToyWorld(moves={"a": {"go": LOST}}))

    result = await run_search(LINE, "a", search_class=BrokenCertifier)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.nodes[-1].status is NodeStatus.FINISHED
    assert result.nodes[-1].tactics == ("go", "go", "go")


async def test_a_session_that_cannot_be_closed_does_not_take_the_proof_back() -> None:
    class BreaksOnClose:
        def open(self, _: Theorem) -> object:
            return self

        async def __aenter__(self) -> ToySession:
            return ToySession(LINE, "a", epoch=0)

        async def __aexit__(self, *_: object) -> None:
            raise WorkerDied("it died while being tidied up")

    search = BestFirstSearch(
        policy=ScriptedPolicy.over(LINE),
        scorer=CumulativeLogProb(),
        environment=BreaksOnClose(),  # type: ignore[arg-type]
        certifier=ToyCertifier(LINE),
    )
    result = await search.run(Theorem(name="t", statement="a"))
    assert result.outcome is SearchOutcome.PROVED
    assert isinstance(result.error, WorkerDied)


async def test_cancellation_closes_the_proof_and_has_streamed_what_was_found() -> None:
    seen: list[str] = []
    asked_about_b = asyncio.Event()

    class Watched(BestFirstSearch):
        def on_node(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002
            seen.append(node.state.key)

        async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:
            if node.state.key == "b":
                asked_about_b.set()
                await asyncio.Event().wait()
            return await super().expand(progress, node)

    search = Watched(
        policy=ScriptedPolicy.over(LINE),
        scorer=CumulativeLogProb(),
        environment=LINE,
        certifier=ToyCertifier(LINE),
    )
    task = asyncio.create_task(search.run(Theorem(name="t", statement="a")))
    await asked_about_b.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["a", "b"]


# --- candidates -------------------------------------------------------------------------------


async def test_duplicate_texts_are_run_once(run_search: RunSearch) -> None:
    policy = ScriptedPolicy(script={"a": [Candidate("go", -0.1), Candidate(" go", -0.2), Candidate("go", -0.3)]})
    result = await run_search(LINE, "a", policy)
    assert result.statistics.tactic_calls == 1


async def test_a_policy_that_answers_too_much_is_held_to_what_was_asked(run_search: RunSearch) -> None:
    class Chatterbox:
        async def propose(self, _: ProofState, n: int) -> Sequence[Candidate]:
            return [Candidate(f"t{i}", -float(i)) for i in range(10 * n)]

    result = await run_search(LINE, "a", Chatterbox(), candidates_per_state=3)
    assert result.statistics.tactic_calls == 3


# --- hooks --------------------------------------------------------------------------------------


async def test_select_decides_what_is_expanded_next(run_search: RunSearch) -> None:
    class Last(BestFirstSearch):
        def select(self, progress: SearchProgress) -> Node:
            *_, worst = progress.frontier
            return progress.frontier.take(worst)

    world = ToyWorld(moves={"a": {"x": "b", "y": "c"}, "b": {}, "c": {}})
    policy = ScriptedPolicy.of({"a": {"x": 0.9, "y": 0.1}})
    best, worst = [
        await run_search(world, "a", policy, search_class=search_class) for search_class in (BestFirstSearch, Last)
    ]
    assert [named(best)[key].expansion for key in "bc"] == [1, 2]
    assert [named(worst)[key].expansion for key in "bc"] == [2, 1]


@pytest.mark.parametrize("parallel", [1, 2])
@pytest.mark.parametrize(
    "select",
    [
        lambda _: None,
        lambda progress: progress.frontier.pop().state,
        lambda progress: next(iter(progress.frontier)),  # it stays in the frontier
        lambda progress: (progress.frontier.pop(), progress.tree.root)[progress.meter.expansions > 0],  # expanded again
    ],
)
async def test_a_selection_that_cannot_be_expanded_is_named(
    select: Callable[[SearchProgress], Any], parallel: int
) -> None:
    class Odd(BestFirstSearch):
        def select(self, progress: SearchProgress) -> Any:
            return select(progress)

    search = Odd(
        policy=ScriptedPolicy.over(LINE),
        environment=LINE,
        certifier=ToyCertifier(LINE),
        config=SearchConfig(parallel_expansions=parallel),
    )
    with pytest.raises(PartBroken, match=r"Odd\.select must take an open node out of"):
        await search.run("a")


async def test_priority_may_change_every_score(run_search: RunSearch) -> None:
    class Negated(BestFirstSearch):
        async def priority(self, progress: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [-score for score in await super().priority(progress, leaves)]

    world = ToyWorld(moves={"a": {"x": "b", "y": "c"}, "b": {}, "c": {}})
    policy = ScriptedPolicy.of({"a": {"x": 0.9, "y": 0.1}})
    result = await run_search(world, "a", policy, search_class=Negated)
    assert [named(result)[key].expansion for key in "bc"] == [2, 1]


async def test_on_node_sees_every_node_once_before_it_is_scored(run_search: RunSearch) -> None:
    seen: list[tuple[Node, float | None]] = []

    class Watched(BestFirstSearch):
        def on_node(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002
            seen.append((node, node.priority))

    result = await run_search(ToyWorld.countdown(12), "11", search_class=Watched)
    assert [node for node, _ in seen] == list(result.nodes)
    assert all(priority is None for _, priority in seen)


async def test_one_search_object_searches_many_theorems_at_once() -> None:
    world = ToyWorld.countdown(64)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=LengthNormalisedLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
    )
    theorems = [Theorem(name=f"t{n}", statement=str(n)) for n in range(2, 40)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(search.run(theorem)) for theorem in theorems]
    together = [task.result() for task in tasks]
    for theorem, result in zip(theorems, together, strict=True):
        alone = await search.run(theorem)
        assert result.theorem == theorem
        assert [node.tactics for node in result.nodes] == [node.tactics for node in alone.nodes]


async def test_a_subclass_can_tell_the_nodes_of_theorems_apart_that_it_searches_at_once() -> None:
    world = ToyWorld.countdown(64)

    class Counting(BestFirstSearch):
        def __init__(self, **parts: Any) -> None:
            super().__init__(**parts)
            self.nodes: Counter[str] = Counter()
            self.tree_sizes: defaultdict[str, list[int]] = defaultdict(list)
            self.order: list[str] = []

        def on_node(self, progress: SearchProgress, node: Node) -> None:
            assert node in progress.tree.nodes
            self.nodes[progress.theorem.name] += 1
            self.order.append(progress.theorem.name)

        def select(self, progress: SearchProgress) -> Node:
            self.tree_sizes[progress.theorem.name].append(len(progress.tree.nodes))
            return super().select(progress)

    search = Counting(policy=ScriptedPolicy.over(world), environment=world, certifier=ToyCertifier(world))
    names = {"a": "61", "b": "37"}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(search.run(Theorem(name=name, statement=start))) for name, start in names.items()]
    results = {task.result().theorem.name: task.result() for task in tasks}
    assert search.nodes == {name: len(result.nodes) for name, result in results.items()}
    assert {name: len(sizes) for name, sizes in search.tree_sizes.items()} == {
        name: result.statistics.expansions for name, result in results.items()
    }
    assert search.nodes["a"] != search.nodes["b"]
    first, last = search.order.index("b"), len(search.order) - search.order[::-1].index("a")
    assert first < last, "the two ran at once, so their nodes came mixed"


async def test_an_observer_is_shown_each_expansion_with_its_own_theorems_progress() -> None:
    world = ToyWorld.countdown(64)
    seen: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)

    class Watching:
        def on_expansion(self, progress: SearchProgress, node: Node) -> None:
            meter = progress.meter
            assert node not in progress.frontier
            assert meter.tactic_calls == sum(len(each.edges) for each in progress.tree.nodes)
            seen[progress.theorem.name].append((node.index, meter.expansions, len(progress.tree.nodes)))

    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world), environment=world, certifier=ToyCertifier(world), observer=Watching()
    )
    theorems = [Theorem(name=start, statement=start) for start in ("61", "37", "12")]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(search.run(theorem)) for theorem in theorems]
    for task in tasks:
        result = task.result()
        expanded = sorted((node.expansion, node.index) for node in result.nodes if node.expansion is not None)
        assert [(count, index) for index, count, _ in seen[result.theorem.name]] == expanded
        assert [size for _, _, size in seen[result.theorem.name]] == sorted(
            size for _, _, size in seen[result.theorem.name]
        )


async def test_a_statement_alone_is_searched_and_named_after_itself() -> None:
    search = BestFirstSearch(policy=ScriptedPolicy.over(LINE), environment=LINE, certifier=ToyCertifier(LINE))
    first, again = await search.run("a"), await search.run("a")
    assert first.outcome is SearchOutcome.PROVED
    assert first.theorem == again.theorem == Theorem.of("a")
    assert search.scorer == LengthNormalisedLogProb(), "the default is the baseline"


# --- settings -----------------------------------------------------------------------------------


def test_settings_are_checked_when_they_are_made() -> None:
    assert SearchConfig() == SearchConfig(budget=SearchBudget(max_expansions=100), candidates_per_state=16)
    with pytest.raises(ValueError, match="candidates_per_state"):
        SearchConfig(candidates_per_state=0)
    with pytest.raises(ValueError, match="max_frontier"):
        SearchConfig(max_frontier=0)


async def test_a_policy_timeout_at_the_root_leaves_the_root_on_record(run_search: RunSearch) -> None:
    result = await run_search(LINE, "a", ScriptedPolicy(script={"a": PolicyTimeout("30 s passed")}))
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert [node.status for node in result.nodes] == [NodeStatus.PARTIAL]
    assert result.statistics.expansions == 1


# --- states that are no longer needed -----------------------------------------------------------


@pytest.mark.parametrize(("max_frontier", "freed_because"), [(None, "merged"), (None, "cyclic"), (2, "pruned")])
async def test_states_are_freed_once_nothing_will_be_run_on_them(max_frontier: int | None, freed_because: str) -> None:
    endless = ToyWorld(moves={**ToyWorld.countdown(30).moves, "1": {}})
    live: list[int] = []

    class Counting:
        @asynccontextmanager
        async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
            async with endless.open(theorem) as session:
                yield session
                live.append(session.num_live_states)

    search = BestFirstSearch(
        policy=ScriptedPolicy.over(endless),
        scorer=CumulativeLogProb(),
        environment=Counting(),
        certifier=ToyCertifier(endless),
        config=SearchConfig(max_frontier=max_frontier),
    )
    result = await search.run(Theorem(name="t", statement="29"))
    assert getattr(result.statistics, freed_because) > 0
    assert live == [0]


@pytest.mark.parametrize("hook", ["select", "on_node"])
def test_a_hook_that_nobody_would_await_is_refused(hook: str) -> None:
    async def later(*_: object) -> None:
        """Looks right, and would never run."""

    odd = type("Odd", (BestFirstSearch,), {hook: later})
    with pytest.raises(ConfigError, match="must be a plain `def`"):
        odd(policy=ScriptedPolicy.over(LINE), environment=LINE, certifier=ToyCertifier(LINE))
