from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, Evidence, NegativeState, SearchOutcome, Theorem
from leanebm.data import KnownProof
from leanebm.pipeline import AuditedNegative, NegativeAudit
from leanebm.pipeline.contrastive.audit import sample_negatives, wilson_interval


def audited(outcome: str) -> AuditedNegative:
    return AuditedNegative(theorem="t", path=("go", "left"), evidence=Evidence.UNKNOWN, outcome=SearchOutcome(outcome))


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Newcombe 1998, table I, method 3: the score interval.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    assert wilson_interval(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


def test_what_was_lost_is_not_decided() -> None:
    outcomes = ["proved", "exhausted", "budget_spent", "rejected", "infrastructure"]
    audit = NegativeAudit(audited=tuple(map(audited, outcomes)), groups=9, ended_unix_s=1.0)
    assert (audit.false, audit.decided, audit.rate) == (1, 4, 0.25)
    values = json.loads(json.dumps(audit.as_json()))
    assert (values["false"], values["decided"], values["rate"]) == (1, 4, 0.25)
    assert values["audited"][0] == {
        "theorem": "t",
        "path": ["go", "left"],
        "evidence": "unknown",
        "outcome": "proved",
        "proof": [],
        "error": "",
    }


def test_nothing_decided_is_no_rate() -> None:
    audit = NegativeAudit(audited=(audited("infrastructure"),), groups=1, ended_unix_s=0.0)
    assert audit.rate is None
    assert audit.interval == (0.0, 1.0)


PROOF = KnownProof(theorem=Theorem(name="t", statement="a"), tactics=("go", "on", "end"), states=("a", "b", "c"))


def group(depth: int, *keys: str) -> ContrastiveGroup:
    negatives = tuple(NegativeState(text=key, key=key, tactic=f"to {key}", log_prob=-1.0) for key in keys)
    return ContrastiveGroup(
        theorem="t",
        parent_text="p",
        parent_key="p",
        positive_text="q",
        positive_key="q",
        positive_tactic="go",
        negatives=negatives,
        depth=depth,
        remaining_depth=2 - depth,
        source="replay",
    )


def test_a_sample_is_drawn_without_repetition_and_does_not_depend_on_the_order_of_shards() -> None:
    groups = [group(0, *map(str, range(20))), group(1, *map(str, range(20, 40)))]
    chosen = sample_negatives(groups, {"t": PROOF}, 10, seed=3)
    assert len({each.negative.key for each in chosen}) == 10
    assert chosen == sample_negatives(groups[::-1], {"t": PROOF}, 10, seed=3)
    assert chosen != sample_negatives(groups, {"t": PROOF}, 10, seed=4)
    assert len(sample_negatives(groups, {"t": PROOF}, 100, seed=3)) == 40


def test_a_negatives_path_is_the_proof_up_to_there_and_its_own_tactic() -> None:
    [chosen] = sample_negatives([group(1, "x")], {"t": PROOF}, 1, seed=0)
    assert chosen.path == ("go", "to x")


def test_groups_of_proofs_that_are_not_at_hand_are_left_out() -> None:
    assert sample_negatives([attrs.evolve(group(0, "x"), theorem="u")], {"t": PROOF}, 5, seed=0) == []
