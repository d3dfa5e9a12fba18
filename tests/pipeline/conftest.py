"""What the pipeline's tests share: a toy world, and an observer that remembers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.pipeline import PipelineEvent, RunConfig, WorkbenchOpener
from leanebm.search import SearchBudget, SearchConfig
from leanebm.testing import ToyWorld

Numbers = Callable[..., tuple[Theorem, ...]]


@attrs.define
class Recorded:
    """An observer that remembers, and may be told to react."""

    events: list[PipelineEvent] = attrs.field(factory=list)
    react: Callable[[PipelineEvent], None] = lambda _: None

    def notify(self, event: PipelineEvent) -> None:
        self.events.append(event)
        self.react(event)


@pytest.fixture
def observer() -> Recorded:
    return Recorded()


@pytest.fixture
def world() -> ToyWorld:
    return ToyWorld.countdown(32)


@pytest.fixture
def never() -> WorkbenchOpener:
    """The opening of a run that is refused before it opens a workbench."""

    def opening(*_: object) -> NoReturn:
        pytest.fail("nothing should be started")

    return opening


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(concurrency=3, search=SearchConfig(budget=SearchBudget(max_expansions=200)))


@pytest.fixture
def numbers() -> Numbers:
    """Theorems of the countdown world."""

    def make(*values: int) -> tuple[Theorem, ...]:
        return tuple(Theorem(name=f"n{value}", statement=str(value)) for value in values)

    return make
