from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.diagnostics import probe_embeddings

TABLE = np.random.default_rng(0).normal(size=(500, 32)).astype(np.float32)


def figures(table: np.ndarray, *, before: np.ndarray = TABLE[:64], again: np.ndarray = TABLE[:64]) -> dict[str, float]:
    found = probe_embeddings(table, before=before, again=again)
    return {name: each.value for name, each in found.items() if each.value is not None}


def test_healthy_vectors_use_all_their_directions() -> None:
    found = figures(TABLE)
    assert found["duplicate_emb"] == 0.0
    assert found["effective_rank"] == pytest.approx(32, abs=2)
    assert found["emb_cosine_probe"] == pytest.approx(1.0)


def test_repeated_vectors_are_counted() -> None:
    table = TABLE.copy()
    table[:5] = table[10]
    assert figures(table)["duplicate_emb"] == pytest.approx(5 / 500)


def test_a_single_direction_is_seen_as_one() -> None:
    assert figures(np.outer(np.arange(1.0, 101.0), np.ones(8)))["effective_rank"] == pytest.approx(1.0, abs=1e-3)


def test_vectors_that_are_all_the_same_have_no_direction() -> None:
    assert figures(np.ones((10, 4)))["effective_rank"] == 0.0


def test_many_vectors_are_counted_on_a_sample() -> None:
    table = np.random.default_rng(2).normal(size=(5000, 8))
    assert figures(table)["effective_rank"] == pytest.approx(8, abs=0.1)


def test_another_number_format_is_seen_as_drift() -> None:
    again = TABLE[:64] + 0.1 * np.random.default_rng(1).normal(size=(64, 32))
    assert figures(TABLE, again=again)["emb_cosine_probe"] < 0.999


def test_a_vector_that_came_back_empty_has_no_cosine_with_anything() -> None:
    again = TABLE[:4].copy()
    again[2] = 0.0
    assert figures(TABLE, before=TABLE[:4], again=again)["emb_cosine_probe"] == 0.0


def test_encodings_of_two_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        figures(TABLE, before=TABLE[:4], again=TABLE[:4, :8])
