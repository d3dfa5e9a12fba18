"""Each check is shown an implementation that breaks the contract in one way, and must name that way."""

from __future__ import annotations

import math
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from leanebm.core import (
    Candidate,
    CertificationResult,
    EncoderIdentity,
    Leaf,
    Proof,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    TacticOutcome,
    TacticRejected,
    Theorem,
)
from leanebm.testing import (
    QED,
    SAMPLE_LEAVES,
    ContractBroken,
    ToyCertifier,
    ToySession,
    ToyWorld,
    check_certifier,
    check_encoder,
    check_energy_model,
    check_environment,
    check_policy,
    check_scorer,
)

WORLD = ToyWorld(moves={"a": {"go": "b"}, "b": {"end": QED}})
THEOREM = Theorem(name="t", statement="a")


# --- scorers ------------------------------------------------------------------------------------


class Scorer:
    def __init__(self, answers: Callable[[Sequence[Leaf]], Sequence[float]]) -> None:
        self.answers = answers

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return self.answers(leaves)


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        (lambda leaves: [0.0] * (len(leaves) - 1), "it gave 3 numbers where 4 were due, one per leaf"),
        (lambda leaves: [math.nan, *[0.0] * (len(leaves) - 1)], "leaf 0 gets nan, not a finite number"),
        (lambda leaves: ["high"] * len(leaves), "leaf 0 gets high, not a finite number"),
        (lambda leaves: [leaf.depth / len(leaves) for leaf in leaves], "gets 0.25 in the batch and [1.0] alone"),
        (lambda leaves: range(len(leaves)), "in another order"),
        (lambda leaves: [leaf.depth + float(len(leaves) > 8) for leaf in leaves], "in a larger batch"),
    ],
)
async def test_a_scorer_that_breaks_its_contract_is_told_how(
    answers: Callable[[Sequence[Leaf]], Sequence[float]], problem: str
) -> None:
    with pytest.raises(ContractBroken, match="Scorer breaks its contract") as caught:
        await check_scorer(Scorer(answers))
    assert any(problem in line for line in caught.value.problems)


async def test_a_scorer_may_differ_within_the_tolerance() -> None:
    def jitter(leaves: Sequence[Leaf]) -> list[float]:
        return [1.0 + 0.01 / len(leaves) for _ in leaves]

    with pytest.raises(ContractBroken):
        await check_scorer(Scorer(jitter))
    await check_scorer(Scorer(jitter), tolerance=0.01)


# --- energy models and encoders -----------------------------------------------------------------


class Energies:
    def __init__(self, answers: Callable[[Sequence[ProofState]], Sequence[float]]) -> None:
        self.answers = answers

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return self.answers(states)


async def test_an_energy_model_is_held_to_one_finite_number_a_state() -> None:
    await check_energy_model(Energies(lambda states: [float(len(state.text)) for state in states]))
    with pytest.raises(ContractBroken, match="state 0 gets nan"):
        await check_energy_model(Energies(lambda states: [math.nan] * len(states)))
    with pytest.raises(ContractBroken, match="in the batch"):
        await check_energy_model(Energies(lambda states: [float(len(states))] * len(states)))


class Encoder:
    def __init__(
        self, vector: Callable[[str, Sequence[str]], Sequence[float]], dim: int = 2, *, is_normalized: bool = False
    ) -> None:
        self.vector = vector
        self.dim = dim
        self.is_normalized = is_normalized

    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(pooling="mean", is_normalized=self.is_normalized, dim=self.dim)

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        return [array("f", self.vector(text, texts)) for text in texts]


async def test_an_encoder_that_keeps_its_contract_passes() -> None:
    await check_encoder(Encoder(lambda text, _: [len(text), 1.0]))
    await check_encoder(Encoder(lambda text, _: [math.cos(len(text)), math.sin(len(text))], is_normalized=True))


