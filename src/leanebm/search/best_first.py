"""Best-first search over proof states."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import assert_never

import attrs
from attrs.validators import ge, instance_of, optional

from leanebm.core import (
    Candidate,
    Certificate,
    CertificationRejected,
    EnergyModel,
    Leaf,
    ProofCertifier,
    ProofEnvironment,
    ProofState,
    StateScorer,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import EnergyError, LeanEbmError, LeanError, PolicyError, PromptTooLong, StatementError
from leanebm.search.budget import BudgetMeter, Clock, SearchBudget
from leanebm.search.frontier import Frontier
from leanebm.search.progress import Expansion, SearchProgress, distinct
from leanebm.search.result import SearchResult
from leanebm.search.tree import EdgeKind, Node, NodeStatus, Rival, SearchTree

__all__ = ["BestFirstSearch", "SearchConfig"]


@attrs.frozen(kw_only=True)
class SearchConfig:
    """How a theorem is searched."""

    budget: SearchBudget = attrs.field(factory=SearchBudget, validator=instance_of(SearchBudget))
    """What one theorem's search may spend."""

    candidates_per_state: int = attrs.field(default=16, validator=[instance_of(int), ge(1)])
    """Tactics that the policy is asked for at each expansion, at least 1."""

    max_frontier: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Open nodes that are kept; beyond it the lowest is dropped. ``None`` for no bound."""


class BestFirstSearch:
    """Expand the most promising state, score what comes of it, and repeat until Lean has a proof.

    One object may search many theorems at once: all that a search writes down is its own.

    With an energy model every new state gets its energy, once, before it is scored; scorers find it in
    :attr:`Leaf.energy <leanebm.core.Leaf.energy>`. No state is skipped, whatever weight the scorer gives it.

    Equal states are one node (:mod:`leanebm.search.tree`). If a second path reaches a known state
    and the scorer prefers it, the node takes that path and its priority, and everything below it is
    scored again along its new path; nodes that are still open are queued anew, and those that were
    expanded, or dropped by a bounded frontier, are not expanded again.

    A finished state is never evaluated nor queued: the path to it is certified at once. A rejected one
    is certified again if a better path to it turns up.

    To search differently, override :meth:`select`, :meth:`expand`, :meth:`priority` or
    :meth:`on_node`; each states what the search relies on.

    Args:
        policy: proposes tactics.
        scorer: says how promising states are.
        environment: runs tactics.
        certifier: decides whether a found proof counts.
        energy: says how hard to prove a state is; ``None`` to search without.
        config: budget and breadth.
        clock: the seconds that budgets and statistics are told in.
    """

    def __init__(
        self,
        *,
        policy: TacticPolicy,
        scorer: StateScorer,
        environment: ProofEnvironment,
        certifier: ProofCertifier,
        energy: EnergyModel | None = None,
        config: SearchConfig | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.policy = policy
        self.scorer = scorer
        self.environment = environment
        self.certifier = certifier
        self.energy = energy
        self.config = SearchConfig() if config is None else config
        self._clock = clock

    async def run(self, theorem: Theorem) -> SearchResult:
        """Search for a proof of ``theorem``.

        A failure of Lean, the policy or the scorer does not raise: it is the result's ``error``, with
        everything found until then. Cancellation raises, and closes the proof on its way; what
        was found until then has been passed to :meth:`on_node`.

        Raises:
            StatementError: the theorem's statement or header does not elaborate.
        """
        progress: SearchProgress | None = None
        error: LeanEbmError | None = None
        try:
            async with self.environment.open(theorem) as session:
                progress = SearchProgress(
                    theorem=theorem,
                    session=session,
                    tree=SearchTree.planted(session.root),
                    frontier=Frontier(self.config.max_frontier),
                    meter=BudgetMeter(budget=self.config.budget, clock=self._clock),
                )
                await self._search(progress)
        except (LeanError, PolicyError, EnergyError) as failure:
            if progress is None and isinstance(failure, StatementError):
                raise
            error = failure
        return progress.result(error) if progress is not None else SearchResult.unopened(theorem, error)

    # --- hooks ----------------------------------------------------------------------------------

    def select(self, frontier: Frontier) -> Node:
        """Remove a node from ``frontier``, which is not empty, and return it to be expanded."""
        return frontier.pop()

    async def expand(self, node: Node) -> Sequence[Candidate]:
        """The tactics to run on ``node``, in the order to run them.

        Texts that occur twice are run once, and no more than ``config.candidates_per_state`` are run.

        Raises:
            PromptTooLong: the policy cannot be asked about this node; the search goes on without it.
            PolicyError: the policy failed; the search ends and carries the error.
        """
        return await self.policy.propose(node.state, self.config.candidates_per_state)

    async def priority(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """One finite number a leaf, in the same order; **higher is expanded sooner**.

        ``leaves`` are all that one expansion led to, new states and other paths to known ones alike,
        so that a scorer sees one batch; states below a node whose path changed come as a batch too.
        It is never empty and holds no finished state.

        Raises:
            EnergyError, PolicyError: the leaves cannot be scored; the search ends and carries the error.
        """
        return await self.scorer.score(leaves)

    def on_node(self, node: Node) -> None:
        """Called once for each new node, the root first, as soon as Lean has made it.

        The node has not been scored yet; it lives on, and later changes of its priority and
        its place in the tree can be read from it. Whatever this raises ends the search and propagates.
        """

    # --- the algorithm --------------------------------------------------------------------------

    async def _search(self, run: SearchProgress) -> None:
        """Select, expand, evaluate and push, until there is a proof, no node or no budget."""
        await self._plant(run)
        while run.may_expand:
            node = self.select(run.frontier)
            expansion = await self._expand(run, node)
            if node.status is NodeStatus.PARTIAL:
                break
            await self._evaluate(run, expansion)
            await self._free(run, expansion.spent_states)

    async def _plant(self, run: SearchProgress) -> None:
        root = run.tree.root
        self.on_node(root)
        if root.is_terminal:
            await self._certify(run, root)
        else:
            await self._weigh(run, [root])
            [root.priority] = await self._score(run, [root.leaf(run.theorem)])
            await self._push(run, root)

    async def _expand(self, run: SearchProgress, node: Node) -> Expansion:
        """Ask the policy about ``node`` and run what it proposes."""
        expansion = Expansion(run.tree, node)
        node.status = NodeStatus.PARTIAL  # until every candidate was run, whatever interrupts us
        node.expansion = run.meter.expansions
        run.meter.expansions += 1
        try:
            with run.timed("policy"):
                candidates = await self.expand(node)
        except PromptTooLong:
            node.status = NodeStatus.UNEXPANDABLE
        else:
            await self._run_tactics(run, expansion, candidates)
        expansion.spent_states.append(node.state)
        return expansion

    async def _run_tactics(self, run: SearchProgress, expansion: Expansion, candidates: Sequence[Candidate]) -> None:
        """Run candidates until one completes a proof or the budget ends; otherwise close the expansion."""
        for candidate in distinct(candidates)[: self.config.candidates_per_state]:
            if not run.meter.allows_tactic:
                return
            with run.timed("lean"):
                outcome = await run.session.run_tactic(expansion.node.state, candidate.tactic)
            run.meter.tactic_calls += 1
            edge = expansion.follow(candidate, outcome, found_s=run.meter.elapsed_s)
            if edge.kind in (EdgeKind.ADVANCED, EdgeKind.FINISHED):
                self.on_node(run.tree.nodes[-1])
            if edge.kind is EdgeKind.FINISHED:
                await self._certify(run, run.tree.nodes[-1])
            if run.certificate is not None:
                return
        expansion.close()

    async def _evaluate(self, run: SearchProgress, expansion: Expansion) -> None:
        """Score what an expansion led to, queue what is new, and let better paths replace worse ones."""
        children, rivals = expansion.children, expansion.rivals
        await self._weigh(run, children)
        leaves = [child.leaf(run.theorem) for child in children] + [rival.leaf(run.theorem) for rival in rivals]
        scores = await self._score(run, leaves)
        for child, score in zip(children, scores[: len(children)], strict=True):
            child.priority = score
            await self._push(run, child)
        for rival, score in zip(rivals, scores[len(children) :], strict=True):
            if run.certificate is None and rival.node.priority is not None and score > rival.node.priority:
                await self._adopt(run, rival, score)

    async def _adopt(self, run: SearchProgress, rival: Rival, score: float) -> None:
        """Hang a node from its better path, and bring everything below it up to date."""
        node, *below = run.tree.move(rival)
        unfinished = [node for node in below if not node.is_terminal]
        scores = await self._score(run, [node.leaf(run.theorem) for node in unfinished])
        for moved, priority in zip((node, *unfinished), (score, *scores), strict=True):
            moved.priority = priority
            if moved in run.frontier:
                await self._push(run, moved)
        for moved in below:
            if moved.status is NodeStatus.REJECTED and run.certificate is None:
                await self._certify(run, moved)

    async def _weigh(self, run: SearchProgress, nodes: Sequence[Node]) -> None:
        """Give new nodes their energies, in one batch."""
        if self.energy is None or not nodes:
            return
        with run.timed("score"):
            energies = await self.energy.energies([node.state for node in nodes])
        _require_finite(energies, len(nodes), self.energy, "energy a state")
        for node, energy in zip(nodes, energies, strict=True):
            node.energy = energy

    async def _score(self, run: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:
        if not leaves:
            return ()
        with run.timed("score"):
            scores = await self.priority(leaves)
        _require_finite(scores, len(leaves), self.scorer, "number a leaf")
        return scores

    async def _push(self, run: SearchProgress, node: Node) -> None:
        dropped = run.frontier.push(node)
        if dropped is not None:
            dropped.status = NodeStatus.PRUNED
            await self._free(run, [dropped.state])

    async def _certify(self, run: SearchProgress, node: Node) -> None:
        """Let the certifier decide on the path to a finished node."""
        node.status = NodeStatus.FINISHED
        with run.timed("certify"):
            verdict = await self.certifier.certify(run.theorem, node.tactics)
        match verdict:
            case Certificate():
                node.status, run.certificate = NodeStatus.PROVED, verdict
            case CertificationRejected():
                node.status = NodeStatus.REJECTED
                run.rejections.append(verdict)
            case _:
                assert_never(verdict)

    async def _free(self, run: SearchProgress, states: Sequence[ProofState]) -> None:
        with run.timed("lean"):
            await run.session.free(states)


def _require_finite(numbers: Sequence[float], count: int, giver: object, what: str) -> None:
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        raise EnergyError(
            f"{type(giver).__name__} must give one finite {what}; where {count} were due it gave {list(numbers)}"
        )
