"""Checks that an implementation of your own keeps the contracts of :mod:`leanebm.core.interfaces`.

Each is a coroutine to await in a test. It raises :class:`ContractBroken`, which lists everything that
is wrong, and returns nothing if all is well. What it cannot see (that a score depends on the leaf
alone for *all* leaves, that a certifier accepts no false proof) it does not vouch for.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Awaitable, Sequence
from numbers import Real
from typing import Any, Final, TypeVar

from leanebm._shown import shown
from leanebm.core import (
    ACCEPTED_AXIOMS,
    Candidate,
    Certificate,
    CertificationRejected,
    EncoderIdentity,
    EnergyModel,
    Goal,
    Hypothesis,
    Leaf,
    ProofAdvanced,
    ProofCertifier,
    ProofEnvironment,
    ProofFinished,
    ProofSession,
    ProofState,
    ProofStep,
    StateEncoder,
    StateRef,
    StateScorer,
    TacticPolicy,
    TacticRejected,
    Theorem,
)
from leanebm.errors import LeanEbmError, PartBroken, StaleState
from leanebm.search.answers import answer_of, proposals_of

T = TypeVar("T")


class ContractBroken(LeanEbmError, AssertionError):
    """An implementation does not keep its interface's contract; ``problems`` lists how."""

    def __init__(self, subject: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        name = getattr(subject, "__qualname__", type(subject).__qualname__)  # a factory is called by its own name
        super().__init__("\n".join([f"{name} breaks its contract:", *(f"  - {p}" for p in problems)]))


def _leaf(i: int, target: str, *hypotheses: tuple[str, str]) -> Leaf:
    context = tuple(Hypothesis(name, type_) for name, type_ in hypotheses)
    text = "\n".join([*(f"{h.name} : {h.type}" for h in context), f"⊢ {target}"])
    state = ProofState(
        goals=(Goal(text=text, target=target, hypotheses=context),), key=f"sample{i}", ref=StateRef(0, i)
    )
    theorem = Theorem(name="sample", statement="∀ n : Nat, 0 + n = n")
    return Leaf(theorem=theorem, state=state, path_log_prob=-0.7 * i, depth=i, energy=1.0 - 0.5 * i)


SAMPLE_LEAVES: Final = (
    _leaf(0, "∀ (n : Nat), 0 + n = n"),
    _leaf(1, "0 + n = n", ("n", "Nat")),
    _leaf(2, "0 + 0 = 0"),
    _leaf(3, "0 + (n + 1) = n + 1", ("n", "Nat"), ("ih", "0 + n = n")),
)
"""Leaves of a small proof, the root first, for scorers that need nothing special."""

_SAMPLE_STATES: Final = tuple(leaf.state for leaf in SAMPLE_LEAVES)
SAMPLE_THEOREM: Final = Theorem(name="add_zero_twice", statement="∀ n : Nat, n + 0 + 0 = n")
"""A theorem that every Lean can open."""

SAMPLE_PROOF: Final = ("intro n", "rfl")
"""Its proof."""

SAMPLE_REJECTED: Final = "exact 5"
"""A tactic that fails at its root."""

_MANY: Final = 16
"""How often everything occurs in the largest batch."""

_SAMPLE_TEXTS: Final = tuple(state.text for state in _SAMPLE_STATES)


async def check_scorer(scorer: StateScorer, leaves: Sequence[Leaf] = SAMPLE_LEAVES, *, tolerance: float = 1e-5) -> None:
    """Check that ``scorer`` gives one finite number per leaf, whatever else is in the batch.

    Args:
        scorer: what to check.
        leaves: at least two, none of them finished.
        tolerance: how far, absolutely and relatively, two scores of one leaf may differ.

    Raises:
        ContractBroken: it does not.
    """
    report(scorer, await _number_problems(scorer, "score", leaves, "leaf", tolerance))


async def check_energy_model(
    model: EnergyModel,
    states: Sequence[ProofState] = _SAMPLE_STATES,
    *,
    tolerance: float = 1e-5,
) -> None:
    """Check that ``model`` gives one finite energy per state, whatever else is in the batch.

    A head with a randomly started spectral norm needs a larger tolerance, or freezing.

    Args:
        model: what to check.
        states: at least two, none of them finished.
        tolerance: how far, absolutely and relatively, two energies of one state may differ.

    Raises:
        ContractBroken: it does not.
    """
    report(model, await _number_problems(model, "energies", states, "state", tolerance))


async def check_encoder(
    encoder: StateEncoder,
    texts: Sequence[str] = _SAMPLE_TEXTS,
    *,
    tolerance: float = 1e-5,
) -> None:
    """Check that ``encoder`` gives usable vectors of one width that do not depend on the batch.

    Args:
        encoder: what to check.
        texts: at least two, all different.
        tolerance: how far, absolutely and relatively, two values at one place may differ.

    Raises:
        ContractBroken: it does not.
    """
    identity = await _kept(encoder, answer_of(encoder, "identity"))
    if not isinstance(identity, EncoderIdentity):
        raise ContractBroken(encoder, [f"identity must return an EncoderIdentity; it gave {shown(identity)}"])
    together = await _vectors(encoder, texts)
    problems = []
    if len(together) != len(texts):
        problems.append(f"it gave {len(together)} vectors for {len(texts)} texts")
    if len(widths := {len(vector) for vector in together}) > 1:
        problems.append(f"its vectors are of different widths: {sorted(widths)}")
    if identity.dim is not None and widths != {identity.dim}:
        problems.append(f"it says that vectors are {identity.dim} wide, and they are {sorted(widths)}")
    for i, vector in enumerate(together):
        if not all(map(_finite, vector)) or not any(vector):
            problems.append(f"vector {i} is zero or not finite")
        elif identity.is_normalized and not math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-3):
            problems.append(f"it says that vectors are normalised, and vector {i} is {math.hypot(*vector):.4g} long")
    if len({tuple(vector) for vector in together}) < len(together):
        problems.append("different texts have equal vectors")
    if not problems:
        for i, text in enumerate(texts):
            alone = await _vectors(encoder, [text])
            if list(map(len, alone)) != [len(together[i])] or not all(
                math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
                for a, b in zip(alone[0], together[i], strict=True)
            ):
                problems.append(f"vector {i} differs when its text is alone")
    if await encoder.identity() != identity:
        problems.append("its identity changed in between")
    report(encoder, problems)