@pytest.mark.parametrize(
    ("encoder", "problem"),
    [
        (Encoder(lambda text, _: [len(text)]), "it says that vectors are 2 wide, and they are [1]"),
        (Encoder(lambda text, _: [1.0] * (len(text) % 2 + 2)), "its vectors are of different widths"),
        (Encoder(lambda text, texts: [0.0, 0.0] if text == texts[0] else [len(text), 1.0]), "vector 0 is zero"),
        (Encoder(lambda text, _: [math.nan, len(text)]), "vector 3 is zero or not finite"),
        (Encoder(lambda text, _: [len(text), 0.0], is_normalized=True), "it says that vectors are normalised"),
        (Encoder(lambda _, __: [1.0, 1.0]), "different texts have equal vectors"),
        (Encoder(lambda text, texts: [len(text), len(texts)]), "vector 2 differs when its text is alone"),
        (Encoder(lambda text, texts: [len(text)] * min(2, len(texts))), "vector 2 differs when its text is alone"),
    ],
)
async def test_an_encoder_that_breaks_its_contract_is_told_how(encoder: Encoder, problem: str) -> None:
    with pytest.raises(ContractBroken, match="Encoder breaks its contract") as caught:
        await check_encoder(encoder)
    assert any(problem in line for line in caught.value.problems)


class Answering:
    """An encoder that answers what it was told to, whatever it is asked."""

    def __init__(self, identity: Any, vectors: Any) -> None:
        self.who = identity
        self.vectors = vectors

    async def identity(self) -> Any:
        return self.who

    async def encode(self, texts: Sequence[str]) -> Any:
        assert texts
        return self.vectors


class Unawaitable(Encoder):
    def encode(self, texts: Sequence[str]) -> Any:
        return [self.vector(text, texts) for text in texts]


_TWO = EncoderIdentity(pooling="mean", is_normalized=False, dim=2)


@pytest.mark.parametrize(
    ("encoder", "problem"),
    [
        (Answering("me", []), "identity must return an EncoderIdentity; it gave 'me'"),
        (Answering(_TWO, None), "encode must give one vector per text; it gave None"),
        (Answering(_TWO, [1.0, 2.0]), "encode must give one vector per text; it gave [1.0, 2.0]"),
        (Answering(_TWO, ["ab"]), "encode must give one vector per text; it gave ['ab']"),
        (Answering(_TWO, [[[1.0], [2.0]]]), "encode must give one vector per text; it gave [[[1.0], [2.0]]]"),
        (
            Answering(_TWO, {"p": [1.0, 2.0]}),
            "encode must give one vector per text; it gave {'p': [1.0, 2.0]}",
        ),
        (Unawaitable(lambda text, _: [len(text), 1.0]), "Unawaitable.encode must be an `async def`"),
    ],
)
async def test_an_encoder_that_answers_something_else_is_told_what(encoder: Any, problem: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_encoder(encoder)
    assert problem in caught.value.problems[0]


# --- policies -----------------------------------------------------------------------------------


class Policy:
    def __init__(self, *candidates: Candidate, limit: bool = True) -> None:
        self.candidates = candidates
        self.limit = limit

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        assert state.goals
        return self.candidates[:n] if self.limit else self.candidates


SIMP, RFL = Candidate("simp", -1.0), Candidate("rfl", -2.0)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (Policy(SIMP, RFL, limit=False), "asked for 1, it proposed 2"),
        (Policy(SIMP, Candidate(" simp", -1.5)), "it proposed a tactic twice"),
        (Policy(SIMP, SIMP), "it proposed a tactic twice"),
        (Policy(SIMP, Candidate(" \n", -3.0)), "it proposed an empty tactic"),
        (Policy(RFL, SIMP), "a likelier candidate came after a less likely one"),
    ],
)
async def test_a_policy_that_breaks_its_contract_is_told_how(policy: Policy, problem: str) -> None:
    state = SAMPLE_LEAVES[0].state
    with pytest.raises(ContractBroken, match="Policy breaks its contract") as caught:
        await check_policy(policy, [state])
    assert any(problem in line for line in caught.value.problems)


async def test_proposing_nothing_is_allowed() -> None:
    await check_policy(Policy(), [leaf.state for leaf in SAMPLE_LEAVES])


# --- environments -------------------------------------------------------------------------------


class Environment:
    """The toy world, seen through a session that has one fault."""

    def __init__(self, session_class: type[ToySession], world: ToyWorld = WORLD) -> None:
        self.session_class = session_class
        self.world = world
        self.epoch = 0

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
        self.epoch += 1
        session = self.session_class(self.world, self.world.start(theorem), epoch=self.epoch)
        yield session
        session.close()


class NeverCloses(ToySession):
    def close(self) -> None:
        pass


class NeverFrees(ToySession):
    async def free(self, states: Sequence[ProofState]) -> None:
        pass


