"""Best-first search over proof states."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, aclosing

import attrs
from attrs.validators import ge, instance_of, optional

from leanebm._fields import SAME_RESULTS
from leanebm._shown import named_repr, shown
from leanebm.core import (
    Candidate,
    Edge,
    EnergyModel,
    Leaf,
    Node,
    NodeStatus,
    ProofCertifier,
    ProofEnvironment,
    ProofState,
    SearchResult,
    StateScorer,
    TacticFate,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import ConfigError, EnergyError, LeanEbmError, PartBroken, PolicyError, PromptTooLong
from leanebm.search._side_by_side import SideBySide
from leanebm.search.answers import blaming, candidates_from, energies_of, finite_numbers, proposals_of, scores_of
from leanebm.search.budget import Clock, SearchBudget
from leanebm.search.progress import Expansion, SearchObserver, SearchProgress, conduct_search, distinct
from leanebm.search.scorers import LengthNormalisedLogProb
from leanebm.search.tree import Rival

_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class SearchConfig:
    """How a theorem is searched."""

    budget: SearchBudget = attrs.field(factory=SearchBudget, validator=instance_of(SearchBudget))
    """What one theorem's search may spend."""

    candidates_per_state: int = attrs.field(default=16, validator=[instance_of(int), ge(1)])
    """Tactics that the policy is asked for at each expansion, at least 1."""

    parallel_expansions: int = attrs.field(default=1, validator=[instance_of(int), ge(1)], metadata={"as_before": 1})
    """Nodes of one theorem that are expanded at once, at least 1, for a policy that takes its time: all of them are out
    with it together, and their tactics may run on several Lean workers. A node is then chosen before all is known of
    those chosen just before it. More than 1 is for searches that go through best-first search's own loop."""

    tactics_per_request: int = attrs.field(default=16, validator=[instance_of(int), ge(1)], metadata=SAME_RESULTS)
    """Tactics of one state that Lean is given at once, at least 1. It runs and answers them one by one all the same."""

    max_frontier: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Open nodes that are kept; beyond it the lowest is dropped. ``None`` for no bound."""


class BestFirstSearch:
    """Expand the most promising state, score what comes of it, and repeat until Lean has a proof.

    One object searches many theorems, several at the same time: whatever it writes down of one theorem is in
    that theorem's :class:`~leanebm.search.SearchProgress`, which every hook is given.

    With an energy model every new state gets its energy, once, before it is scored; scorers find it in
    :attr:`Leaf.energy <leanebm.core.Leaf.energy>`. No state is skipped, whatever weight the scorer gives it.

    Equal states are one node (:mod:`leanebm.search.tree`). If a second path reaches a known state
    and the scorer prefers it, the node takes that path and its priority, and everything below it is
    scored again along its new path; nodes that are still open are queued anew, and those that were
    expanded, or dropped by a bounded frontier, are not expanded again.

    A finished state is neither scored nor queued: the path to it is certified at once. A rejected one
    is certified again if a better path to it turns up.

    To search differently, override :meth:`select`, :meth:`expand`, :meth:`priority` or
    :meth:`on_node`; each states what the search relies on.

    Args:
        policy: proposes tactics.
        environment: runs tactics.
        certifier: decides whether a found proof counts.
        scorer: says how promising states are; by default the length-normalised log-probability of their paths.
        energy: says how hard to prove a state is; ``None`` to search without.
        config: budget and breadth.
        observer: is called before each expansion, for instance to show how far the search is.
        clock: the seconds in which budgets and statistics are counted.
    """

    def __init__(
        self,
        *,
        policy: TacticPolicy,
        environment: ProofEnvironment,
        certifier: ProofCertifier,
        scorer: StateScorer | None = None,
        energy: EnergyModel | None = None,
        config: SearchConfig | None = None,
        observer: SearchObserver | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.policy = policy
        self.environment = environment
        self.certifier = certifier
        self.scorer = LengthNormalisedLogProb() if scorer is None else scorer
        self.energy = energy
        self.config = SearchConfig() if config is None else config
        self._check_parallel()
        self._check_hooks()
        self.observer = observer
        self._clock = clock
        self._is_warned = False

    __repr__ = named_repr("config")

    def _check_parallel(self) -> None:
        """Refuse to expand side by side where a subclass does more than the hooks say."""
        if (objection := objection_to_parallel(type(self), self.config)) is not None:
            raise ConfigError(objection)

    def _check_hooks(self) -> None:
        for hook in (self.select, self.on_node):
            if inspect.iscoroutinefunction(hook):
                raise ConfigError(f"{hook.__qualname__} must be a plain `def`: it is called, and nobody awaits it")

    async def run(self, theorem: Theorem | str) -> SearchResult:
        """Search for a proof of ``theorem``, a theorem or a statement such as ``"1 + 1 = 2"``.

        A failure of Lean, the policy or the scorer does not raise: it is the result's ``error``, with
        everything found until then. Cancellation raises, and closes the proof on its way; what
        was found until then has been passed to :meth:`on_node`.

        Raises:
            StatementError: the theorem's statement or header does not elaborate.
            PartBroken: a part or a hook did not keep its contract, or raised an error of ours that this does not name.
        """
        self._warn_of_unread_energies()
        return await conduct_search(
            Theorem.read(theorem),
            self.environment,
            self._search,
            budget=self.config.budget,
            max_frontier=self.config.max_frontier,
            clock=self._clock,
        )

    def _warn_of_unread_energies(self) -> None:
        """At the first theorem, for not every search that is made is run."""
        is_unread = self.energy is not None and getattr(self.scorer, "reads_energy", None) is False
        if is_unread and not self._is_warned:
            self._is_warned = True
            _log.warning(
                "the search has an energy model, but its scorer, %s, looks at no energy: every state is scored by the "
                "model, to no effect. Make NegativeEnergy() a term of a WeightedSum, or give no energy model",
                type(self.scorer).__name__,
            )

    # --- the algorithm --------------------------------------------------------------------------

    async def _search(self, progress: SearchProgress) -> None:
        """Select, expand, score and push, until there is a proof, no node or no budget."""
        await self._plant(progress)
        if self.config.parallel_expansions > 1:
            await self._side_by_side().run(progress)
            return
        while progress.may_expand:
            node = self._select(progress)
            expansion = await self._expand(progress, node)
            if node.status is NodeStatus.PARTIAL:  # a proof was found, or the budget ended within
                break
            await self._evaluate(progress, expansion)
            await progress.free(expansion.spent_states)

    def _side_by_side(self) -> SideBySide:
        return SideBySide(
            most=self.config.parallel_expansions,
            candidates_per_state=self.config.candidates_per_state,
            tactics_per_request=self.config.tactics_per_request,
            select=self._select,
            begin=self._begin,
            ask=self._ask,
            take=self._take,
            run_rest=self._run_tactics,
            evaluate=self._evaluate,
        )

    # --- hooks ----------------------------------------------------------------------------------

    def select(self, progress: SearchProgress) -> Node:
        """Remove an open node from ``progress.frontier``, which is not empty, and return it to be expanded."""
        return progress.frontier.pop()

    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:  # noqa: ARG002 - overriders use it
        """The tactics to run on ``node``, in the order to run them.

        Texts that occur twice are run once, and no more than ``config.candidates_per_state`` are run.

        Raises:
            PromptTooLong: the policy cannot be asked about this node; the search goes on without it.
            PolicyError: the policy failed; the search ends and carries the error.
        """
        return await proposals_of(self.policy, node.state, self.config.candidates_per_state)

    async def priority(self, progress: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:  # noqa: ARG002
        """One finite number per leaf, in the same order; **higher is expanded sooner**.

        ``leaves`` are all that one expansion led to, new states and other paths to known ones alike,
        so that a scorer sees one batch; states below a node whose path changed come as a batch too.
        It is never empty and holds no finished state.

        Raises:
            EnergyError, PolicyError: the leaves cannot be scored; the search ends and carries the error.
            PartBroken: the scorer did not give one number per leaf, and never will; the run ends.
        """
        return await scores_of(self.scorer, leaves)

    def on_node(self, progress: SearchProgress, node: Node) -> None:
        """Called once for each new node, the root first, as soon as Lean has made it.

        The node has not been scored yet; it lives on, and later changes of its priority and
        its place in the tree can be read from it. Whatever this raises ends the search and propagates.
        """

    # --- its steps ------------------------------------------------------------------------------

    async def _plant(self, progress: SearchProgress) -> None:
        root = progress.tree.root
        self._tell(progress, root)
        if root.is_terminal:
            await progress.certify(root, self.certifier)
        else:
            await self._weigh(progress, [root])
            [root.priority] = await self._score(progress, [root.leaf(progress.theorem)])
            await self._push(progress, root)

    def _blaming(self, hook: str, *allowed: type[LeanEbmError]) -> AbstractContextManager[None]:
        """An error of ours that a hook raises by itself is its mistake, and no failure of Lean or a server."""
        return blaming(f"{type(self).__name__}.{hook}", *allowed, among=LeanEbmError)

    def _tell(self, progress: SearchProgress, node: Node) -> None:
        with self._blaming("on_node"):
            self.on_node(progress, node)

    def _select(self, progress: SearchProgress) -> Node:
        """What :meth:`select` answers, if it can be expanded."""
        with self._blaming("select"):
            node: object = self.select(progress)
        if not isinstance(node, Node) or node.status is not NodeStatus.OPEN or node in progress.frontier:
            raise PartBroken(
                f"{type(self).__name__}.select must take an open node out of progress.frontier and return it, as "
                f"progress.frontier.pop() and .take(node) do; it returned {shown(node)}"
            )
        return node

    async def _expand(self, progress: SearchProgress, node: Node) -> Expansion:
        """Ask the policy about ``node`` and run what it proposes."""
        expansion = self._begin(progress, node)
        candidates = await self._ask(progress, expansion, node)
        if candidates is not None:
            await self._run_tactics(progress, expansion, candidates)
        expansion.spent_states.append(node.state)
        return expansion

    def _begin(self, progress: SearchProgress, node: Node) -> Expansion:
        if self.observer is not None:
            self.observer.on_expansion(progress, node)
        return progress.begin_expansion(node)

    async def _ask(self, progress: SearchProgress, expansion: Expansion, view: Node) -> Sequence[Candidate] | None:
        """The tactics to run, or ``None`` if there is nothing to ask, which the node's status then says.

        ``view`` is what is shown to the policy: the expansion's node, or a part of it.
        """
        try:
            with progress.timed("policy"), self._blaming("expand", PolicyError):
                candidates = await self.expand(progress, view)
        except PromptTooLong:
            expansion.node.status = NodeStatus.UNEXPANDABLE
            return None
        return distinct(candidates_from(self, candidates))[: self.config.candidates_per_state]

    async def _run_tactics(
        self, progress: SearchProgress, expansion: Expansion, candidates: Sequence[Candidate]
    ) -> None:
        """Run candidates until one completes a proof or the budget ends; otherwise close the expansion."""
        num_run = 0
        async with aclosing(progress.run_tactics(expansion, candidates, most=self.config.tactics_per_request)) as edges:
            async for edge in edges:
                num_run += 1
                await self._take(progress, edge)
                if progress.certificate is not None:
                    return
        if num_run == len(candidates):
            expansion.close()

    async def _run_tactic(
        self, progress: SearchProgress, expansion: Expansion, candidate: Candidate, *, goal: int = 0
    ) -> Edge:
        """Run one candidate, and have the proof certified if it completes one."""
        edge = await progress.run_tactic(expansion, candidate, goal=goal)
        await self._take(progress, edge)
        return edge

    async def _take(self, progress: SearchProgress, edge: Edge) -> None:
        """Tell of a new node, and have the proof certified if that is the end of one."""
        if edge.kind in (TacticFate.ADVANCED, TacticFate.FINISHED):
            self._tell(progress, progress.tree.nodes[-1])
        if edge.kind is TacticFate.FINISHED:
            await progress.certify(progress.tree.nodes[-1], self.certifier)

    async def _evaluate(self, progress: SearchProgress, expansion: Expansion) -> None:
        """Score what an expansion led to, queue what is new, and let better paths replace worse ones."""
        children, rivals = expansion.children, expansion.rivals
        await self._weigh(progress, children)
        leaves = [child.leaf(progress.theorem) for child in children]
        leaves += [rival.leaf(progress.theorem) for rival in rivals]
        scores = await self._score(progress, leaves)
        for child, score in zip(children, scores[: len(children)], strict=True):
            child.priority = score
            await self._push(progress, child)
        for rival, score in zip(rivals, scores[len(children) :], strict=True):
            if progress.certificate is not None:
                return
            if rival.node.priority is None or score <= rival.node.priority:
                continue
            # Of rivals with different parents, one that was adopted may have made another a cycle.
            if rival.node not in rival.parent.lineage:
                await self._adopt(progress, rival, score)

    async def _adopt(self, progress: SearchProgress, rival: Rival, score: float) -> None:
        """Hang a node from its better path, and bring everything below it up to date."""
        node, *below = progress.tree.move(rival)
        unfinished = [node for node in below if not node.is_terminal]
        scores = await self._score(progress, [node.leaf(progress.theorem) for node in unfinished])
        for moved, priority in zip((node, *unfinished), (score, *scores), strict=True):
            moved.priority = priority
            if moved in progress.frontier:
                await self._push(progress, moved)
        for moved in below:
            if moved.status is NodeStatus.REJECTED and progress.certificate is None:
                await progress.certify(moved, self.certifier)

    async def _weigh(self, progress: SearchProgress, nodes: Sequence[Node]) -> None:
        """Give new nodes their energies, in one batch."""
        for node, energy in zip(nodes, await self._energies(progress, [node.state for node in nodes]), strict=True):
            node.energy = energy

    async def _energies(self, progress: SearchProgress, states: Sequence[ProofState]) -> Sequence[float | None]:
        if self.energy is None or not states:
            return [None] * len(states)
        with progress.timed("score"):
            energies = await energies_of(self.energy, states)
        progress.meter.energy_calls += len(states)
        return energies

    async def _score(self, progress: SearchProgress, leaves: Sequence[Leaf]) -> Sequence[float]:
        if not leaves:
            return ()
        with progress.timed("score"), self._blaming("priority", EnergyError, PolicyError):
            scores = await self.priority(progress, leaves)
        return finite_numbers(scores, len(leaves), self, "number per leaf")

    async def _push(self, progress: SearchProgress, node: Node) -> Node | None:
        """Queue ``node``; returns the one that was dropped for it."""
        dropped = progress.frontier.push(node)
        if dropped is not None:
            dropped.status = NodeStatus.PRUNED
            await progress.free([dropped.state])
        return dropped


def objection_to_parallel(search: object, config: SearchConfig) -> str | None:
    """Why ``search``, if it is a class made of :class:`BestFirstSearch`, cannot expand as many nodes at once."""
    if config.parallel_expansions == 1 or not (isinstance(search, type) and issubclass(search, BestFirstSearch)):
        return None
    if all(getattr(search, step) is getattr(BestFirstSearch, step) for step in _STEPS_SIDE_BY_SIDE):
        return None
    return (
        f"{search.__name__} expands one node after the other, so parallel_expansions (--parallel-expansions) must be "
        f"1 for it, not {config.parallel_expansions}"
    )


_STEPS_SIDE_BY_SIDE = ("_search", "_expand", "_ask", "_run_tactics", "_run_tactic")
