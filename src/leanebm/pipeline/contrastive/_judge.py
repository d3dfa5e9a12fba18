"""Decides whether a state beside a known proof may be called a negative."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import attrs

from leanebm.core import (
    Candidate,
    CertificationResult,
    Evidence,
    Node,
    Proof,
    ProofAdvanced,
    ProofFinished,
    ProofSession,
    ProofState,
    SearchOutcome,
    TacticFate,
    TacticOutcome,
    TacticPolicy,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.pipeline.contrastive._rerooted import SessionEnvironment
from leanebm.pipeline.contrastive.config import NegativesConfig
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig, SearchProgress
from leanebm.search.answers import proposals_of

Verdict = Literal[TacticFate.CLOSED, TacticFate.PROVABLE] | Evidence
"""What is known of a state that is not on the proof's path: how it was proved, or the evidence that it cannot be."""


class KnownStates:
    """The states of a verified proof, all of which are provable.

    A state is one of them if Lean says that it is the same, or if it reads the same: what an encoder cannot tell
    apart must not carry two labels.
    """

    def __init__(self, states: Sequence[ProofState]) -> None:
        self._marks = {mark for state in states for mark in (state.key, state.text)}

    def __contains__(self, state: ProofState) -> bool:
        return state.key in self._marks or state.text in self._marks


class NegativeJudge:
    """Tries to prove states of one theorem, and remembers what came of it.

    First each closer takes the goals that it can. What is left over is searched from, with a small budget.

    A state is ``DEAD`` only if Lean *refused* every closer, and if the search expanded everything that can be
    reached from it: the policy proposed something at the state itself, and every line ended in states where all
    that was proposed was refused or led back. Where a tactic ran into a limit, nobody knows.

    Args:
        theorem: whose states they are.
        session: the theorem's proof.
        policy: proposes tactics.
        config: which closers, and how far to search.
        known: the states of the known proof.
    """

    def __init__(
        self,
        theorem: Theorem,
        session: ProofSession,
        policy: TacticPolicy,
        config: NegativesConfig,
        known: KnownStates,
    ) -> None:
        self._theorem = theorem
        self._session = session
        self._policy = policy
        self._config = config
        self._known = known
        self._verdicts: dict[str, Verdict] = {}

    async def judge(self, state: ProofState) -> Verdict:
        """What is known of ``state``, which is open and not on the path.

        Raises:
            LeanError, PolicyError: something broke; nothing is known.
        """
        if state.key not in self._verdicts:
            self._verdicts[state.key] = await self._try_to_prove(state)
        return self._verdicts[state.key]

    async def _try_to_prove(self, state: ProofState) -> Verdict:
        by_closers = await self._close(state)
        if by_closers is TacticFate.CLOSED:
            return by_closers
        by_search = await self._search(state)
        if by_search is TacticFate.PROVABLE:
            return by_search
        return Evidence.DEAD if by_closers is by_search is Evidence.DEAD else Evidence.UNKNOWN

    async def _close(self, state: ProofState) -> Verdict:
        """Let each closer take the goals that it can; together they may take all."""
        verdict: Verdict = Evidence.DEAD
        spent: list[ProofState] = []
        remaining = state
        for closer in self._config.closers:
            match await self._session.run_tactic(remaining, f"any_goals ({closer}; done)"):
                case ProofFinished(state=finished):
                    spent.append(finished)
                    verdict = TacticFate.CLOSED
                    break
                case ProofAdvanced(state=remaining):
                    spent.append(remaining)
                case TacticTimedOut():
                    verdict = Evidence.UNKNOWN
                case TacticRejected():
                    pass
        await self._session.free(spent)
        return verdict

    async def _search(self, state: ProofState) -> Verdict:
        """Search from ``state`` for a proof, or for a way back to the known one."""
        if not self._config.probe_expansions:
            return Evidence.UNKNOWN
        probe = _Probe(self._policy, SessionEnvironment(self._session, state), self._config, self._known)
        try:
            result = await probe.run(self._theorem)
        except _Proved:
            return TacticFate.PROVABLE
        if result.error is not None:
            raise result.error
        was_tried = bool(result.nodes[0].edges) and not result.statistics.tactic_timed_out
        return Evidence.DEAD if was_tried and result.outcome is SearchOutcome.EXHAUSTED else Evidence.UNKNOWN


class _Proved(Exception):
    """The probe met a state that is known to be provable; nothing more need be searched."""


class _Probe(BestFirstSearch):
    """A search that stops at the first state of which something is known."""

    def __init__(
        self, policy: TacticPolicy, environment: SessionEnvironment, config: NegativesConfig, known: KnownStates
    ) -> None:
        super().__init__(
            policy=policy,
            environment=environment,
            certifier=_NeverAsked(),
            config=SearchConfig(
                budget=SearchBudget(max_expansions=config.probe_expansions, max_wall_s=config.probe_wall_s),
                candidates_per_state=config.probe_candidates,
            ),
        )
        self._known = known

    def on_node(self, progress: SearchProgress, node: Node) -> None:  # noqa: ARG002 - the node says enough
        # Without a certificate, this errs towards dropping a negative, never towards a false label.
        if node.is_terminal or node.state in self._known:
            raise _Proved


class _NeverAsked:
    """Stands where a certifier has nothing to do: the probe ends before a proof is certified."""

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        raise AssertionError(f"a probe of {theorem.name!r} went on behind the proof {list(proof)}")


Phase = Literal["policy", "lean", "certify"]


@attrs.define(eq=False)
class ReplayMeter:
    """Counts as a theorem is worked on. It starts when it is made."""

    fates: Counter[TacticFate] = attrs.field(factory=Counter)
    tactic_calls: int = 0
    seconds: defaultdict[Phase, float] = attrs.field(factory=lambda: defaultdict(float))
    _started_s: float = attrs.field(factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the meter was made."""
        return time.monotonic() - self._started_s

    @contextmanager
    def timed(self, phase: Phase) -> Iterator[None]:
        """Count the seconds until the block is left, however it is left, as spent on ``phase``."""
        started_s = time.monotonic()
        try:
            yield
        finally:
            self.seconds[phase] += time.monotonic() - started_s


@attrs.frozen
class MeteredSession:
    """A :class:`~leanebm.core.ProofSession` whose tactics are counted."""

    session: ProofSession
    meter: ReplayMeter

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        return self.session.root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic``, and count it."""
        with self.meter.timed("lean"):
            outcome = await self.session.run_tactic(state, tactic, goal=goal)
        self.meter.tactic_calls += 1
        return outcome

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget ``states``."""
        with self.meter.timed("lean"):
            await self.session.free(states)


@attrs.frozen
class MeteredPolicy:
    """A :class:`~leanebm.core.TacticPolicy` whose time is counted."""

    policy: TacticPolicy
    meter: ReplayMeter

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """What the policy proposes."""
        with self.meter.timed("policy"):
            return await proposals_of(self.policy, state, n)
