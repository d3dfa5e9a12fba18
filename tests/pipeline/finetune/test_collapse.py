from __future__ import annotations

import numpy as np
import pytest

from leanebm.pipeline.finetune.collapse import EmbeddingFigures, LabelledStates, collapse_alarms, measure_embeddings

RNG = np.random.default_rng(0)
STATES = RNG.normal(size=(80, 16)) + 0.5
THEOREMS = [f"t{i % 8}" for i in range(80)]


def figures(table: object, labels: object = None) -> EmbeddingFigures:
    array = np.asarray(table)
    labelled = None
    if labels is not None:
        labelled = LabelledStates(embeddings=array, is_on_path=np.asarray(labels, dtype=bool), theorem=THEOREMS)
    return measure_embeddings(array, labelled)


def test_figures_are_what_they_are_called() -> None:
    axes = np.concatenate([np.eye(4), -np.eye(4)])
    found = figures(axes)
    assert found.effective_rank == pytest.approx(4.0)
    assert found.mean_cosine == pytest.approx(-1 / 7)
    same = figures(np.ones((5, 3)))
    assert same.mean_cosine == pytest.approx(1.0)
    assert same.effective_rank == 0.0


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    shown = figures(STATES, STATES[:, 0] > 0.5).separability
    hidden = figures(STATES, np.random.default_rng(1).random(80) > 0.5).separability
    assert shown is not None
    assert shown > 0.9
    assert hidden is not None
    assert 0.25 < hidden < 0.75


def test_too_few_theorems_are_no_figure() -> None:
    labelled = LabelledStates(
        embeddings=STATES[:6], is_on_path=np.array([True, False] * 3), theorem=["a", "a", "b", "b", "c", "c"]
    )
    assert measure_embeddings(STATES, labelled).separability is None
    of_one_kind = ["a", "a", "b", "b", "c", "d"]
    labelled = LabelledStates(embeddings=STATES[:6], is_on_path=labelled.is_on_path, theorem=of_one_kind)
    assert measure_embeddings(STATES, labelled).separability is None


def test_a_planted_collapse_is_found_by_each_of_its_signs() -> None:
    labels = STATES[:, 0] > 0.5
    before = figures(STATES, labels)
    drawn_together = figures(STATES.mean(axis=0) + 0.05 * (STATES - STATES.mean(axis=0)), labels)
    flattened = STATES.copy()
    flattened[:, 3:] = STATES[:, 3:].mean(axis=0)
    without_labels = STATES.copy()
    without_labels[:, 0] = RNG.normal(size=80)
    assert "mean cosine" in "".join(collapse_alarms(before, drawn_together))
    assert "effective rank" in "".join(collapse_alarms(before, figures(flattened, labels)))
    [worse] = collapse_alarms(before, figures(without_labels, labels))
    assert "linear probe" in worse


def test_embeddings_that_only_turn_and_stretch_are_no_collapse() -> None:
    turned = 3.0 * STATES @ np.linalg.qr(RNG.normal(size=(16, 16)))[0]
    labels = STATES[:, 0] > 0.5
    assert collapse_alarms(figures(STATES, labels), figures(turned, labels)) == ()
    assert collapse_alarms(figures(STATES), figures(turned)) == ()
