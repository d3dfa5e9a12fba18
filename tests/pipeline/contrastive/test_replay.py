from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from leanebm.core import Candidate, Evidence, TacticFate, Theorem
from leanebm.data import KnownProof
from leanebm.errors import PartBroken, PolicyError, PolicyUnavailable, PromptTooLong, StatementError, WorkerDied
from leanebm.pipeline import LogObserver, NegativesConfig, RunConfig
from leanebm.pipeline.contrastive._replay import ReplayedProof, replay_proof
from leanebm.testing import LOST, QED, TIMEOUT, ScriptedPolicy, ToySession, ToyWorld

ToyBench = Callable[..., Any]

NO_PROBE = NegativesConfig(probe_expansions=0, closers=())

CLOSE = "any_goals (auto; done)"


def proof_of(*tactics: str, start: str = "a", states: int | None = None) -> KnownProof:
    return KnownProof(
        theorem=Theorem(name="t", statement=start),
        module="Some.Module",
        tactics=tactics,
        states=("…",) * (len(tactics) if states is None else states),
    )


MOVES: dict[str, dict[str, str]] = {
    "a": {
        "go": "b",
        "again": "b",
        "stay": "a",
        "left": "x",
        "also left": "x",
        "right": "y",
        "jump": QED,
        "hang": TIMEOUT,
    },
    "b": {"on": "c", "back": "a", "left": "x"},
    "c": {"end": QED},
    "x": {},
    "y": {"z": "z"},
    "z": {},
}

PROOF = proof_of("go", "on", "end")


def candidates_for(row: Mapping[str, str]) -> list[Candidate]:
    """What a policy proposes that knows a state's arrows, but not the closers, and one tactic that fails."""
    tactics = [tactic for tactic in row if not tactic.startswith("any_goals")]
    return [Candidate(tactic, -1.0) for tactic in (*tactics, "wrong")]


async def replayed(
    toy_bench: ToyBench,
    moves: Mapping[str, Mapping[str, str]] = MOVES,
    *,
    proof: KnownProof = PROOF,
    config: NegativesConfig = NO_PROBE,
    script: Mapping[str, Any] | None = None,
    **world: Any,
) -> ReplayedProof:
    toy = ToyWorld(moves=moves, **world)
    policy = ScriptedPolicy(script={**ScriptedPolicy.over(toy).script, **(script or {})})
    async with toy_bench(toy, policy=policy)(RunConfig(), LogObserver()) as bench:
        return await replay_proof(proof, bench, config, run_id="r")


def targets(found: ReplayedProof) -> list[list[str]]:
    """The states that the negatives of each group are, sorted."""
    return [sorted(negative.key for negative in group.negatives) for group in found.groups]


async def test_each_step_but_the_last_makes_a_group(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench)
    assert found.record.outcome == "verified"
    assert [(group.parent_key, group.positive_key, group.depth, group.remaining_depth) for group in found.groups] == [
        ("a", "b", 0, 2),
        ("b", "c", 1, 1),
    ]
    first = found.groups[0]
    assert (first.theorem, first.module, first.source, first.positive_tactic) == ("t", "Some.Module", "replay", "go")
    assert first.positive_log_prob is not None
    assert (first.parent_text, first.positive_text) == ("⊢ a", "⊢ b")


async def test_only_open_states_off_the_path_are_negatives_and_the_rest_is_counted(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench)
    assert targets(found) == [["x", "y"], ["x"]]
    assert found.record.fates == {
        "kept": 3,
        "known": 2,
        "on_path": 3,  # again, stay; back
        "duplicate": 1,  # also left
        "finished": 1,  # jump
        "timed_out": 1,  # hang
        "rejected": 2,  # what no state knows
    }
    assert found.record.num_groups == 2


