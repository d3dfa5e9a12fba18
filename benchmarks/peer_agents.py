"""What depth-first and MCTS agents call proved when they forget the goals beside the one they work on.

.. code-block:: text

    python benchmarks/peer_agents.py [--seed 0] [--steps 100] [--trials 5] [--json FILE]

PyPantograph publishes two agents for proof search, ``Agent`` (depth first) and ``MCTSAgent``. Both take one goal of a
state, ask for a tactic on it with ``autoResume: false``, which sets the other goals aside, and call a state without
goals solved. So where a tactic leaves two goals, a proof of one of them counts as a proof. This script runs loops of
our own, written after theirs, over 21 statements, and has every claim certified. Four of the statements are false;
that they are is certified, too.

Followed: one goal at a time, the first of those with the highest priority (all have the same); at most so many trials
on a goal before its state is given up, and so many steps in all; depth first, the newest state is worked on and
dropped when a goal of it has no tactic left; in MCTS, selection by upper confidence bounds with the state itself as
one of the choices and a constant of 0.6, values drawn at random, visits and exhaustion passed on to the root; tactics
from short lists, chosen by how the target looks.

Not followed: which tactics are in the lists (theirs are toys, and meant to be replaced) and which statements are
tried; their client, since we speak to the worker ourselves; how they log and raise.

Each agent runs twice: as published, and with ``autoResume: true``, which keeps the other goals. Nothing else differs.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import click
from embedded_lean import Worker
from rich.console import Console
from rich.table import Table

from leanebm.core import Certificate, ProofStep, Theorem
from leanebm.lean import Certifier, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean, install

TRUE_STATEMENTS = (
    "∀ p : Prop, p → p",
    "∀ p q : Prop, p → q → p",
    "∀ p q : Prop, p → p ∨ q",
    "∀ p q : Prop, q → p ∨ q",
    "∀ p q : Prop, p ∧ q → p",
    "∀ p q : Prop, p ∧ q → q",
    "∀ p q : Prop, p ∧ q → p ∨ q",
    "∀ p : Prop, p ∨ p → p",
    "∀ p q : Prop, p ∨ q → q ∨ p",
    "∀ p : Prop, p → p ∧ p",
    "∀ p q : Prop, p → q → p ∧ q",
    "∀ p q : Prop, p ∧ q → q ∧ p",
    "∀ p : Prop, p ↔ p",
    "∀ p : Prop, False → p",
    "∀ p q r : Prop, p ∧ q ∧ r → q",
    "∀ p q : Prop, (p → q) → p → q",
    "∀ p q r : Prop, p ∨ q ∨ r → r ∨ q ∨ p",
)

FALSE_STATEMENTS = {
    "∀ p q : Prop, p ∨ q → p": "exact fun h => h False True (Or.inr trivial)",
    "∀ p q : Prop, p → p ∧ q": "exact fun h => (h True False trivial).2",
    "∀ p q r : Prop, p ∨ q → p ∨ r": "exact fun h => (h False True False (Or.inr trivial)).elim id id",
    "∀ p q : Prop, q → (p ↔ q)": "exact fun h => (h False True trivial).2 trivial",
}
"""Each with a proof of its negation."""

UCB_CONSTANT = 0.6


def tactics_for(target: str) -> tuple[str, ...]:
    """What an agent tries on a goal, in this order."""
    if target.startswith("∀"):
        return ("intro",)
    if " " in target:
        return ("intro h", "constructor", "cases h", "apply Or.inl", "apply Or.inr")
    return ("assumption", "cases h")


@attrs.define(eq=False)
class Node:
    """A state of a search: some goals, and what was tried on them."""

    state_id: int
    targets: tuple[str, ...]
    steps: tuple[ProofStep, ...] = ()
    """The way here from the statement."""
    trials: list[int] = attrs.field(init=False)
    children: list[Node] = attrs.field(factory=list)
    value: float = 0.0
    visits: int = 1
    is_exhausted: bool = False
    """Nothing is left to be tried on it."""
    is_subtree_exhausted: bool = False

    def __attrs_post_init__(self) -> None:
        self.trials = [0] * len(self.targets)

    @property
    def is_solved(self) -> bool:
        """Whether the agents would say so: there is no goal in sight."""
        return not self.targets

    def next_tactic(self, max_trials: int) -> str | None:
        """The next tactic for the first goal; ``None`` when the list or the trials are used up."""
        tactics, tried = tactics_for(self.targets[0]), self.trials[0]
        return tactics[tried] if tried < len(tactics) and tried <= max_trials else None


@attrs.define
class Agent:
    """Searches one statement after the other on one worker."""

    worker: Worker
    chance: random.Random
    max_steps: int
    max_trials: int
    keeps_siblings: bool
    """Whether the goals beside the one that a tactic ran on stay in sight."""

    def start(self, statement: str) -> Node:
        """The state before any tactic."""
        reply = self.worker.ask("goal.start", expr=statement, goals=True)
        return Node(reply["stateId"], _targets(reply))

    def child(self, node: Node, tactic: str) -> Node | None:
        """What ``tactic`` makes of the node's first goal; ``None`` if it fails."""
        node.trials[0] += 1
        reply = self.worker.ask(
            "goal.tactic", stateId=node.state_id, tactic=tactic, goalId=0, autoResume=self.keeps_siblings
        )
        if "goals" not in reply or reply["hasSorry"]:
            return None
        return Node(reply["nextStateId"], _targets(reply), (*node.steps, ProofStep(tactic)))

    def depth_first(self, statement: str) -> Node | None:
        """The state that is called solved."""
        stack = [self.start(statement)]
        for _ in range(self.max_steps):
            if not stack:
                return None
            node = stack[-1]
            if node.is_solved:
                return node
            tactic = node.next_tactic(self.max_trials)
            if tactic is None:
                stack.pop()
            elif (child := self.child(node, tactic)) is not None:
                stack.append(child)
        return None

    def tree_search(self, statement: str) -> Node | None:
        """The state that is called solved."""
        root = self.start(statement)
        root.value = self.chance.random()
        for _ in range(self.max_steps):
            path = list(selected(root))
            node = path[-1]
            if node.is_solved:
                return node
            tactic = node.next_tactic(self.max_trials)
            if tactic is None:
                node.is_exhausted = True
                node.is_subtree_exhausted = all(child.is_subtree_exhausted for child in node.children)
            elif (child := self.child(node, tactic)) is not None:
                child.value = self.chance.random()
                node.children.append(child)
                back_up(path, child.value)
        return None


