"""One theorem's search while it runs: what an algorithm writes down as it goes, and how it is summed up."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from itertools import islice
from typing import Literal, Protocol, assert_never

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import (
    BatchingSession,
    Candidate,
    Certificate,
    CertificationRejected,
    Edge,
    Node,
    NodeStatus,
    PolicyUse,
    Proof,
    ProofAdvanced,
    ProofCertifier,
    ProofEnvironment,
    ProofFinished,
    ProofSession,
    ProofState,
    SearchOutcome,
    SearchResult,
    SearchStatistics,
    TacticFate,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import EnergyError, LeanEbmError, LeanError, PolicyError, StatementError
from leanebm.search.budget import BudgetMeter, Clock, SearchBudget
from leanebm.search.frontier import Frontier
from leanebm.search.tree import Rival, SearchTree

Phase = Literal["policy", "lean", "score", "certify"]


@attrs.define(kw_only=True, eq=False)
class SearchProgress:
    """One theorem's search so far: its tree, its frontier and its meter, while the proof is open.

    Every hook and every observer of a search is given the progress of the theorem that it is called for.
    """

    theorem: Theorem
    session: ProofSession
    """The open proof, in which tactics are run."""

    tree: SearchTree
    """Every state found."""

    frontier: Frontier
    """The nodes that wait to be expanded. An algorithm that keeps its own queue leaves it empty."""

    meter: BudgetMeter
    """What was spent, and whether more may be."""

    certificate: Certificate | None = attrs.field(init=False, default=None)
    """The proof, once there is one."""

    rejections: list[CertificationRejected] = attrs.field(init=False, factory=list)
    """Candidate proofs that the certifier did not accept."""

    policy_use: PolicyUse = attrs.field(init=False, factory=PolicyUse)
    """What the policy says of its answers."""

    _seconds: defaultdict[Phase, float] = attrs.field(init=False, factory=lambda: defaultdict(float))

    _batching: BatchingSession | None = attrs.field(init=False)
    """The session, if it takes several tactics at once. Asked once: Python 3.11 looks a protocol up anew each time."""

    __repr__ = fitting_repr

    @_batching.default
    def _if_batching(self) -> BatchingSession | None:
        return self.session if isinstance(self.session, BatchingSession) else None

    @property
    def may_expand(self) -> bool:
        """Whether there is a node to expand, a reason to, and a budget for it."""
        return self.certificate is None and len(self.frontier) > 0 and self.meter.allows_expansion

    @contextmanager
    def timed(self, phase: Phase) -> Iterator[None]:
        """Count the seconds until the block is left, however it is left, as spent on ``phase``.

        Each block spent on the policy counts as one question to it.
        """
        self.meter.policy_calls += phase == "policy"
        started_s = self.meter.elapsed_s
        try:
            with self.policy_use.noted() if phase == "policy" else nullcontext():
                yield
        finally:
            self._seconds[phase] += self.meter.elapsed_s - started_s

    def begin_expansion(self, node: Node) -> Expansion:
        """Count ``node`` as expanded from now on; it stays ``PARTIAL`` until the expansion is closed.

        A node that is expanded several times keeps its first place in the order of expansion.
        """
        node.status = NodeStatus.PARTIAL
        if node.expansion is None:  # goals proved apart are asked about one by one
            node.expansion = self.meter.expansions
        self.meter.expansions += 1
        return Expansion(self.tree, node)

    async def run_tactic(self, expansion: Expansion, candidate: Candidate, *, goal: int = 0) -> Edge:
        """Run ``candidate`` on a goal of the expansion's node, count it, and let the tree grow by what came of it.

        Raises:
            ValueError: the node has no goal of that number.
            WorkerLost: the proof assistant broke; nothing is known about the tactic.
        """
        with self.timed("lean"):
            outcome = await self.session.run_tactic(expansion.node.state, candidate.tactic, goal=goal)
        self.meter.tactic_calls += 1
        return expansion.follow(candidate, outcome, goal=goal, found_s=self.meter.elapsed_s)

    async def run_tactics(
        self, expansion: Expansion, candidates: Sequence[Candidate], *, most: int
    ) -> AsyncGenerator[Edge, None]:
        """Like :meth:`run_tactic` for one candidate after the other, until the budget ends.

        Where the session can, it is given up to ``most`` at once, never more than the budget allows. An edge is given
        as soon as there is an answer, and nothing is under way when one has ended the proof.
        """
        waiting = deque(candidates)
        while waiting and self.meter.allows_tactic:
            batch = [each.tactic for each in islice(waiting, most)][: self.meter.tactics_left]
            outcomes = self.outcomes(expansion.node.state, batch)
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    self.meter.tactic_calls += 1
                    yield expansion.follow(waiting.popleft(), outcome, found_s=self.meter.elapsed_s)

    async def outcomes(self, state: ProofState, tactics: Sequence[str]) -> AsyncGenerator[TacticOutcome, None]:
        """What the first of ``tactics``, or more of them, lead to on ``state``; the time counts as Lean's.

        Nothing else is counted, and nothing is entered yet.
        """
        if len(tactics) == 1 or self._batching is None:
            with self.timed("lean"):
                outcome = await self.session.run_tactic(state, tactics[0])
            yield outcome
            return
        outcomes = self._batching.run_tactics(state, tactics, within_s=self.meter.seconds_left)
        async with aclosing(outcomes):
            while True:
                with self.timed("lean"):
                    following = await anext(outcomes, None)
                if following is None:
                    return
                yield following

    async def certify(self, node: Node, certifier: ProofCertifier) -> None:
        """Let ``certifier`` decide on the path to ``node``, which is finished.

        Raises:
            WorkerLost, CommandRefused: the certifier broke or had no time; the proof is neither accepted nor rejected.
        """
        node.status = NodeStatus.FINISHED
        is_certified = await self.certify_proof(node.steps, certifier)
        node.status = NodeStatus.PROVED if is_certified else NodeStatus.REJECTED

    async def certify_proof(self, proof: Proof, certifier: ProofCertifier) -> bool:
        """Let ``certifier`` decide on ``proof``, which may be a tree; returns whether it was certified.

        Raises:
            WorkerLost, CommandRefused: the certifier broke or had no time; the proof is neither accepted nor rejected.
        """
        with self.timed("certify"):
            verdict = await certifier.certify(self.theorem, proof)
        match verdict:
            case Certificate():
                self.certificate = verdict
            case CertificationRejected():
                self.rejections.append(verdict)
            case _:
                assert_never(verdict)
        return self.certificate is verdict

    async def free(self, states: Sequence[ProofState]) -> None:
        """Let the proof assistant forget states on which nothing will be run any more."""
        with self.timed("lean"):
            await self.session.free(states)

    def result(self, error: LeanEbmError | None = None) -> SearchResult:
        """Sum up a search that has ended."""
        statuses = Counter(node.status for node in self.tree.nodes)
        untried = (NodeStatus.OPEN, NodeStatus.PARTIAL, NodeStatus.PRUNED, NodeStatus.UNEXPANDABLE)
        outcome = SearchOutcome.of(
            is_certified=self.certificate is not None,
            has_failed=error is not None,
            was_rejected=bool(self.rejections),
            was_cut_off=any(statuses[status] for status in untried),
        )
        return SearchResult(
            theorem=self.theorem,
            outcome=outcome,
            certificate=self.certificate,
            rejections=tuple(self.rejections),
            nodes=tuple(self.tree.nodes),
            statistics=self._statistics(statuses),
            error=error,
        )

    def _statistics(self, statuses: Counter[NodeStatus]) -> SearchStatistics:
        kinds = Counter(edge.kind for node in self.tree.nodes for edge in node.edges)
        return SearchStatistics(
            nodes=len(self.tree.nodes),
            expansions=self.meter.expansions,
            tactic_calls=kinds.total(),
            policy_calls=self.meter.policy_calls,
            energy_calls=self.meter.energy_calls,
            tactic_rejected=kinds[TacticFate.REJECTED],
            tactic_timed_out=kinds[TacticFate.TIMED_OUT],
            merged=kinds[TacticFate.MERGED],
            cyclic=kinds[TacticFate.CYCLIC],
            unexpandable=statuses[NodeStatus.UNEXPANDABLE],
            pruned=statuses[NodeStatus.PRUNED],
            wall_s=self.meter.elapsed_s,
            policy_s=self._seconds["policy"],
            # Several requests for one state may wait at the same time.
            policy_wait_s=min(self.policy_use.waited_s, self._seconds["policy"]),
            policy_weights=tuple(sorted(self.policy_use.weights)),
            lean_s=self._seconds["lean"],
            score_s=self._seconds["score"],
            certify_s=self._seconds["certify"],
        )


class SearchObserver(Protocol):
    """Follows searches, for instance to show how far they are. It changes nothing."""

    def on_expansion(self, progress: SearchProgress, node: Node) -> None:
        """Called each time a search is about to expand ``node``; it must return at once.

        ``len(progress.tree.nodes)`` and ``progress.meter`` say how far the search is.
        """
        ...


async def conduct_search(
    theorem: Theorem,
    environment: ProofEnvironment,
    algorithm: Callable[[SearchProgress], Awaitable[None]],
    *,
    budget: SearchBudget,
    max_frontier: int | None = None,
    clock: Clock = time.monotonic,
) -> SearchResult:
    """Open ``theorem``, let ``algorithm`` search it, and sum up what it found, also when something broke.

    Args:
        theorem: what is to be proved.
        environment: opens the proof.
        algorithm: grows ``progress.tree`` until it has a certificate or gives up.
        budget: what ``progress.meter`` allows.
        max_frontier: the most nodes that ``progress.frontier`` holds; ``None`` for no bound.
        clock: the seconds in which budgets and statistics are counted.

    Raises:
        StatementError: the theorem's statement or header does not elaborate.
    """
    progress: SearchProgress | None = None
    error: LeanEbmError | None = None
    try:
        async with environment.open(theorem) as session:
            progress = SearchProgress(
                theorem=theorem,
                session=session,
                tree=SearchTree.planted(session.root),
                frontier=Frontier(max_frontier),
                meter=BudgetMeter(budget=budget, clock=clock),
            )
            await algorithm(progress)
    except (LeanError, PolicyError, EnergyError) as failure:
        if progress is None and isinstance(failure, StatementError):
            raise
        error = failure
    return progress.result(error) if progress is not None else SearchResult.unopened(theorem, error)


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates in their order, each text (up to surrounding space) only the first time."""
    first: dict[str, Candidate] = {}
    for candidate in candidates:
        first.setdefault(candidate.tactic.strip(), candidate)
    return list(first.values())