async def test_negatives_come_likeliest_first_and_no_more_than_asked_for(toy_bench: ToyBench) -> None:
    moves = {"a": {"go": "b", **{f"to {i}": f"s{i}" for i in range(9)}}, "b": {"end": QED}}
    moves |= {f"s{i}": {} for i in range(9)}
    found = await replayed(
        toy_bench, moves, proof=proof_of("go", "end"), config=attrs.evolve(NO_PROBE, target_negatives=3)
    )
    [group] = found.groups
    log_probs = [negative.log_prob for negative in group.negatives]
    assert len(log_probs) == 3
    assert log_probs == sorted(log_probs, reverse=True)
    fates = found.record.fates
    assert (
        fates[TacticFate.KEPT]
        + fates[TacticFate.SURPLUS]
        + fates.get(TacticFate.KNOWN, 0)
        + fates.get(TacticFate.REJECTED, 0)
        == 11
    )


async def test_what_the_policy_did_not_propose_has_no_probability(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, script={"a": ()})
    assert found.groups[0].positive_log_prob is None
    assert found.groups[0].negatives == ()


class OddPolicy:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    async def propose(self, *_: object) -> Any:
        return self.answer()


def leaving() -> None:
    raise SystemExit(0)


def blaming() -> None:
    raise StatementError("elab", "unknown identifier")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([].pop, "the policy, asked about a proof of .*, raised IndexError"),
        (leaving, "the policy, asked about a proof of .*, raised SystemExit"),
        (blaming, r"OddPolicy\.propose raised StatementError"),
        (int, "OddPolicy must give a list of Candidate; it gave 0"),
    ],
)
async def test_a_policy_that_breaks_its_contract_is_named(
    toy_bench: ToyBench, answer: Callable[[], Any], said: str
) -> None:
    async with toy_bench(ToyWorld(moves=MOVES), policy=OddPolicy(answer))(RunConfig(), LogObserver()) as bench:
        with pytest.raises(PartBroken, match=said):
            await replay_proof(PROOF, bench, NO_PROBE, run_id="r")


async def test_a_state_too_long_to_ask_about_gives_a_group_without_negatives(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, script={"a": PromptTooLong("too long")})
    assert found.record.outcome == "verified"
    assert [len(group.negatives) for group in found.groups] == [0, 1]


# --- a state is positive only if the whole replay was verified -------------------------------------
@pytest.mark.parametrize(
    ("tactics", "outcome", "step"),
    [
        (("go", "nonsense", "end"), "tactic_rejected", 1),
        (("hang", "on", "end"), "tactic_timed_out", 0),
        (("go", "on"), "unfinished", -1),
    ],
)
async def test_a_proof_that_fails_gives_nothing(
    toy_bench: ToyBench, tactics: tuple[str, ...], outcome: str, step: int
) -> None:
    found = await replayed(toy_bench, proof=proof_of(*tactics))
    assert (found.record.outcome, found.record.failed_step) == (outcome, step)
    assert found.record.message
    assert found.record.is_final == (outcome != "tactic_timed_out")
    assert (found.groups, found.record.fates, found.error) == ((), {}, None)


async def test_a_proof_that_is_not_certified_gives_nothing(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, cheats=frozenset({("c", "end")}))
    assert found.record.outcome == "uncertified"
    assert "is a cheat" in found.record.message
    assert found.groups == ()


async def test_a_statement_that_is_none_is_told(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, proof=proof_of("go", "end", start="nowhere"))
    assert found.record.outcome == "refused"
    assert "nowhere" in found.record.message


async def test_tactics_after_the_last_goal_are_left_out(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, proof=proof_of("go", "on", "end", "end"))
    assert found.record.outcome == "verified"
    assert [group.remaining_depth for group in found.groups] == [2, 1]


@pytest.mark.parametrize("tactic", ["left", "on"])
async def test_a_lost_worker_is_no_label(toy_bench: ToyBench, tactic: str) -> None:
    moves = {**MOVES, "b": {**MOVES["b"], tactic: LOST}}
    found = await replayed(toy_bench, moves)
    assert found.record.outcome == "infrastructure"
    assert not found.record.is_final
    assert found.groups == ()
    assert isinstance(found.error, WorkerDied)


async def test_a_lost_policy_is_no_label(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, script={"b": PolicyUnavailable("gone")})
    assert found.record.outcome == "infrastructure"
    assert found.record.message == "PolicyUnavailable: gone"
    assert isinstance(found.error, PolicyError)