async def check_policy(policy: TacticPolicy, states: Sequence[ProofState] = _SAMPLE_STATES, *, n: int = 8) -> None:
    """Check that ``policy`` proposes at most as many distinct candidates as asked, the likeliest first.

    Args:
        policy: what to check.
        states: states with goals, as the policy will meet them.
        n: how many candidates to ask for, at least 1.

    Raises:
        ContractBroken: it does not.
    """
    problems = []
    for state in states:
        where = f"for {state.text!r}"
        for asked in (n, 1):
            candidates = await _kept(policy, proposals_of(policy, state, asked))
            if len(candidates) > asked:
                problems.append(f"asked for {asked}, it proposed {len(candidates)} {where}")
            problems += [f"{problem} {where}" for problem in _candidate_problems(candidates)]
    report(policy, problems)


async def check_environment(
    environment: ProofEnvironment,
    theorem: Theorem = SAMPLE_THEOREM,
    *,
    proof: Sequence[str] = SAMPLE_PROOF,
    rejected: str = SAMPLE_REJECTED,
) -> None:
    """Check that ``environment`` opens ``theorem``, runs tactics without changing states, and cleans up.

    Args:
        environment: what to check.
        theorem: one that it can open.
        proof: tactics that prove it, at least two.
        rejected: a tactic that fails at its root.

    Raises:
        ContractBroken: it does not.
    """
    problems: list[str] = []
    async with environment.open(theorem) as session, environment.open(theorem) as other:
        problems += await _session_problems(session, proof, rejected)
        if not await _is_stale(other, session.root, proof[0]):
            problems.append("a session runs tactics on another session's state, whose id may mean anything to it")
    if not await _is_stale(session, session.root, proof[0]):
        problems.append("a session still answers after its context was left")
    report(environment, problems)


async def check_certifier(
    certifier: ProofCertifier,
    theorem: Theorem = SAMPLE_THEOREM,
    *,
    proof: Sequence[str] = SAMPLE_PROOF,
    wrong: Sequence[Sequence[str]] = (),
) -> None:
    """Check that ``certifier`` accepts a proof and rejects what is not one.

    No tactics at all, ``sorry``, and the proof without its last step are always tried as well.

    Args:
        certifier: what to check.
        theorem: what ``proof`` proves.
        proof: tactics that prove it, at least one.
        wrong: lists of tactics that do not prove it.

    Raises:
        ContractBroken: it does not.
    """
    problems = []
    match await certifier.certify(theorem, proof):
        case CertificationRejected() as rejection:
            problems.append(f"it rejects the proof ({rejection.reason}): {rejection.message}")
        case Certificate() as certificate:
            if certificate.theorem != theorem or certificate.tactics != tuple(proof):
                problems.append("the certificate is for another theorem or another proof than it was asked about")
            if not set(certificate.axioms) <= ACCEPTED_AXIOMS:
                problems.append(f"it accepts the axioms {sorted(set(certificate.axioms) - ACCEPTED_AXIOMS)}")
            if not certificate.fingerprint:
                problems.append("the certificate has no fingerprint")
    if isinstance(await certifier.certify(theorem, [ProofStep(tactic) for tactic in proof]), CertificationRejected):
        problems.append("it rejects the proof once its tactics are given as ProofStep")
    problems += [
        f"it accepts {tuple(tactics)!r}, which proves nothing"
        for tactics in ((), ("sorry",), tuple(proof)[:-1], *wrong)
        if isinstance(await certifier.certify(theorem, tactics), Certificate)
    ]
    report(certifier, problems)


