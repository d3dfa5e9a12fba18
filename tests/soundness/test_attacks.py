"""Every line of the table, twice: given to the certifier at once, and proposed to a search by its policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from chosen_lean import ChosenLean

from leanebm.core import Candidate, Certificate, CertificationRejected, SearchOutcome
from leanebm.errors import StatementError, WorkerLost
from leanebm.lean import Certifier, LeanPool
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

from .attack import Attack, ForgedText, Step
from .attacks import ATTACKS, TEXTS
from .tally import Tally

pytestmark = pytest.mark.lean


def _id(attack: Attack | ForgedText) -> str:
    return f"{attack.family}: {attack.id}"


def _reason(result: Certificate | CertificationRejected) -> str | None:
    return result.reason if isinstance(result, CertificationRejected) else None


@pytest.mark.parametrize("attack", ATTACKS, ids=_id)
async def test_the_certifier_rejects(
    certifier: Certifier, chosen_lean: ChosenLean, attack: Attack, tally: Tally
) -> None:
    try:
        result = await certifier.certify(attack.theorem, [attack.proof])
    except WorkerLost:
        assert not chosen_lean.is_ours, "it is refused before it can end its worker"
        tally.attack(_id(attack), "lost")
        return
    tally.attack(_id(attack), _reason(result))
    assert isinstance(result, CertificationRejected)
    assert result.message.strip()
    if chosen_lean.is_ours:  # plain Pantograph rejects for reasons of its own
        assert result.reason == attack.reason, result.message


@pytest.mark.parametrize("text", TEXTS, ids=_id)
async def test_a_text_is_no_proof_of_something_else(
    certifier: Certifier, chosen_lean: ChosenLean, text: ForgedText, tally: Tally
) -> None:
    result = await certifier.certify_text(text.theorem, text.text, name="t")
    tally.attack(_id(text), _reason(result))
    assert isinstance(result, CertificationRejected)
    if chosen_lean.is_ours:
        assert result.reason == text.reason, result.message


@pytest.fixture(scope="module")
async def pool(chosen_lean: ChosenLean) -> AsyncIterator[LeanPool]:
    async with LeanPool(chosen_lean.config(num_workers=1)) as pool:
        yield pool


@pytest.mark.parametrize("attack", ATTACKS, ids=_id)
async def test_a_search_does_not_prove(
    pool: LeanPool, certifier: Certifier, chosen_lean: ChosenLean, attack: Attack
) -> None:
    search = BestFirstSearch(
        policy=ScriptedPolicy(script={}, default=[Candidate(attack.proof, -0.1)]),
        scorer=BreadthFirst(),
        environment=pool,
        certifier=certifier,
        config=SearchConfig(budget=SearchBudget(max_expansions=1)),
    )
    if not chosen_lean.is_ours:
        with suppress(StatementError):
            assert (await search.run(attack.theorem)).certificate is None
        return
    if attack.step is Step.NO_STATEMENT:
        with pytest.raises(StatementError):
            await search.run(attack.theorem)
        return
    result = await search.run(attack.theorem)
    assert result.certificate is None
    if attack.step is Step.BELIEVED:
        assert result.outcome is SearchOutcome.REJECTED
        assert [rejection.reason for rejection in result.rejections] == [attack.reason]
    else:
        assert result.outcome in {SearchOutcome.EXHAUSTED, SearchOutcome.BUDGET_SPENT}
        assert not any(node.state.is_solved for node in result.nodes)
