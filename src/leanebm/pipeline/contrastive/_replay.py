"""Replay a known proof, and look beside each of its steps for states that lead nowhere.

A state is called positive only if the whole proof was replayed to its end and certified. Until then nothing is
sampled, and nothing is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from leanebm._shown import fitting_repr, one_line
from leanebm.core import (
    Candidate,
    CertificationRejected,
    ContrastiveGroup,
    NegativeState,
    ProofAdvanced,
    ProofFinished,
    ProofSession,
    ProofState,
    TacticFate,
    TacticPolicy,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.data import ContrastiveRecord, KnownProof, ReplayOutcome
from leanebm.errors import LeanError, PolicyError, PromptTooLong, StatementError
from leanebm.pipeline.contrastive._judge import KnownStates, MeteredPolicy, MeteredSession, NegativeJudge, ReplayMeter
from leanebm.pipeline.contrastive.config import NegativesConfig
from leanebm.pipeline.workbench import Workbench
from leanebm.search.answers import blaming
from leanebm.search.progress import distinct


@attrs.frozen
class ReplayedProof:
    """What became of a known proof."""

    record: ContrastiveRecord
    groups: tuple[ContrastiveGroup, ...]
    error: LeanError | PolicyError | None = None
    """What broke, if the record's outcome is ``infrastructure``."""

    __repr__ = fitting_repr

    @property
    def is_trouble(self) -> bool:
        """Whether the proof gave nothing to learn from."""
        return self.record.outcome is not ReplayOutcome.VERIFIED

    @property
    def line(self) -> str:
        """What came of it, on one line."""
        record = self.record
        line = f"{record.outcome:<16} {record.theorem.name:<32}"
        if not self.is_trouble:
            negatives = record.fates.get(TacticFate.KEPT, 0)
            return f"{line} {record.num_groups:>3} groups {negatives:>4} negatives {record.wall_s:>6.1f} s"
        where = f"step {record.failed_step}: " if record.failed_step >= 0 else ""
        return f"{line} {where}{one_line(record.message)}"


@attrs.frozen
class _Failure(Exception):
    """The tactics do not prove the theorem."""

    outcome: ReplayOutcome
    message: str
    step: int = -1


async def replay_proof(proof: KnownProof, bench: Workbench, config: NegativesConfig, *, run_id: str) -> ReplayedProof:
    """Verify ``proof`` and make a group of each of its steps but the last.

    Never raises for a proof that fails or a worker that is lost: both are outcomes in the record.
    """
    meter = ReplayMeter()
    record = _record_of(proof, ReplayOutcome.VERIFIED, run_id)
    groups: tuple[ContrastiveGroup, ...] = ()
    error: LeanError | PolicyError | None = None
    try:
        async with bench.environment.open(proof.theorem) as session:
            groups = await _groups(proof, MeteredSession(session, meter), bench, config, meter)
    except _Failure as failure:
        record = attrs.evolve(record, outcome=failure.outcome, message=failure.message, failed_step=failure.step)
    except StatementError as refusal:
        record = attrs.evolve(record, outcome=ReplayOutcome.REFUSED, message=refusal.description)
    except (LeanError, PolicyError) as broken:
        record = lost_proof(proof, broken, run_id=run_id)
        error = broken
    return ReplayedProof(_with_costs(record, groups, meter), groups, error)


def lost_proof(proof: KnownProof, error: LeanError | PolicyError, *, run_id: str) -> ContrastiveRecord:
    """The record of a proof whose replay was lost to a worker or a server."""
    record = _record_of(proof, ReplayOutcome.INFRASTRUCTURE, run_id)
    return attrs.evolve(record, message=f"{type(error).__name__}: {error}")


def _record_of(proof: KnownProof, outcome: ReplayOutcome, run_id: str) -> ContrastiveRecord:
    return ContrastiveRecord(
        theorem=proof.theorem, module=proof.module, run_id=run_id, outcome=outcome, num_steps=proof.num_steps
    )


def _with_costs(record: ContrastiveRecord, groups: Sequence[ContrastiveGroup], meter: ReplayMeter) -> ContrastiveRecord:
    return attrs.evolve(
        record,
        num_groups=len(groups),
        fates=dict(meter.fates) if record.outcome is ReplayOutcome.VERIFIED else {},
        tactic_calls=meter.tactic_calls,
        wall_s=meter.elapsed_s,
        policy_s=meter.seconds["policy"],
        lean_s=meter.seconds["lean"],
        certify_s=meter.seconds["certify"],
    )


async def _groups(
    proof: KnownProof, session: ProofSession, bench: Workbench, config: NegativesConfig, meter: ReplayMeter
) -> tuple[ContrastiveGroup, ...]:
    path = await _verified_path(proof, session, bench, meter)
    policy = MeteredPolicy(bench.policy, meter)
    known = KnownStates(path)
    judge = NegativeJudge(proof.theorem, session, policy, config, known)
    decisions = [
        _Decision(proof, path, step, session, policy, judge, config, known, meter) for step in range(len(path) - 1)
    ]
    return tuple([await decision.group() for decision in decisions])