# --- which negatives are false, and which are dead -------------------------------------------------
async def test_what_a_closer_proves_is_no_negative(toy_bench: ToyBench) -> None:
    found = await replayed(
        toy_bench, {**MOVES, "x": {CLOSE: QED}}, config=NegativesConfig(probe_expansions=0, closers=("auto",))
    )
    assert targets(found) == [["y"], []]
    assert found.record.fates[TacticFate.CLOSED] == 3, "each tactic that leads there is told"


async def test_closers_share_the_goals_among_them(toy_bench: ToyBench) -> None:
    moves = {**MOVES, "x": {CLOSE: "rest of x"}, "rest of x": {"any_goals (other; done)": QED}}
    found = await replayed(toy_bench, moves, config=NegativesConfig(probe_expansions=0, closers=("auto", "other")))
    assert targets(found) == [["y"], []]


async def test_what_a_short_search_proves_or_leads_back_is_no_negative(toy_bench: ToyBench) -> None:
    moves = {**MOVES, "x": {"up": "w"}, "w": {"home": "b"}, "z": {"out": QED}}
    for expansions, expected in ((1, [["x", "y"], ["x"]]), (2, [[], []])):
        config = NegativesConfig(probe_expansions=expansions, closers=())
        assert targets(await replayed(toy_bench, moves, config=config)) == expected


EVIDENCE = [
    ({"x": {}}, (), Evidence.DEAD),
    ({"x": {"down": "w"}, "w": {"deeper": "v"}, "v": {}}, (), Evidence.DEAD),
    ({"x": {"round": "x"}}, (), Evidence.DEAD),
    ({"x": {"hang": TIMEOUT}}, (), Evidence.UNKNOWN),
    ({"x": {"down": "w"}, "w": {"hang": TIMEOUT}}, (), Evidence.UNKNOWN),
    ({"x": {CLOSE: TIMEOUT}}, ("auto",), Evidence.UNKNOWN),
    ({"x": {f"{i}": f"w{i}" for i in range(9)}, **{f"w{i}": {} for i in range(9)}}, (), Evidence.UNKNOWN),
]


@pytest.mark.parametrize(("more", "closers", "evidence"), EVIDENCE)
async def test_only_what_failed_down_to_the_bottom_is_dead(
    toy_bench: ToyBench, more: Mapping[str, Mapping[str, str]], closers: tuple[str, ...], evidence: Evidence
) -> None:
    moves = {"a": {"go": "b", "left": "x"}, "b": {"end": QED}, **more}
    config = NegativesConfig(probe_expansions=8, closers=closers)
    script = {name: candidates_for(row) for name, row in more.items()}
    found = await replayed(toy_bench, moves, proof=proof_of("go", "end"), config=config, script=script)
    [group] = found.groups
    assert [(negative.key, negative.evidence) for negative in group.negatives] == [("x", evidence)]


async def test_nothing_is_dead_if_nothing_was_proposed(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench, config=NegativesConfig(closers=()), script={"x": ()})
    assert {negative.evidence for group in found.groups for negative in group.negatives if negative.key == "x"} == {
        Evidence.UNKNOWN
    }


async def test_nothing_is_dead_without_a_probe(toy_bench: ToyBench) -> None:
    found = await replayed(toy_bench)
    assert {negative.evidence for group in found.groups for negative in group.negatives} == {Evidence.UNKNOWN}


async def test_costs_are_counted(toy_bench: ToyBench) -> None:
    bare = await replayed(toy_bench)
    probed = await replayed(toy_bench, config=NegativesConfig(closers=("auto",)))
    assert bare.record.tactic_calls == 3 + sum(bare.record.fates.values()) - bare.record.fates[TacticFate.KNOWN]
    assert probed.record.tactic_calls > bare.record.tactic_calls
    assert probed.record.wall_s >= probed.record.lean_s > 0.0


async def test_every_state_is_given_back(toy_bench: ToyBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried beside the path does not pile up in the worker."""
    live: list[int] = []
    monkeypatch.setattr(ToySession, "close", lambda session: live.append(session.num_live_states))
    found = await replayed(toy_bench, config=NegativesConfig(closers=("auto",)))
    assert found.record.outcome == "verified"
    assert live == [3], "the open states of the path"
