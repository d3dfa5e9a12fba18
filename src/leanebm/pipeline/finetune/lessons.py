"""What a policy may learn from: tactics of certified proofs, and tactics that Lean refused.

Nothing that infrastructure broke is a lesson: a search that it ended is left out whole, and a tactic that ran into a
limit of time or memory was not refused.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, SearchOutcome, TacticFate, Theorem
from leanebm.core.proof_script import is_turned
from leanebm.data import read_tactic_pairs
from leanebm.errors import ConfigError
from leanebm.pipeline.contrastive.certified_proofs import certified_proofs
from leanebm.pipeline.contrastive.trajectory import groups_from_trajectory
from leanebm.pipeline.finetune.config import LessonKind
from leanebm.pipeline.iteration.policy_step import NothingToLearn
from leanebm.pipeline.run_folder import as_paths
from leanebm.trajectory import TrajectoryRow, read_trajectory

_GOAL_BREAK: Final = "\n\n"
_LED_ON: Final = frozenset({TacticFate.ADVANCED, TacticFate.FINISHED, TacticFate.MERGED})


@attrs.frozen(kw_only=True)
class FinetuneSources:
    """Where lessons come from."""

    trajectories: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """Folders of search runs, trajectories, or single shards."""

    pairs: tuple[Path, ...] = attrs.field(default=(), converter=as_paths)
    """Files of tactic pairs, as ``export`` writes them."""

    __repr__ = fitting_repr


@attrs.frozen(order=True)
class Lesson:
    """A tactic in a state, or the proof from there, which a policy is to propose, or not to propose."""

    claim: str
    """What the theorem states, with its header and context: theorems are told apart by that."""

    state: str
    """All goals, as Lean prints them."""

    tactic: str

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Side:
    """One side of the theorems: those to learn from, or those held out."""

    proofs: tuple[Lesson, ...]
    """Steps of certified proofs, each once."""

    rejected: tuple[Lesson, ...]
    """Tactics that Lean refused, in states where it accepted none of the same text."""

    groups: tuple[ContrastiveGroup, ...]
    """Decision points of certified proofs, of which some states lie on the path and some beside it."""

    __repr__ = fitting_repr

    @property
    def num_theorems(self) -> int:
        """How many theorems' proofs there are."""
        return len({lesson.claim for lesson in self.proofs})


@attrs.frozen(kw_only=True)
class Lessons:
    """Both sides, which share neither a theorem nor a state."""

    training: Side
    validation: Side

    __repr__ = fitting_repr

    @classmethod
    def read(
        cls,
        sources: FinetuneSources,
        *,
        validation_fraction: float,
        max_rejected_per_state: int,
        seed: int,
        learn: LessonKind = LessonKind.PROOFS,
    ) -> Self:
        """Read all sources, and hold theorems out.

        A theorem falls on a side by a hash of what it states, so it stays there as later rounds add others. The one
        with the highest hash is never held out; and always the one with the lowest of those that have a state of their
        own. Of a held-out theorem, what training knows of the same state is left out. A goal that a search closed, and
        a tactic that Lean accepted, are on the side of the theorem that was searched.

        Raises:
            ConfigError: there is nothing to read.
            NothingToLearn: there is not enough to hold anything out.
            TrajectoryError: a trajectory is damaged.
        """
        is_whole = learn is LessonKind.WHOLE_PROOFS
        steps = set() if is_whole else set(_proof_steps(sources))
        if learn is not LessonKind.PROOFS:
            steps.update(_found(sources.trajectories, learn))
        proofs = sorted(steps)
        is_held_out = _chosen(proofs, validation_fraction, seed)
        found = _Searched.read(sources.trajectories, proofs, max_rejected_per_state)
        training = _side(proofs, found, lambda claim: not is_held_out(claim))
        held_out = _side(proofs, found, is_held_out)
        validation = attrs.evolve(
            held_out,
            proofs=_without(held_out.proofs, training.proofs),
            rejected=_without(held_out.rejected, training.rejected),
        )
        return cls(training=training, validation=validation)


