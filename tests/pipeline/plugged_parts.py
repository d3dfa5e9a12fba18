"""Parts as a user might write them, in a module of his own."""

from __future__ import annotations

import enum
import functools
from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import attrs
import numpy as np

from leanebm.core import (
    Candidate,
    Certificate,
    Leaf,
    Node,
    NodeStatus,
    ProofCertifier,
    ProofEnvironment,
    ProofState,
    SearchOutcome,
    SearchResult,
    SearchStatistics,
    StateScorer,
    Theorem,
)
from leanebm.search import BestFirstSearch, SearchProgress

if TYPE_CHECKING:
    from leanebm.core import StateEncoder, TacticPolicy


@attrs.frozen
class Fancy:
    """With attrs, a check, a path, a secret, and a field that does not matter."""

    weight: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))
    table: Path | None = None
    key: str | None = attrs.field(default=None, repr=False)
    workers: int = attrs.field(default=1, metadata={"affects_results": False})

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.weight * leaf.path_log_prob for leaf in leaves]


class Plain:
    """With a constructor that keeps its arguments."""

    def __init__(self, depth_bonus: float, *, words: tuple[str, ...] = ()) -> None:
        self.depth_bonus = depth_bonus
        self.words = words

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.depth_bonus * leaf.depth for leaf in leaves]


@dataclass
class Nested:
    """A scorer around another one."""

    inner: StateScorer
    factor: int = 2

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.factor * score for score in await self.inner.score(leaves)]


@dataclass
class Confided:
    """With a secret, and a field that does not matter, as a dataclass says so."""

    weight: float = 1.0
    key: str = field(default="", repr=False)
    workers: int = field(default=1, metadata={"affects_results": False})

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.weight * leaf.path_log_prob for leaf in leaves]


class Shade(enum.Enum):
    """A choice whose values TOML cannot tell from others."""

    RED = (1, 0)
    NONE = None


@dataclass
class Settings:
    """Settings within settings."""

    width: int = 1
    names: list[str] = field(default_factory=list)


@dataclass
class Rich:
    """With settings within settings, as dataclasses have them, and parts that may be absent."""

    shade: Shade | str = "plain"
    inner: Settings = field(default_factory=Settings)
    others: list[Settings] = field(default_factory=list)
    beside: StateScorer | None = None
    members: list[StateScorer] = field(default_factory=list)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


@attrs.frozen
class Holding:
    """With parts inside lists, pairs and tables."""

    pair: tuple[StateScorer, float] | None = None
    by_name: dict[str, StateScorer] | None = None
    pairs: list[tuple[StateScorer, float]] = attrs.field(factory=list)
    either: StateScorer | float = 1.0
    lists: Mapping[str, Sequence[StateScorer | None]] = attrs.field(factory=dict)
    several: tuple[StateScorer, ...] | StateScorer = ()
    numbers: dict[str, float] = attrs.field(factory=dict)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


@attrs.frozen
class Ordered:
    """With a check that looks at another field."""

    low: float = 0.0
    high: float = attrs.field(default=1.0)

    @high.validator
    def _above(self, _: attrs.Attribute[float], value: float) -> None:
        if value < self.low:
            raise ValueError("high must not be below low")

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.high for _ in leaves]


class Spread:
    """Keeps something else than a setting, which cannot even be compared with one."""

    def __init__(self, width: int = 2) -> None:
        self.width = np.zeros(width)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [float(self.width[0]) for _ in leaves]


@dataclass
class Doubling:
    """Makes something else of what it is given, each time."""

    weight: float = 0.0

    def __post_init__(self) -> None:
        self.weight *= 2

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.weight for _ in leaves]


def _stripped(word: str) -> str:
    return word.strip()


