from __future__ import annotations

import pickle
from typing import Any

import pytest

from leanebm.core import Theorem
from leanebm.data import KnownProof
from leanebm.pipeline import ContrastiveConfig, ContrastiveFolder, Ended, RunConfig, RunFolder
from leanebm.pipeline.contrastive.contrastive_run import ContrastiveJob
from leanebm.pipeline.engines.engine import longest_first
from leanebm.pipeline.search.search_run import SearchJob

THEOREM = Theorem(name="t", statement="True")
PROOF = KnownProof(theorem=THEOREM, tactics=("trivial",), states=("⊢ True",))


@pytest.mark.parametrize(
    "job",
    [
        SearchJob(config=RunConfig(), items=(THEOREM,), folder=RunFolder("runs/a")),
        ContrastiveJob(config=ContrastiveConfig(), items=(PROOF,), folder=ContrastiveFolder("runs/a")),
    ],
    ids=["search", "contrastive"],
)
def test_a_job_can_be_sent_to_another_machine(job: Any) -> None:
    assert pickle.loads(pickle.dumps(job)) == job  # noqa: S301 - made here


@pytest.mark.parametrize(
    ("ended", "is_trouble"),
    [
        (Ended(name="t", line="proved", is_final=True), False),
        (Ended(name="t", line="not a theorem", is_final=True, refusal="unknown identifier @ t"), True),
        (Ended(name="t", line="lost", is_final=False), True),
    ],
)
def test_trouble_is_what_a_person_should_see_at_once(ended: Ended, is_trouble: bool) -> None:
    assert ended.is_trouble == is_trouble


def test_what_takes_longest_comes_first_and_the_unknown_is_as_usual() -> None:
    expected_s = {"short": 1.0, "usual": 5.0, "long": 60.0, "elsewhere": 5.0}
    assert longest_first(["short", "new", "usual", "other", "long"], expected_s) == [
        *("long", "new", "usual", "other", "short")
    ]


def test_where_nothing_is_known_the_order_stays() -> None:
    assert longest_first("bac", {}) == ["b", "a", "c"]
