"""Decides whether a state beside a known proof may be called a negative."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from leanebm.core import (
    CertificationResult,
    ProofAdvanced,
    ProofFinished,
    ProofSession,
    ProofState,
    TacticPolicy,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.pipeline.contrastive_config import NegativesConfig
from leanebm.pipeline.rerooted import OpenSession
from leanebm.search import BestFirstSearch, Node, SearchBudget, SearchConfig, SearchOutcome
from leanebm.search.scorers import LengthNormalisedLogProb

__all__ = ["KnownStates", "NegativeJudge", "Verdict"]


class Verdict(enum.Enum):
    """What is known of a state that is not on the proof's path."""

    CLOSED = "closed"
    """Closers prove it."""

    PROVABLE = "provable"
    """A short search from it found a proof, or a way back to a state of the known proof."""

    DEAD = "dead"
    """Lean refused every closer, and everything that the policy proposed, down to the bottom."""

    UNKNOWN = "unknown"
    """None of these."""


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
        if by_closers is Verdict.CLOSED:
            return by_closers
        by_search = await self._search(state)
        if by_search is Verdict.PROVABLE:
            return by_search
        return Verdict.DEAD if by_closers is by_search is Verdict.DEAD else Verdict.UNKNOWN

    async def _close(self, state: ProofState) -> Verdict:
        """Let each closer take the goals that it can; together they may take all."""
        verdict = Verdict.DEAD
        spent: list[ProofState] = []
        remaining = state
        for closer in self._config.closers:
            match await self._session.run_tactic(remaining, f"any_goals ({closer}; done)"):
                case ProofFinished(state=finished):
                    spent.append(finished)
                    verdict = Verdict.CLOSED
                    break
                case ProofAdvanced(state=remaining):
                    spent.append(remaining)
                case TacticTimedOut():
                    verdict = Verdict.UNKNOWN
                case TacticRejected():
                    pass
        await self._session.free(spent)
        return verdict

    async def _search(self, state: ProofState) -> Verdict:
        """Search from ``state`` for a proof, or for a way back to the known one."""
        if not self._config.probe_expansions:
            return Verdict.UNKNOWN
        probe = _Probe(self._policy, OpenSession(self._session, state), self._config, self._known)
        try:
            result = await probe.run(self._theorem)
        except _Proved:
            return Verdict.PROVABLE
        if result.error is not None:
            raise result.error
        was_tried = bool(result.nodes[0].edges) and not result.statistics.tactic_timed_out
        return Verdict.DEAD if was_tried and result.outcome is SearchOutcome.EXHAUSTED else Verdict.UNKNOWN


class _Proved(Exception):
    """The probe met a state that is known to be provable; nothing more need be searched."""


class _Probe(BestFirstSearch):
    """A search that stops at the first state of which something is known."""

    def __init__(
        self, policy: TacticPolicy, environment: OpenSession, config: NegativesConfig, known: KnownStates
    ) -> None:
        super().__init__(
            policy=policy,
            scorer=LengthNormalisedLogProb(),
            environment=environment,
            certifier=_NeverAsked(),
            config=SearchConfig(
                budget=SearchBudget(max_nodes=config.probe_expansions, max_wall_s=config.probe_wall_s),
                candidates_per_state=config.probe_candidates,
            ),
        )
        self._known = known

    def on_node(self, node: Node) -> None:
        # Without a certificate, this errs towards dropping a negative, never towards a false label.
        if node.is_terminal or node.state in self._known:
            raise _Proved


class _NeverAsked:
    """Stands where a certifier has nothing to do: the probe ends before a proof is certified."""

    async def certify(self, theorem: Theorem, tactics: Sequence[str]) -> CertificationResult:
        raise AssertionError(f"a probe of {theorem.name!r} went on behind the proof {list(tactics)}")