@attrs.define(eq=False)
class Expansion:
    """What running a policy's candidates on ``node`` has led to so far."""

    tree: SearchTree
    node: Node

    children: list[Node] = attrs.field(init=False, factory=list)
    """New nodes with goals left, to be scored and queued."""

    rivals: list[Rival] = attrs.field(init=False, factory=list)
    """Other paths to known nodes, to be scored and compared."""

    spent_states: list[ProofState] = attrs.field(init=False, factory=list)
    """States on which no tactic will be run any more, to be freed."""

    __repr__ = fitting_repr

    def follow(self, candidate: Candidate, outcome: TacticOutcome, *, goal: int = 0, found_s: float) -> Edge:
        """Note what ``candidate`` led to, growing the tree if it is new."""
        kind, target, message = outcome.fate, None, ""
        match outcome:
            case TacticRejected() | TacticTimedOut():
                message = outcome.message
            case ProofFinished():
                target = self.tree.grow(
                    self.node, candidate, outcome.state, goal=goal, found_s=found_s, tactic_s=outcome.elapsed_s
                )
                self.spent_states.append(outcome.state)
            case ProofAdvanced():
                target = self.tree.known(outcome.state)
                if target is None:
                    target = self.tree.grow(
                        self.node, candidate, outcome.state, goal=goal, found_s=found_s, tactic_s=outcome.elapsed_s
                    )
                    self.children.append(target)
                else:
                    kind = self._meet(Rival(target, self.node, candidate, goal), outcome.state)
            case _:
                assert_never(outcome)
        edge = Edge(
            tactic=candidate.tactic,
            log_prob=candidate.log_prob,
            goal=goal,
            kind=kind,
            target=None if target is None else target.index,
            message=message,
            elapsed_s=outcome.elapsed_s,
        )
        self.node.edges.append(edge)
        return edge

    def close(self) -> None:
        """Every candidate was run: say what that makes of the node."""
        led_somewhere = any(edge.target is not None for edge in self.node.edges)
        self.node.status = NodeStatus.EXPANDED if led_somewhere else NodeStatus.DEAD

    def _meet(self, rival: Rival, state: ProofState) -> TacticFate:
        """A tactic led to a state the tree already holds."""
        if state.ref != rival.node.state.ref:  # an environment may answer with the very state it gave before
            self.spent_states.append(state)
        if rival.node in self.node.lineage:
            return TacticFate.CYCLIC
        self.rivals.append(rival)
        return TacticFate.MERGED