class TakesAnyState(ToySession):
    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        own = attrs.evolve(state, ref=attrs.evolve(state.ref, epoch=self.root.ref.epoch))
        return await super().run_tactic(own, tactic, goal=goal)


class FirstGoalOnly(ToySession):
    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:  # noqa: ARG002
        return await super().run_tactic(state, tactic)


class FreshKeys(ToySession):
    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        outcome = await super().run_tactic(state, tactic, goal=goal)
        if isinstance(outcome, ProofAdvanced):
            fresh = attrs.evolve(outcome.state, key=str(outcome.state.ref))
            return attrs.evolve(outcome, state=fresh)
        return outcome


class FinishesTooEarly(ToySession):
    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        outcome = await super().run_tactic(state, tactic, goal=goal)
        if isinstance(outcome, ProofFinished):
            return ProofFinished(self.root, outcome.elapsed_s)
        return outcome


class AcceptsAnything(ToySession):
    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        outcome = await super().run_tactic(state, tactic, goal=goal)
        return ProofAdvanced(state, 0.0) if isinstance(outcome, TacticRejected) else outcome


@pytest.mark.parametrize(
    ("session_class", "problem"),
    [
        (NeverCloses, "still answers after its context was left"),
        (NeverFrees, "a freed state still answers"),
        (TakesAnyState, "another session's state"),
        (FirstGoalOnly, "on a goal that the state does not have"),
        (FreshKeys, "two states with different keys"),
        (FinishesTooEarly, "it says ProofFinished of 1 goals"),
        (AcceptsAnything, "'end' at the root is ProofAdvanced, not TacticRejected"),
    ],
)
async def test_an_environment_that_breaks_its_contract_is_told_how(
    session_class: type[ToySession], problem: str
) -> None:
    with pytest.raises(ContractBroken, match="Environment breaks its contract") as caught:
        await check_environment(Environment(session_class), THEOREM, proof=["go", "end"], rejected="end")
    assert any(problem in line for line in caught.value.problems)


@pytest.mark.parametrize(
    ("proof", "problem"),
    [
        (["fly", "end"], "'fly' at the root is TacticRejected"),
        (["go", "fly"], "'fly' of the proof is TacticRejected"),
        (["go"], "1 goals are left"),
    ],
)
async def test_a_proof_that_does_not_replay_is_told(proof: list[str], problem: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_environment(Environment(ToySession), THEOREM, proof=proof, rejected="end")
    assert any(problem in line for line in caught.value.problems)


# --- certifiers ---------------------------------------------------------------------------------


class Certifier:
    """The toy certifier with its answers changed."""

    def __init__(self, change: Callable[[CertificationResult], CertificationResult], proof: Sequence[str]) -> None:
        self.change = change
        self.proof = proof

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        return self.change(await ToyCertifier(WORLD).certify(theorem, self.proof or proof))


@pytest.mark.parametrize(
    ("certifier", "problem"),
    [
        (Certifier(lambda result: result, ["go", "end"]), "it accepts ('sorry',), which proves nothing"),
        (Certifier(lambda result: result, ["go"]), "it rejects the proof (elaboration): the goal b is left"),
        (Certifier(lambda result: _with(result, axioms=("sorryAx",)), []), "it accepts the axioms ['sorryAx']"),
        (Certifier(lambda result: _with(result, fingerprint=""), []), "the certificate has no fingerprint"),
        (Certifier(lambda result: _with(result, tactics=()), []), "is for another theorem or another proof"),
    ],
)
async def test_a_certifier_that_breaks_its_contract_is_told_how(certifier: Certifier, problem: str) -> None:
    with pytest.raises(ContractBroken, match="Certifier breaks its contract") as caught:
        await check_certifier(certifier, THEOREM, proof=["go", "end"])
    assert any(problem in line for line in caught.value.problems)


class TakesTextOnly:
    """A certifier from before proofs could be trees."""

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        return await ToyCertifier(WORLD).certify(theorem, [step for step in proof if isinstance(step, str)])


async def test_a_certifier_that_takes_no_steps_is_reported() -> None:
    with pytest.raises(ContractBroken, match="rejects the proof once its tactics are given as ProofStep"):
        await check_certifier(TakesTextOnly(), THEOREM, proof=["go", "end"])


def _with(result: CertificationResult, **changes: object) -> CertificationResult:
    return attrs.evolve(result, **changes) if hasattr(result, "axioms") else result  # type: ignore[arg-type]
