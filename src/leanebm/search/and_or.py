"""Search that proves goals separately where they share nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Final

import attrs

from leanebm.core import Goal, Leaf, Node, NodeStatus, ProofState, ProofStep, TacticFate
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import Expansion, SearchProgress
from leanebm.search.tree import Rival

_NUMBERED: Final = re.compile(r"✝[¹²³⁰⁴-⁹]*|\?[\w.]+")
"""Names that may be other ones in a state that is equal."""


class AndOrSearch(BestFirstSearch):
    """Best-first search over an and/or graph: *and* over goals that share no metavariable, *or* over tactics.

    Best-first search goes through the goals of a state in their order: it learns that the second one is hopeless when
    it has proved the first, and what the first one took makes the second look unlikely. Here each goal is a *task* of
    its own. The next task is the one of highest priority that can still matter: it is not proved, and no goal beside it
    has been given up. Its path is the tactics above it, without those of its neighbours.

    Goals that share metavariables, directly or through others, are one task: solving one may settle another
    (:attr:`ProofState.coupling <leanebm.core.ProofState.coupling>`). A tactic that reaches beyond its task leads
    nowhere. What is found is a tree, and certified as one; a proof in which no goals were proved apart is certified as
    a path, as usual. If a tree is rejected, the tactic that completed it is given up.

    The policy, the energy model and the scorer see a task's goals alone. A node's priority is that of its best task; it
    has an energy where its task is the whole state. ``config.max_frontier`` is not looked at.

    And/or search is as old as N. Nilsson's *Problem-solving methods in artificial intelligence* (1971); HyperTree Proof
    Search (Lample et al., 2022, https://arxiv.org/abs/2205.11491) brought it to language models.
    """

    async def _search(self, progress: SearchProgress) -> None:
        root = progress.tree.root
        self._tell(progress, root)
        if root.is_terminal:
            await progress.certify(root, self.certifier)
            return
        graph = _Graph(_Task(root, 0, len(root.state.goals)))
        await self._appraise(progress, graph)
        while progress.certificate is None and progress.meter.allows_expansion:
            task = graph.take_best()
            if task is None:
                break
            await self._attempt(progress, graph, task)

    async def _attempt(self, progress: SearchProgress, graph: _Graph, task: _Task) -> None:
        """Ask the policy about a task, run what it proposes, and weigh the tasks that this leads to."""
        view = attrs.evolve(task.node, state=task.state)
        expansion = self._begin(progress, task.node)
        candidates = await self._ask(progress, expansion, view)
        task.is_open = False
        for candidate in candidates or ():
            if not progress.meter.allows_tactic:
                return
            edge = await self._run_tactic(progress, expansion, candidate, goal=task.start)
            if edge.kind in (TacticFate.ADVANCED, TacticFate.MERGED) and edge.target is not None:
                way = graph.add_way(task, candidate.tactic, progress.tree.nodes[edge.target])
                await self._settle(progress, graph, way)
            if progress.certificate is not None:
                return
        if candidates is not None:
            expansion.close()
        await self._appraise(progress, graph)
        await self._reconsider(progress, graph, expansion.rivals)
        graph.give_up_if_hopeless(task)
        await self._tidy(progress, graph, expansion)

    async def _settle(self, progress: SearchProgress, graph: _Graph, way: _Way | None) -> None:
        """See what a new way proves; if that is the theorem, have it certified."""
        proved = graph.settle(way) if way is not None else []
        if graph.root in proved and not await progress.certify_proof(graph.root.proof(), self.certifier):
            graph.revoke(proved)

    async def _appraise(self, progress: SearchProgress, graph: _Graph) -> None:
        """Give new tasks their energies and priorities, in one batch each, and queue them."""
        tasks = graph.take_new()
        for task, energy in zip(tasks, await self._energies(progress, [task.state for task in tasks]), strict=True):
            task.energy = energy
            if task.state is task.node.state:
                task.node.energy = energy
        await self._rank(progress, graph, tasks)

    async def _rank(self, progress: SearchProgress, graph: _Graph, tasks: Sequence[_Task]) -> None:
        scores = await self._score(progress, [task.leaf(task.node.leaf(progress.theorem)) for task in tasks])
        for task, score in zip(tasks, scores, strict=True):
            node, task.priority = task.node, score
            node.priority = score if node.priority is None else max(score, node.priority)
        graph.queue(task for task in tasks if task.is_open)

    async def _reconsider(self, progress: SearchProgress, graph: _Graph, rivals: Sequence[Rival]) -> None:
        """Hang nodes from better paths, and rank the tasks anew that are there or below."""
        ways = [(rival, graph.tasks_of(rival.node)) for rival in rivals]
        leaves = [task.leaf(rival.leaf(progress.theorem)) for rival, tasks in ways for task in tasks]
        scores = iter(await self._score(progress, leaves))
        for rival, tasks in ways:
            best = max((next(scores) for _ in tasks), default=-math.inf)
            # One that was moved may have made a cycle of another.
            if rival.node.priority is None or best <= rival.node.priority or rival.node in rival.parent.lineage:
                continue
            moved = progress.tree.move(rival)
            for node in moved:
                node.priority = None
            await self._rank(progress, graph, [task for node in moved for task in graph.tasks_of(node)])

    async def _tidy(self, progress: SearchProgress, graph: _Graph, expansion: Expansion) -> None:
        """Free a state if nothing will be run on it any more."""
        node, spent = expansion.node, expansion.spent_states
        tasks = graph.tasks_of(node)
        if any(task.is_open for task in tasks):
            node.status = NodeStatus.PARTIAL
        elif sum(task.stop - task.start for task in tasks) == len(node.state.goals):
            spent = [*spent, node.state]
        await progress.free(spent)


@attrs.define(eq=False)
class _Task:
    """Goals of a state to be proved together, by any of the ways that are found: an *or*."""

    node: Node
    start: int
    stop: int
    priority: float = 0.0
    energy: float | None = None
    is_open: bool = True
    """Whether the policy was not asked about it yet."""

    is_hopeless: bool = False
    proved_by: _Way | None = None
    ways: list[_Way] = attrs.field(factory=list)
    needed_by: list[_Way] = attrs.field(factory=list)
    state: ProofState = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.state = self.node.state.only(self.start, self.stop)

    def leaf(self, whole: Leaf) -> Leaf:
        """What a scorer is to see of ``whole``, its node along some path."""
        return attrs.evolve(whole, state=self.state, energy=self.energy)

    def proof(self) -> list[str | ProofStep]:
        """Steps that close this task's goals where they are the first ones. Goals apart go behind bullets."""
        steps, waiting = list[str | ProofStep](), [self]
        while waiting:  # a proof may be longer than Python's stack is deep
            way = waiting.pop().proved_by
            if way is None:
                raise AssertionError("only a proved task has a proof")
            tactic, parts, alone = way.tactic, way.parts, 0
            while alone < len(parts) - 1 and parts[alone].stop - parts[alone].start == 1:
                alone += 1
            steps.append(ProofStep(tactic, children=[part.proof() for part in parts[:alone]]) if alone else tactic)
            waiting += reversed(parts[alone:])
        return steps


@attrs.define(eq=False)
class _Way:
    """A tactic on a task, and the tasks that it leaves: an *and*."""

    task: _Task
    tactic: str
    parts: tuple[_Task, ...]
    is_given_up: bool = False

    def give_up(self) -> None:
        self.is_given_up = True
        self.task.ways.remove(self)


class _Graph:
    """Tasks and ways: what is proved, what is hopeless, what is worth a look."""

    def __init__(self, root: _Task) -> None:
        self.root = root
        self._tasks: dict[tuple[Node, int], _Task] = {(root.node, root.start): root}
        self._of_node: dict[Node, list[_Task]] = {root.node: [root]}
        self._new = [root]
        self._queue: list[tuple[float, int, int, _Task]] = []
        self._put_aside: list[_Task] = []
        """Those whose turn came when nothing needed them."""

    def take_new(self) -> Sequence[_Task]:
        """The tasks that were met since the last call."""
        new, self._new = self._new, []
        return new

    def queue(self, tasks: Iterable[_Task]) -> None:
        """Have tasks wait for their turn: by their priorities, and the first one found of equal ones."""
        for task in tasks:
            heappush(self._queue, (-task.priority, task.node.index, task.start, task))

    def tasks_of(self, node: Node) -> Sequence[_Task]:
        return self._of_node.get(node, ())

    def take_best(self) -> _Task | None:
        """The waiting task of highest priority among those that the root may need; ``None`` if there is none."""
        while self._queue:
            priority, *_, task = heappop(self._queue)
            if not task.is_open or -priority != task.priority:
                continue  # it was queued again, along a better path
            if self._is_needed(task):
                return task
            self._put_aside.append(task)
        return None

    def _is_needed(self, task: _Task) -> bool:
        """Whether ways lead from the root to ``task`` over tasks that are not proved."""
        waiting, seen = [task], {task}
        while waiting:
            task = waiting.pop()
            if task.proved_by is not None:
                continue
            if task is self.root:
                return True
            above = {way.task for way in task.needed_by if not way.is_given_up} - seen
            waiting += above
            seen |= above
        return False

    def add_way(self, task: _Task, tactic: str, target: Node) -> _Way | None:
        """Note what ``tactic`` left of ``task``; ``None`` if it reached beyond it, or led to what is hopeless."""
        spans = _spans(task, target.state)
        if spans is None:
            return None
        known = len(self._new)
        parts = tuple(self._task(target, start, stop) for start, stop in spans)
        if task in parts or any(part.is_hopeless for part in parts):
            return None
        if self._put_aside and not all(self._is_needed(part) for part in {*parts}.difference(self._new[known:])):
            self.queue(self._put_aside)
            self._put_aside.clear()
        way = _Way(task, tactic, parts)
        task.ways.append(way)
        for part in parts:
            part.needed_by.append(way)
        return way

    def _task(self, node: Node, start: int, stop: int) -> _Task:
        if (node, start) not in self._tasks:
            task = self._tasks[node, start] = _Task(node, start, stop)
            self._of_node.setdefault(node, []).append(task)
            self._new.append(task)
        return self._tasks[node, start]

    def settle(self, way: _Way) -> list[_Task]:
        """The tasks that are proved now, by ``way`` and what follows from it."""
        proved, waiting = list[_Task](), [way]
        while waiting:
            way = waiting.pop()
            if way.task.proved_by is None and all(part.proved_by is not None for part in way.parts):
                way.task.proved_by = way
                proved.append(way.task)
                waiting += way.task.needed_by
        return proved

    def revoke(self, proved: Iterable[_Task]) -> None:
        """Nothing was proved: the way that began it is given up."""
        tasks = list(proved)
        if (way := tasks[0].proved_by) is not None:
            way.give_up()
        for task in tasks:
            task.proved_by = None

    def give_up_if_hopeless(self, task: _Task) -> None:
        """A task to which no way is left makes every way hopeless that needs it."""
        waiting = [task]
        while waiting:
            task = waiting.pop()
            if task.is_open or task.ways or task.is_hopeless:
                continue
            task.is_hopeless = True
            for way in task.needed_by:
                if not way.is_given_up:
                    way.give_up()
                    waiting.append(way.task)


def _spans(task: _Task, state: ProofState) -> list[tuple[int, int]] | None:
    """Where in ``state`` the goals that are left of ``task`` fall apart; ``None`` if they touch any other goal."""
    before = task.node.state.goals
    others = [*before[task.stop :], *before[: task.start]]
    left = len(state.goals) - len(others)
    own, foreign = state.coupling[: max(left, 0)], state.coupling[max(left, 0) :]
    if left < 0 or [*map(_outline, state.goals[left:])] != [*map(_outline, others)] or {*own} & {*foreign}:
        return None
    return list(_cut(own))


def _cut(coupling: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut as often as possible, but never between goals that are coupled."""
    last = {number: index for index, number in enumerate(coupling)}
    start = stop = 0
    for index, number in enumerate(coupling):
        stop = max(stop, last[number])
        if index == stop:
            yield start, index + 1
            start = stop = index + 1


def _outline(goal: Goal) -> str:
    return re.sub(_NUMBERED, "", goal.text)
