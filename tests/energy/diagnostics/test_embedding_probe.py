from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.diagnostics import EmbeddingProbe

TABLE = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)


def test_healthy_vectors_use_all_their_directions() -> None:
    probe = EmbeddingProbe.of(TABLE, before=TABLE[:64], again=TABLE[:64])
    assert (probe.zero_rows, probe.non_finite_rows, probe.duplicate_fraction) == (0, 0, 0.0)
    assert probe.effective_rank == pytest.approx(32, abs=2)
    assert probe.participation_ratio == pytest.approx(32, abs=3)
    assert probe.cosine_min == pytest.approx(1.0)


def test_sick_rows_are_counted() -> None:
    table = TABLE.copy()
    table[:3], table[3, 5], table[4, 0], table[10] = 0.0, np.nan, np.inf, table[11]
    probe = EmbeddingProbe.of(table)
    assert (probe.zero_rows, probe.non_finite_rows) == (3, 2)
    assert probe.duplicate_fraction == pytest.approx(3 / 498)
    assert np.isfinite([probe.effective_rank, probe.norm_mean, probe.norm_spread]).all()


def test_a_single_direction_is_seen_as_one() -> None:
    line = np.outer(np.arange(1.0, 101.0), np.ones(8))
    probe = EmbeddingProbe.of(line)
    assert probe.effective_rank == pytest.approx(1.0, abs=1e-3)
    assert probe.participation_ratio == pytest.approx(1.0, abs=1e-3)


def test_vectors_that_are_all_the_same_have_no_direction() -> None:
    assert EmbeddingProbe.of(np.ones((10, 4))).effective_rank == 0.0


def test_another_number_format_is_seen_as_drift() -> None:
    rng = np.random.default_rng(1)
    probe = EmbeddingProbe.of(TABLE, before=TABLE[:64], again=TABLE[:64] + 0.1 * rng.normal(size=(64, 32)))
    assert probe.cosine_min is not None
    assert probe.cosine_min < 0.999


def test_a_vector_that_came_back_empty_has_no_cosine_with_anything() -> None:
    again = TABLE[:4].copy()
    again[2] = 0.0
    assert EmbeddingProbe.of(TABLE, before=TABLE[:4], again=again).cosine_min == 0.0


def test_encodings_of_two_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        EmbeddingProbe.of(TABLE, before=TABLE[:4], again=TABLE[:4, :8])


def test_what_was_not_tried_is_not_told() -> None:
    assert "emb_cosine_probe" not in EmbeddingProbe.of(TABLE).metrics()