def _proof_steps(sources: FinetuneSources) -> Iterator[Lesson]:
    if not sources.trajectories and not sources.pairs:
        raise ConfigError("there is nothing to learn from:", ["name a run @ RUN, or a file @ --pairs"])
    for path in sources.pairs:
        for pair in read_tactic_pairs(path):
            yield Lesson(_claim(pair.theorem), pair.state, pair.tactic)
    for proof in certified_proofs(sources.trajectories) if sources.trajectories else ():
        for state, tactic in zip(proof.states, proof.tactics, strict=True):
            yield Lesson(_claim(proof.theorem), state, tactic)


def _found(paths: Iterable[Path], learn: LessonKind) -> Iterator[Lesson]:
    """What searches found beside their proofs."""
    for path in paths:
        trajectory = read_trajectory(path)
        claims = {record.theorem.name: _claim(record.theorem) for record in trajectory.records}
        for name, rows in groupby(trajectory.rows(), key=lambda row: row.theorem):
            search = list(rows)
            if learn is LessonKind.ACCEPTED:
                yield from (Lesson(claims[name], *step) for step in steps_that_led_on(search))
                continue
            for goal, tactics in closed_goals(search):
                yield Lesson(claims[name], goal, "\n".join(tactics[: None if learn is LessonKind.WHOLE_PROOFS else 1]))


def steps_that_led_on(search: Iterable[TrajectoryRow]) -> Iterator[tuple[str, str]]:
    """Each state of a search with each tactic that Lean accepted there, unless it led back."""
    for row in search:
        if row.num_goals and row.outcome is not SearchOutcome.INFRASTRUCTURE:
            for attempt in row.attempts:
                if attempt.kind in _LED_ON and not is_turned(attempt.tactic):
                    yield row.state_text, attempt.tactic