async def _session_problems(session: ProofSession, proof: Sequence[str], rejected: str) -> list[str]:
    problems = []
    root = session.root
    if root.is_solved:
        problems.append("the root has no goals")
    refusal = await session.run_tactic(root, rejected)
    if not isinstance(refusal, TacticRejected):
        problems.append(f"{rejected!r} at the root is {type(refusal).__name__}, not TacticRejected")
    if not await _raises(ValueError, session.run_tactic(root, proof[0], goal=len(root.goals))):
        problems.append("it runs a tactic on a goal that the state does not have")
    first, again = await session.run_tactic(root, proof[0]), await session.run_tactic(root, proof[0], goal=0)
    if not (isinstance(first, ProofAdvanced) and isinstance(again, ProofAdvanced)):
        return [*problems, f"{proof[0]!r} at the root is {type(first).__name__}, then {type(again).__name__}"]
    if first.state.key != again.state.key:
        problems.append(f"{proof[0]!r} leads from the root to two states with different keys")
    state = first.state
    for tactic in proof[1:]:
        outcome = await session.run_tactic(state, tactic)
        if not isinstance(outcome, ProofAdvanced | ProofFinished):
            return [*problems, f"{tactic!r} of the proof is {type(outcome).__name__}"]
        if isinstance(outcome, ProofFinished) != outcome.state.is_solved:
            problems.append(f"after {tactic!r} it says {type(outcome).__name__} of {len(outcome.state.goals)} goals")
        state = outcome.state
    if not state.is_solved:
        problems.append(f"after the whole proof {len(state.goals)} goals are left")
    await session.free([state])
    await session.free([state])
    if not await _is_stale(session, state, rejected):
        problems.append("a freed state still answers")
    return problems


async def _is_stale(session: ProofSession, state: ProofState, tactic: str) -> bool:
    return await _raises(StaleState, session.run_tactic(state, tactic))


async def _raises(error: type[Exception], work: Awaitable[object]) -> bool:
    try:
        await work
    except error:
        return True
    return False


def _candidate_problems(candidates: Sequence[Candidate]) -> list[str]:
    tactics = [candidate.tactic.strip() for candidate in candidates]
    log_probs = [candidate.log_prob for candidate in candidates]
    problems = []
    if len(set(tactics)) < len(tactics):
        problems.append("it proposed a tactic twice")
    if any(not tactic for tactic in tactics):
        problems.append("it proposed an empty tactic")
    if log_probs != sorted(log_probs, reverse=True):
        problems.append("a likelier candidate came after a less likely one")
    return problems


async def _vectors(encoder: StateEncoder, texts: Sequence[str]) -> list[list[float]]:
    """What ``encoder`` makes of ``texts``.

    Raises:
        ContractBroken: that is no list of vectors.
    """
    answer = await _kept(encoder, answer_of(encoder, "encode", texts))
    try:
        return [list(array("d", vector)) for vector in answer]  # what are no numbers does not go into one
    except (TypeError, ValueError):
        raise ContractBroken(encoder, [f"encode must give one vector per text; it gave {shown(answer)}"]) from None


async def _kept(part: object, answer: Awaitable[T]) -> T:
    """What ``part`` answers.

    Raises:
        ContractBroken: that is of a kind with which no run could go on.
    """
    try:
        return await answer
    except PartBroken as broken:
        raise ContractBroken(part, [str(broken)]) from None


async def _number_problems(part: object, method: str, items: Sequence[Any], what: str, tolerance: float) -> list[str]:
    """What is wrong with the numbers that ``part`` gives: alone, together, in another order and among many."""

    async def ask(some: Sequence[Any]) -> Any:
        return await _kept(part, answer_of(part, method, some))

    together = list(await ask(items))
    problems = []
    if len(together) != len(items):
        problems.append(f"it gave {len(together)} numbers where {len(items)} were due, one per {what}")
    problems += [
        f"{what} {i} gets {number}, not a finite number" for i, number in enumerate(together) if not _finite(number)
    ]
    if problems:
        return problems
    alone = [list(await ask([item])) for item in items]
    turned_round = list(await ask(items[::-1]))[::-1]
    among_many = list(await ask([*items] * _MANY))
    for i, number in enumerate(together):
        for other, how in (
            (alone[i], "alone"),
            (turned_round[i : i + 1], "in another order"),
            (among_many[i : i + 1], "in a larger batch"),
        ):
            if len(other) != 1 or not math.isclose(other[0], number, rel_tol=tolerance, abs_tol=tolerance):
                problems.append(f"{what} {i} gets {number} in the batch and {other} {how}")
    return problems


def _finite(score: object) -> bool:
    return isinstance(score, Real) and math.isfinite(score)


def report(subject: object, problems: Sequence[str]) -> None:
    """Raise :class:`ContractBroken` if there are ``problems``."""
    if problems:
        raise ContractBroken(subject, problems)