async def _verified_path(
    proof: KnownProof, session: ProofSession, bench: Workbench, meter: ReplayMeter
) -> tuple[ProofState, ...]:
    """The open states of the proof, from its root on; raises a failure unless the whole proof is certified."""
    path = await _replay(proof, session)
    with meter.timed("certify"):
        verdict = await bench.certifier.certify(proof.theorem, proof.tactics[: len(path)])
    if isinstance(verdict, CertificationRejected):
        raise _Failure(ReplayOutcome.UNCERTIFIED, f"{verdict.reason}: {verdict.message}")
    return path


async def _replay(proof: KnownProof, session: ProofSession) -> tuple[ProofState, ...]:
    path = [session.root]
    for step, tactic in enumerate(proof.tactics):
        match await session.run_tactic(path[-1], tactic):
            case ProofFinished(state=finished):
                await session.free([finished])
                return tuple(path)  # what is left of the tactics has nothing left to prove
            case ProofAdvanced(state=state):
                path.append(state)
            case TacticRejected(message=message):
                raise _Failure(ReplayOutcome.TACTIC_REJECTED, message, step)
            case TacticTimedOut(message=message):
                raise _Failure(ReplayOutcome.TACTIC_TIMED_OUT, message, step)
    raise _Failure(ReplayOutcome.UNFINISHED, f"goals are left:\n{path[-1]}")


@attrs.frozen(eq=False)
class _Decision:
    """One step of a verified proof."""

    proof: KnownProof
    path: tuple[ProofState, ...]
    step: int
    session: ProofSession
    policy: TacticPolicy
    judge: NegativeJudge
    config: NegativesConfig
    known: KnownStates
    meter: ReplayMeter

    async def group(self) -> ContrastiveGroup:
        """The step and what stands beside it."""
        parent, positive = self.path[self.step], self.path[self.step + 1]
        candidates = await self._candidates(parent)
        log_probs = {candidate.tactic.strip(): candidate.log_prob for candidate in candidates}
        tactic = self.proof.tactics[self.step]
        return ContrastiveGroup(
            theorem=self.proof.theorem.name,
            module=self.proof.module,
            parent_text=parent.text,
            parent_key=parent.key,
            positive_text=positive.text,
            positive_key=positive.key,
            positive_tactic=tactic,
            positive_log_prob=log_probs.get(tactic.strip()),
            negatives=await self._negatives(parent, candidates),
            depth=self.step,
            remaining_depth=len(self.path) - 1 - self.step,
            source="replay",
            round=self.config.round,
        )

    async def _candidates(self, parent: ProofState) -> list[Candidate]:
        try:
            with blaming(f"the policy, asked about a proof of {self.proof.theorem.name!r},", PolicyError):
                return distinct(await self.policy.propose(parent, self.config.candidates_per_step))
        except PromptTooLong:
            return []

    async def _negatives(self, parent: ProofState, candidates: Sequence[Candidate]) -> tuple[NegativeState, ...]:
        negatives: list[NegativeState] = []
        for candidate in candidates:
            if len(negatives) == self.config.target_negatives:
                self.meter.fates[TacticFate.SURPLUS] += 1
            elif candidate.tactic.strip() == self.proof.tactics[self.step].strip():
                self.meter.fates[TacticFate.KNOWN] += 1
            else:
                self.meter.fates[await self._try(parent, candidate, negatives)] += 1
        return tuple(negatives)

    async def _try(self, parent: ProofState, candidate: Candidate, negatives: list[NegativeState]) -> TacticFate:
        """Run a candidate, and add the state it leads to if that is a negative."""
        outcome = await self.session.run_tactic(parent, candidate.tactic)
        fate = outcome.fate
        if isinstance(outcome, ProofAdvanced):
            fate = await self._judge(outcome.state, candidate, negatives)
        if isinstance(outcome, ProofAdvanced | ProofFinished):
            await self.session.free([outcome.state])
        return fate

    async def _judge(self, state: ProofState, candidate: Candidate, negatives: list[NegativeState]) -> TacticFate:
        if state in self.known:
            return TacticFate.ON_PATH
        if any(state.key == negative.key or state.text == negative.text for negative in negatives):
            return TacticFate.DUPLICATE
        verdict = await self.judge.judge(state)
        if isinstance(verdict, TacticFate):
            return verdict
        negatives.append(
            NegativeState(
                text=state.text,
                key=state.key,
                tactic=candidate.tactic,
                log_prob=candidate.log_prob,
                evidence=verdict,
            )
        )
        return TacticFate.KEPT
