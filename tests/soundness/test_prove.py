"""The same through ``ProofRun``, which is what a person calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from leanebm.core import Candidate
from leanebm.errors import ConfigError, StatementError
from leanebm.lean import Certifier, LeanPool
from leanebm.pipeline import Observer, ProofRun, RunConfig, Workbench, theorem_of
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

from .tally import Tally

pytestmark = pytest.mark.lean

Opening = Callable[[RunConfig, Observer], AbstractAsyncContextManager[Workbench]]


def opening_with(pool: LeanPool, certifier: Certifier, tactic: str) -> Opening:
    """Opens the shared workers, with a policy that proposes ``tactic`` whatever the state."""

    @asynccontextmanager
    async def opening(_config: RunConfig, _observer: Observer) -> AsyncIterator[Workbench]:
        yield Workbench(
            policy=ScriptedPolicy(script={}, default=[Candidate(tactic, -0.1)]),
            scorer=BreadthFirst(),
            environment=pool,
            certifier=certifier,
            lean_version="",
        )

    return opening


@pytest.mark.parametrize(
    ("statement", "tactic", "outcome"),
    [
        ("1 = 2", "sorry", "exhausted"),
        ("1 = 2", "native_decide", "exhausted"),
        ("1 = 2", "as_aux_lemma => sorry", "rejected"),
        ("True", "exact Lean.trustCompiler", "rejected"),
        ("True", "trivial", "proved"),
    ],
)
async def test_a_poisoned_policy(
    lean_pool: LeanPool, certifier: Certifier, tally: Tally, statement: str, tactic: str, outcome: str
) -> None:
    opening = opening_with(lean_pool, certifier, tactic)
    attempt = await ProofRun(RunConfig(), theorem_of(statement), opening=opening).run()
    if outcome == "proved":
        tally.control("prove", is_proved=attempt.certificate is not None)
    else:
        tally.attack("prove", attempt.outcome)
    assert attempt.outcome == outcome
    assert (attempt.certificate is not None) == (outcome == "proved")


@pytest.mark.parametrize(
    ("tactics", "outcome"),
    [
        (["constructor", "trivial"], "incomplete"),
        (["constructor", "sorry"], "incomplete"),
        (["constructor", "trivial", "as_aux_lemma => sorry"], "rejected"),
        (["exact ⟨trivial, ?_⟩"], "incomplete"),
    ],
)
async def test_poisoned_tactics(
    lean_pool: LeanPool, certifier: Certifier, tally: Tally, tactics: list[str], outcome: str
) -> None:
    opening = opening_with(lean_pool, certifier, "skip")
    attempt = await ProofRun(RunConfig(), theorem_of("True ∧ 1 = 2"), tactics=tactics, opening=opening).run()
    tally.attack("prove", attempt.outcome)
    assert (attempt.outcome, attempt.certificate) == (outcome, None)


@pytest.mark.parametrize(
    ("statement", "header"), [("True := trivial --", ""), ("sorry", ""), ("True", "axiom cheat : False"), ("x = x", "")]
)
async def test_poisoned_statements(
    lean_pool: LeanPool, certifier: Certifier, tally: Tally, statement: str, header: str
) -> None:
    with pytest.raises((StatementError, ConfigError)) as caught:
        await ProofRun(
            RunConfig(), theorem_of(statement, header=header), opening=opening_with(lean_pool, certifier, "trivial")
        ).run()
    tally.attack("prove", type(caught.value).__name__)