def selected(node: Node) -> Iterator[Node]:
    """The way from ``node`` to the state to work on: the child of the highest bound, until its own is higher."""
    bound = node.value / node.visits + UCB_CONSTANT * math.sqrt(math.log(node.visits) / node.visits)
    yield node
    while open_children := [child for child in node.children if not child.is_subtree_exhausted]:
        bounds = {child: upper_bound(child, node) for child in open_children}
        best = max(open_children, key=lambda child: bounds[child])
        if bounds[best] < bound and not node.is_exhausted:
            return
        bound, node = bounds[best], best
        yield node


def upper_bound(child: Node, parent: Node) -> float:
    """How good ``child`` may be."""
    return child.value / child.visits + UCB_CONSTANT * math.sqrt(math.log(parent.visits) / child.visits)


def back_up(path: list[Node], value: float) -> None:
    """Count a visit, and its value, for every state on the way."""
    for node in path:
        node.value += value
        node.visits += 1
        node.is_subtree_exhausted = node.is_exhausted and all(child.is_subtree_exhausted for child in node.children)


@attrs.frozen
class Claim:
    """A statement that an agent calls proved."""

    statement: str
    is_false: bool
    tactics: tuple[str, ...]
    is_certified: bool
    objection: str
    """Why it is not."""


@attrs.frozen(kw_only=True)
class Figures:
    """What one agent claims, and what of it holds."""

    agent: str
    statements: int
    claims: tuple[Claim, ...]

    @property
    def certified(self) -> int:
        """Claims that are proofs."""
        return sum(claim.is_certified for claim in self.claims)

    @property
    def false(self) -> int:
        """Claims about false statements."""
        return sum(claim.is_false for claim in self.claims)


