from __future__ import annotations

import math

import pytest

from leanebm.core.state_counts import state_counts
from leanebm.pipeline.energy.counting_encoder import COUNTS, CountingEncoder
from leanebm.testing import check_encoder


async def test_it_keeps_the_contract_of_an_encoder() -> None:
    await check_encoder(CountingEncoder())


async def test_vectors_are_the_counts_on_a_logarithmic_scale() -> None:
    text = "a b : Nat\nh : a = b\n⊢ (b + 0) = a"
    [vector] = await CountingEncoder().encode([text])
    assert [math.expm1(number) for number in vector] == pytest.approx(state_counts(text), rel=1e-6)
    assert len(vector) == COUNTS.dim