@attrs.frozen
class Tidying:
    """Brings what it is given into one form."""

    word: str = attrs.field(default=" a ", converter=_stripped)
    words: Sequence[str] = ("x",)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Avowed(StateScorer):
    """Says that it is a scorer, and needs no constructor for that."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Starred:
    """Takes any number of things."""

    def __init__(self, *words: str) -> None:
        self.words = words

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Kinded:
    """Has a setting by the name that names the part."""

    def __init__(self, kind: str = "cumulative") -> None:
        self.kind = kind

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Unreadable:
    """Cannot say what it was made with."""

    def __init__(self, weight: float = 1.0) -> None:
        pass

    @property
    def weight(self) -> float:
        raise RuntimeError("not loaded yet")

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Unannotated:
    """Keeps what it is given, and does not say of which type it is."""

    def __init__(self, value=None):  # type: ignore[no-untyped-def]
        self.value = value

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Forgetful:
    def __init__(self, alpha: float = 1.0) -> None:
        self._exponent = alpha

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self._exponent * leaf.depth for leaf in leaves]


class Greedy:
    def __init__(self, **anything: Any) -> None:
        self.anything = anything

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Broken:
    def __init__(self, size: int = 1) -> None:
        raise RuntimeError(f"no room for {size}")

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


def made_by_a_function(weight: float = 2.0) -> Fancy:
    return Fancy(weight=weight)


def local_scorer() -> Any:
    class Local:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [0.0 for _ in leaves]

    return Local()


class Steps:
    """A policy without a server; an async context manager, too."""

    def __init__(self, seed: int, tactics: tuple[str, ...] = ("step", "done")) -> None:
        self.seed = seed
        self.tactics = tactics
        self.is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        assert self.is_open
        assert state.goals
        return [Candidate(tactic, -1.0 - number) for number, tactic in enumerate(self.tactics)][:n]


class Shorter:
    """A policy around the run's own. What it is given is annotated for type checkers only."""

    def __init__(self, policy: TacticPolicy, most: int = 1) -> None:
        self.policy = policy
        self.most = most

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        return await self.policy.propose(state, min(n, self.most))


class Lengths:
    """An energy model that asks the encoder."""

    def __init__(self, encoder: StateEncoder, scale: float = 1.0) -> None:
        self.encoder = encoder
        self.scale = scale

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        vectors: Sequence[array[float]] = await self.encoder.encode([state.text for state in states])
        return [self.scale * sum(map(abs, vector)) for vector in vectors]


@asynccontextmanager
async def opened(seed: int) -> AsyncIterator[Steps]:
    async with Steps(seed, ("done",)) as policy:
        yield policy


class Patient(BestFirstSearch):
    """Ours, but for how often it asks; the rest of its arguments it hands on."""

    def __init__(self, *, patience: int = 1, **parts: Any) -> None:
        super().__init__(**parts)
        self.patience = patience

    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:
        return [*await super().expand(progress, node)] * self.patience


HalfFancy = functools.partial(Fancy, weight=0.5)
HalfOfHalf = functools.partial(functools.partial(Fancy, weight=0.25), weight=0.5)
PatientByFive = functools.partial(Patient, patience=5)


class OneTactic:
    """A search without any code of ours: it tries what the policy likes best, once."""

    def __init__(self, policy: TacticPolicy, environment: ProofEnvironment, certifier: ProofCertifier) -> None:
        self.policy = policy
        self.environment = environment
        self.certifier = certifier

    async def run(self, theorem: Theorem) -> SearchResult:
        async with self.environment.open(theorem) as session:
            root = Node(index=0, state=session.root, status=NodeStatus.EXPANDED)
            [candidate] = await self.policy.propose(session.root, 1)
            verdict = await self.certifier.certify(theorem, [candidate.tactic])
        is_proved = isinstance(verdict, Certificate)
        return SearchResult(
            theorem=theorem,
            outcome=SearchOutcome.PROVED if is_proved else SearchOutcome.REJECTED,
            certificate=verdict if isinstance(verdict, Certificate) else None,
            rejections=(),
            nodes=(root,),
            statistics=SearchStatistics(nodes=1),
            error=None,
        )