def _targets(reply: Any) -> tuple[str, ...]:
    return tuple(goal["target"]["pp"] for goal in reply["goals"])


def found(lean: EmbeddedLean, agent: str, *, seed: int, steps: int, trials: int, keeps: bool) -> dict[str, Node]:
    """The states that one agent calls solved, by statement."""
    with Worker(lean.worker_command()) as worker:
        searcher = Agent(worker, random.Random(seed), steps, trials, keeps)  # noqa: S311 - a search, not a secret
        search = searcher.depth_first if agent == "depth first" else searcher.tree_search
        ends = {statement: search(statement) for statement in (*TRUE_STATEMENTS, *FALSE_STATEMENTS)}
    return {statement: node for statement, node in ends.items() if node is not None}


async def judged(certifier: Certifier, statement: str, node: Node) -> Claim:
    """Have a claim certified."""
    result = await certifier.certify(Theorem(name="claim", statement=statement), node.steps)
    is_certified = isinstance(result, Certificate)
    objection = "" if isinstance(result, Certificate) else f"{result.reason}: {result.message.splitlines()[0]}"
    return Claim(
        statement, statement in FALSE_STATEMENTS, tuple(step.text for step in node.steps), is_certified, objection
    )


async def check_false_statements(certifier: Certifier) -> None:
    """Have it certified that they are false."""
    for statement, disproof in FALSE_STATEMENTS.items():
        result = await certifier.certify(Theorem(name="negation", statement=f"¬ ({statement})"), [disproof])
        if not isinstance(result, Certificate):
            raise click.ClickException(f"{statement} is not shown to be false: {result.message}")


async def measure(*, seed: int, steps: int, trials: int) -> list[Figures]:
    """Both agents, both ways."""
    lean, figures = install(), []
    async with Certifier(LeanPoolConfig.embedded()) as certifier:
        await check_false_statements(certifier)
        for keeps in (False, True):
            for agent in ("depth first", "MCTS"):
                claims = found(lean, agent, seed=seed, steps=steps, trials=trials, keeps=keeps)
                name = f"{agent}, other goals {'kept' if keeps else 'set aside, as published'}"
                verdicts = [await judged(certifier, statement, node) for statement, node in claims.items()]
                statements = len(TRUE_STATEMENTS) + len(FALSE_STATEMENTS)
                figures.append(Figures(agent=name, statements=statements, claims=tuple(verdicts)))
    return figures


def show(figures: list[Figures]) -> None:
    """Print the table, and every claim that does not hold."""
    table = Table("agent", "statements", "called proved", "certified", "half proofs", "of false statements")
    for row in figures:
        counts = (row.statements, len(row.claims), row.certified, len(row.claims) - row.certified, row.false)
        table.add_row(row.agent, *map(str, counts))
    console = Console(width=120)
    console.print(table)
    for row in figures:
        for claim in row.claims:
            if not claim.is_certified:
                console.print(f"{row.agent}: {claim.statement}: {'; '.join(claim.tactics)}: {claim.objection}")


@click.command(help=__doc__)
@click.option("--seed", default=0, show_default=True)
@click.option("--steps", default=100, show_default=True, type=click.IntRange(min=1), help="Steps of one search.")
@click.option("--trials", default=5, show_default=True, type=click.IntRange(min=1), help="Trials on one goal.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(seed: int, steps: int, trials: int, json_path: Path | None) -> None:  # noqa: D103
    figures = asyncio.run(measure(seed=seed, steps=steps, trials=trials))
    show(figures)
    if json_path is not None:
        json_path.write_text(json.dumps([attrs.asdict(row) for row in figures], indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