def closed_goals(search: Sequence[TrajectoryRow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The goals that a search closed, each alone, as Lean prints it, with a shortest line of tactics that proves it.

    Whether or not the theorem was proved, each is a theorem of its own: a search that proves half of a conjunction has
    proved one. A state's first goal is closed where some line of tactics leads to the state's other goals, unchanged,
    and nothing else; so one that shares metavariables with others is left out where its proof changed them. Lean
    accepted each step, but nobody has certified the goal. It is given once for every first tactic of a shortest line,
    and once for each state that begins with it. A search that infrastructure broke gives nothing.
    """
    nodes = {row.node: row for row in search if row.outcome is not SearchOutcome.INFRASTRUCTURE}
    for row in nodes.values():
        if row.num_goals:
            yield from _closed_first(row, nodes)


def _closed_first(row: TrajectoryRow, nodes: dict[int, TrajectoryRow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    goal, _, others = row.state_text.partition(_GOAL_BREAK)
    lines = {
        attempt.tactic: _shortest_line(nodes[attempt.target], others, nodes)
        for attempt in row.attempts
        if attempt.target in nodes and not is_turned(attempt.tactic)
    }
    known = {tactic: line for tactic, line in lines.items() if line is not None}
    shortest = min(map(len, known.values()), default=0)
    for tactic, line in known.items():
        if len(line) == shortest:
            yield goal, (tactic, *line)


def _shortest_line(start: TrajectoryRow, others: str, nodes: dict[int, TrajectoryRow]) -> tuple[str, ...] | None:
    """Fewest tactics from ``start`` to the goals ``others`` and nothing else; ``None`` if no known line leads there."""
    waiting, seen = deque([(start, tuple[str, ...]())]), {start.node}
    while waiting:
        row, line = waiting.popleft()
        if row.state_text == others:
            return line
        if not row.state_text.endswith(f"{_GOAL_BREAK}{others}" if others else ""):
            continue  # the other goals were changed, or are gone
        for attempt in row.attempts:
            child = nodes.get(attempt.target)
            if child is not None and child.node not in seen and not is_turned(attempt.tactic):
                seen.add(child.node)
                waiting.append((child, (*line, attempt.tactic)))
    return None


def _chosen(proofs: Sequence[Lesson], fraction: float, seed: int) -> Callable[[str], bool]:
    """Which theorems are held out."""
    claims = sorted({lesson.claim for lesson in proofs}, key=lambda claim: _position(claim, seed))
    if len(claims) < 2:
        raise NothingToLearn(
            f"there are certified proofs of {len(claims)} theorems, and at least 2 are needed: one is held out.",
            ["give more runs with proofs @ RUN, or more pairs @ --pairs"],
        )
    owners: dict[str, set[str]] = {}
    for lesson in proofs:
        owners.setdefault(lesson.state, set()).add(lesson.claim)
    alone = set().union(*(owner for owner in owners.values() if len(owner) == 1))
    lowest = next((claim for claim in claims[:-1] if claim in alone), None)
    if lowest is None:
        raise NothingToLearn("each theorem shares all of its states with others, so none can be held out: give more")
    return lambda claim: claim == lowest or (claim != claims[-1] and _position(claim, seed) < fraction)


def _claim(theorem: Theorem) -> str:
    return f"{theorem.preamble.strip()}\n{theorem.display}"


def _position(claim: str, seed: int) -> float:
    """Where the theorem falls in [0, 1), independent of all others."""
    digest = hashlib.sha256(f"{seed}\0{claim}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@attrs.frozen(kw_only=True)
class _Searched:
    """What searches show beside their proofs."""

    rejected: tuple[Lesson, ...]
    groups: tuple[tuple[str, ContrastiveGroup], ...]
    """Each with its theorem's claim."""

    @classmethod
    def read(cls, paths: Iterable[Path], proofs: Iterable[Lesson], most: int) -> Self:
        accepted = {(lesson.state, lesson.tactic) for lesson in proofs}
        refused: dict[Lesson, float] = {}
        groups: list[tuple[str, ContrastiveGroup]] = []
        for path in paths:
            trajectory = read_trajectory(path)
            claims = {record.theorem.name: _claim(record.theorem) for record in trajectory.records}
            for name, rows in groupby(trajectory.rows(), key=lambda row: row.theorem):
                search = list(rows)
                groups += [(claims[name], group) for group in groups_from_trajectory(search)]
                accepted |= {(row.state_text, tactic) for row in search for tactic in _accepted(row)}
                for lesson, log_prob in _refused(claims[name], search):
                    refused[lesson] = max(log_prob, refused.get(lesson, log_prob))
        plain = {lesson: refused[lesson] for lesson in refused if (lesson.state, lesson.tactic) not in accepted}
        return cls(rejected=tuple(_likeliest(plain, most)), groups=tuple(groups))


def _accepted(row: TrajectoryRow) -> Iterator[str]:
    return (attempt.tactic for attempt in row.attempts if attempt.kind is not TacticFate.REJECTED)


def _refused(claim: str, rows: Iterable[TrajectoryRow]) -> Iterator[tuple[Lesson, float]]:
    """Tactics of one search that Lean itself refused, with their log-probabilities."""
    for row in rows:
        if row.outcome is SearchOutcome.INFRASTRUCTURE or not row.num_goals:
            continue
        for attempt in row.attempts:
            if attempt.kind is TacticFate.REJECTED and not is_turned(attempt.tactic):
                yield Lesson(claim, row.state_text, attempt.tactic), attempt.log_prob


def _likeliest(refused: dict[Lesson, float], most: int) -> Iterator[Lesson]:
    """Of each state the ``most`` likeliest, in an order that does not depend on how they were found."""
    by_state: dict[tuple[str, str], list[Lesson]] = {}
    for lesson in sorted(refused, key=lambda lesson: (-refused[lesson], lesson)):
        by_state.setdefault((lesson.claim, lesson.state), []).append(lesson)
    for place in sorted(by_state):
        yield from by_state[place][:most]


def _side(proofs: Iterable[Lesson], found: _Searched, is_wanted: Callable[[str], bool]) -> Side:
    return Side(
        proofs=tuple(lesson for lesson in proofs if is_wanted(lesson.claim)),
        rejected=tuple(lesson for lesson in found.rejected if is_wanted(lesson.claim)),
        groups=tuple(group for claim, group in found.groups if is_wanted(claim)),
    )


def _without(lessons: Iterable[Lesson], known: Iterable[Lesson]) -> tuple[Lesson, ...]:
    states = {lesson.state for lesson in known}
    return tuple(lesson for lesson in lessons if lesson.state not in states)
