"""Each rule speaks up on the illness it is for, and none on a healthy head."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    ALARMS,
    Alarm,
    Estimate,
    Findings,
    Grade,
    Severity,
    SiblingSet,
    Slice,
    TrainingFacts,
    diagnose,
    probe_embeddings,
    raise_alarms,
)

from .planted import Examined, examine, planted_energies, planted_groups

PAGE = Path(__file__).parents[3] / "docs" / "diagnostics.md"

SURE = Estimate(value=0.30, standard_error=0.02, low=0.26, high=0.34, count=40)


Figures = dict[str, float | Estimate]

CASES: list[tuple[str, Figures, Figures]] = [
    ("encoder drift", {"emb_cosine_probe": 0.945}, {"emb_cosine_probe": 0.9995}),
    ("polarity flip", {"pairwise_sibling": SURE}, {"pairwise_sibling": 0.30}),
    ("leaking twin", {"twin_pairwise": Estimate(value=0.6, low=0.55, high=0.65, count=40)}, {"twin_pairwise": 0.6}),
    ("collapse", {"e_std": 0.05}, {"e_std": 0.5}),
    ("duplicate embeddings", {"duplicate_emb": 0.05}, {"duplicate_emb": 0.001}),
    ("collapsed embeddings", {"effective_rank": 1.3}, {"effective_rank": 40}),
    (
        "easy-negative inflation",
        {"pairwise_cross_theorem": 0.9, "pairwise_sibling": 0.6},
        {"pairwise_cross_theorem": 0.9, "pairwise_sibling": 0.82},
    ),
    (
        "length leakage",
        {"auc_length_only": 0.70, "pairwise_sibling": 0.72},
        {"auc_length_only": 0.60, "pairwise_sibling": 0.72},
    ),
    ("false negatives", {"fn_audit_rate": 0.2}, {"fn_audit_rate": 0.07}),
    ("no sense of progress", {"spearman_remaining": 0.0}, {"spearman_remaining": 0.4}),
    ("spectral shortfall", {"sn_shortfall_max": 0.2}, {"sn_shortfall_max": 0.07}),
    ("scale at its limit", {"log_scale": 5.0}, {"log_scale": 1.0}),
    ("scale at its limit", {"log_scale": -3.0}, {"log_scale": 1.0}),
    ("skipped steps", {"skipped_steps": 3}, {"skipped_steps": 0}),
    (
        "memorised",
        {"train_pairwise": 0.99, "pairwise_sibling": 0.7},
        {"train_pairwise": 0.85, "pairwise_sibling": 0.7},
    ),
]


def raised(**metrics: float | Estimate) -> tuple[Alarm, ...]:
    """The alarms that these figures raise."""
    known = {name: each if isinstance(each, Estimate) else Estimate.plain(each, 1000) for name, each in metrics.items()}
    return raise_alarms(Findings(metrics=known))


def alarmed(**metrics: float | Estimate) -> set[str]:
    """Their names."""
    return {alarm.name for alarm in raised(**metrics)}


def test_a_healthy_head_raises_none(healthy: Examined) -> None:
    assert healthy[0].alarms == ()


def test_what_nobody_measured_raises_none() -> None:
    assert alarmed() == set()


@pytest.mark.parametrize(("name", "sick", "well"), CASES)
def test_a_rule_fires_on_its_illness_only(
    name: str, sick: dict[str, float | Estimate], well: dict[str, float | Estimate]
) -> None:
    assert name in alarmed(**sick)
    assert name not in alarmed(**well)


def test_every_alarm_is_tested_and_says_what_to_do() -> None:
    assert {name for name, _, _ in CASES} == set(ALARMS)
    sick = {name: figure for _, figures, _ in CASES for name, figure in figures.items()}
    assert all(alarm.cause and alarm.remedy for alarm in raised(**sick))


def test_a_slice_that_is_the_wrong_way_round_is_named() -> None:
    deep = Slice(by="depth", label="8+", pairwise=SURE, groups=60)
    [alarm] = raise_alarms(Findings(metrics={"pairwise_sibling": Estimate.plain(0.8, 50)}, slices=(deep,)))
    assert (alarm.name, alarm.severity) == ("polarity flip", Severity.FATAL)
    assert "depth 8+ (0.300)" in alarm.finding


def test_accuracies_on_few_theorems_are_not_believed() -> None:
    """Four theorems once gave a twin 0.83 [0.66, 1.00] by chance."""
    few = Estimate(value=0.83, standard_error=0.1, low=0.66, high=1.0, count=4)
    assert alarmed(twin_pairwise=few) == set()
    assert alarmed(pairwise_sibling=attrs.evolve(SURE, count=4)) == set()


def test_a_slice_of_few_theorems_is_not_believed() -> None:
    few = Slice(by="depth", label="8+", pairwise=attrs.evolve(SURE, count=4), groups=5)
    assert raise_alarms(Findings(metrics={}, slices=(few,))) == ()


def test_the_worst_come_first() -> None:
    alarms = raise_alarms(
        Findings(metrics={"e_std": Estimate.plain(0.01, 9), "emb_cosine_probe": Estimate.plain(0.9, 9)})
    )
    assert [alarm.severity for alarm in alarms] == [Severity.FATAL, Severity.WARNING]


def test_energies_turned_round_are_a_polarity_flip() -> None:
    diagnosis, *_ = examine(gap=-1.0)
    assert "polarity flip" in {alarm.name for alarm in diagnosis.alarms}


def test_a_ruler_is_found_out() -> None:
    groups = planted_groups(longer=40)
    lengths = {text: float(len(text)) for g in groups for text in (g.positive_text, *(n.text for n in g.negatives))}
    diagnosis = diagnose(SiblingSet.from_groups(groups, lengths))
    assert "length leakage" in {alarm.name for alarm in diagnosis.alarms}


def test_a_ruler_is_named_with_what_is_left_of_the_head_at_equal_length() -> None:
    known = {"auc_length_only": 0.9, "pairwise_sibling": 0.9}
    assert "(no pairs are of equal length)" in raised(**known)[0].finding
    assert "(0.510 over pairs of equal length)" in raised(**known, auc_within_len_decile=0.51)[0].finding


def test_a_head_that_knows_only_which_theorems_are_easy_is_found_out() -> None:
    """Many theorems are easy and have one negative in all; few are hard and have the others."""
    groups = planted_groups(theorems=80)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups, gap=0.0))
    is_hard = np.array([int(name[1:]) % 4 == 0 for name in siblings.theorem])
    first = np.arange(len(siblings)) == np.unique(siblings.theorem, return_index=True)[1][:, None]
    lone = first.any(axis=0)[:, None] & (np.cumsum(siblings.mask, axis=1) == 1)
    rng, level = np.random.default_rng(0), np.where(is_hard, 9.0, -9.0)
    head = attrs.evolve(
        siblings.keeping(is_hard[:, None] | lone),
        positive_energy=level + rng.normal(size=len(siblings)),
        negative_energy=level[:, None] + rng.normal(size=siblings.mask.shape),
    )
    diagnosis = diagnose(head)
    assert "easy-negative inflation" in {alarm.name for alarm in diagnosis.alarms}


def test_labels_that_an_audit_found_false_are_named_with_their_share(healthy: Examined) -> None:
    facts = TrainingFacts(
        steps=1, skipped_steps=0, log_scale=0.0, train_pairwise=0.9, audited_negatives=50, provable_negatives=20
    )
    [alarm] = diagnose(healthy[1], facts=facts).alarms
    assert (alarm.name, alarm.finding) == ("false negatives", "40.0% of audited negatives turned out provable")


def test_an_encoder_that_answers_differently_is_fatal(healthy: Examined) -> None:
    table = np.random.default_rng(0).normal(size=(100, 16))
    probe = probe_embeddings(table, before=table[:10], again=table[:10] + 0.1)
    assert diagnose(healthy[1], embeddings=probe).alarms[0].name == "encoder drift"


@pytest.mark.parametrize("name", [*ALARMS, *(grade.value for grade in Grade)])
def test_the_manual_knows_every_alarm_and_every_verdict(name: str) -> None:
    assert f"| {name} |" in PAGE.read_text(encoding="utf-8")
