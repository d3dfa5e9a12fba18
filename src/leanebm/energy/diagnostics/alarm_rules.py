"""Known ways for an energy head to be ill, each with its sign, its likely cause and what to do about it.

A rule looks at measured figures only. On a figure that nobody measured it stays silent.
"""

from __future__ import annotations

import math
from typing import Final

from leanebm.energy.diagnostics.alarm import Alarm, AlarmRule, Findings, Severity
from leanebm.energy.diagnostics.estimate import Estimate

__all__ = ["ALARM_RULES", "raise_alarms"]

_TELLING_THEOREMS: Final = 10
"""A slice of fewer theorems says nothing: its interval is too narrow to be believed."""

_SURE: Final = 3.5
"""Standard errors: one slice of noise in four thousand is this far below chance."""


def raise_alarms(findings: Findings) -> tuple[Alarm, ...]:
    """Every rule of :data:`ALARM_RULES` that found something, the fatal ones first."""
    alarms = [alarm for rule in ALARM_RULES if (alarm := rule(findings)) is not None]
    return tuple(sorted(alarms, key=lambda alarm: alarm.severity is not Severity.FATAL))


def _bad_embeddings(found: Findings) -> str | None:
    zero, infinite = found.value("zero_emb"), found.value("non_finite_emb")
    if not (zero > 0 or infinite > 0):
        return None
    total = found.metrics["zero_emb"].count
    return f"{zero:.0f} of {total} embeddings are all zero, {infinite:.0f} are not finite"


def _encoder_drift(found: Findings) -> str | None:
    cosine = found.value("emb_cosine_probe")
    return f"a state encoded again has cosine {cosine:.4f} with its stored embedding" if cosine < 0.999 else None


def _polarity(found: Findings) -> str | None:
    whole = found.metrics.get("pairwise_sibling")
    if whole is not None and whole.is_below(0.5):
        return f"sibling pairwise accuracy is {whole.value:.3f}, below chance"
    turned = [each for each in found.slices if _is_turned(each.pairwise)]
    if not turned:
        return None
    return "sibling pairwise accuracy is below 0.45 at " + ", ".join(
        f"{each.by} {each.label} ({each.pairwise.value:.3f})" for each in turned
    )


def _is_turned(pairwise: Estimate) -> bool:
    """Whether a slice is surely below chance, given that some twenty of them are looked at."""
    if pairwise.value is None or pairwise.standard_error is None or pairwise.count < _TELLING_THEOREMS:
        return False
    return pairwise.value < 0.45 and pairwise.value + _SURE * pairwise.standard_error < 0.5


def _leaking_twin(found: Findings) -> str | None:
    twin = found.metrics.get("twin_pairwise")
    if twin is None or not twin.is_above(0.53):
        return None
    return f"the twin trained on shuffled labels reaches {twin.value:.3f} on held-out theorems"


def _collapse(found: Findings) -> str | None:
    spread = found.value("e_std")
    return f"energies differ by {spread:.3g} only (standard deviation; a fresh head's is 1)" if spread < 0.1 else None


def _same_embeddings(found: Findings) -> str | None:
    same = found.value("duplicate_emb")
    return f"{same:.1%} of embeddings equal another text's" if same > 0.01 else None


def _few_directions(found: Findings) -> str | None:
    rank = found.value("effective_rank")
    return f"embeddings vary along {rank:.1f} directions only" if rank < 4 else None


def _easy_negatives(found: Findings) -> str | None:
    easy, hard = found.value("pairwise_cross_theorem"), found.value("pairwise_sibling")
    if not (easy - hard > 0.15 and hard < 0.72):
        return None
    return f"{easy:.3f} against other theorems' negatives, {hard:.3f} among siblings"


def _length_leak(found: Findings) -> str | None:
    length, head = found.value("auc_length_only"), found.value("pairwise_sibling")
    if not (length >= head - 0.05 and length > 0.55):
        return None
    rest = found.value("auc_within_len_decile")
    return f"length alone reaches {length:.3f}, the head {head:.3f} ({rest:.3f} over pairs of equal length)"


def _contradictions(found: Findings) -> str | None:
    rate = found.value("dual_label_rate")
    return f"{rate:.1%} of states are labelled both on and off the path of one theorem" if rate > 0.01 else None


def _false_negatives(found: Findings) -> str | None:
    rate = found.value("fn_audit_rate")
    return f"{rate:.1%} of audited negatives turned out provable" if rate > 0.15 else None


def _scale_mismatch(found: Findings) -> str | None:
    ratio = found.value("queue_std_ratio")
    return f"in live queues the energy spreads {ratio:.2g} times as far as the policy" if not _within(ratio) else None


def _within(ratio: float) -> bool:
    return math.isnan(ratio) or 0.3 <= ratio <= 3.0


def _too_easy(found: Findings) -> str | None:
    share = found.value("active_margin_frac")
    return f"only {share:.1%} of sibling pairs are less than a unit apart" if share < 0.02 else None


def _not_told_apart(found: Findings) -> str | None:
    share = found.value("active_margin_frac")
    return f"{share:.0%} of sibling pairs are less than a unit apart" if share > 0.9 else None


def _no_progress(found: Findings) -> str | None:
    spearman = found.value("spearman_remaining")
    return f"Spearman's correlation with the steps that remain is {spearman:.2f}" if spearman < 0.1 else None


def _uncalibrated(found: Findings) -> str | None:
    error = found.value("ece15")
    return f"the expected calibration error is {error:.3f}" if error > 0.15 else None


def _shortfall(found: Findings) -> str | None:
    short = found.value("sn_shortfall_max")
    return f"training's estimate of a layer's norm falls {short:.0%} short" if short > 0.15 else None


def _clamped(found: Findings) -> str | None:
    scale = found.value("log_scale")
    return (
        f"the logarithm of its scale is {scale:.2f}, at the end of [−3, 5]" if scale <= -2.99 or scale >= 4.99 else None
    )


def _skipped(found: Findings) -> str | None:
    skipped = found.value("skipped_steps")
    if not skipped > 0:
        return None
    return f"{skipped:.0f} of {found.metrics['skipped_steps'].count} steps had a loss or gradient that was not finite"


def _memorised(found: Findings) -> str | None:
    seen, held_out = found.value("train_pairwise"), found.value("pairwise_sibling")
    return f"{seen:.3f} on theorems trained on, {held_out:.3f} on others" if seen - held_out > 0.2 else None


_F, _W = Severity.FATAL, Severity.WARNING

ALARM_RULES: tuple[AlarmRule, ...] = (
    AlarmRule(
        name="bad embeddings",
        severity=_F,
        sign=_bad_embeddings,
        cause="the encoder's server failed on some states of a batch and passed the failure on as a vector",
        remedy="encode these states one by one and compare; update the server, or use leanebm's own; then train anew",
    ),
    AlarmRule(
        name="encoder drift",
        severity=_F,
        sign=_encoder_drift,
        cause="the encoder that serves is not quite the one trained with: number format, template, pooling or weights",
        remedy="serve with the training's number format and weights, or encode all data again and train anew",
    ),
    AlarmRule(
        name="polarity flip",
        severity=_F,
        sign=_polarity,
        cause="a sign is the wrong way round (lower must mean more provable), or labels of a slice are swapped",
        remedy="check the loss's sign on planted data, and that slice's labels; never turn the energy round to fit",
    ),
    AlarmRule(
        name="leaking twin",
        severity=_F,
        sign=_leaking_twin,
        cause="something other than labels tells on-path from off-path states, or training and validation share states",
        remedy="split by module, drop states that both sides have, and look for how positives are made differently",
    ),
    AlarmRule(
        name="collapse",
        severity=_W,
        sign=_collapse,
        cause="it says nearly the same of every state: dead inputs, too small a learning rate, too large a temperature",
        remedy="look at the embeddings first (zero, duplicate, few directions), then raise the learning rate",
    ),
    AlarmRule(
        name="duplicate embeddings",
        severity=_W,
        sign=_same_embeddings,
        cause="texts are cut off before they differ, or a cache mixes states up",
        remedy="raise the encoder's length limit or cut states from their least telling part; clear the cache",
    ),
    AlarmRule(
        name="collapsed embeddings",
        severity=_W,
        sign=_few_directions,
        cause="the encoder maps all states to nearly one place; fine-tuning the policy alone can do that",
        remedy="compare with the base model's embeddings; encode with the base weights if they are spread wider",
    ),
    AlarmRule(
        name="easy-negative inflation",
        severity=_W,
        sign=_easy_negatives,
        cause="most training pairs are told apart by their theorem alone, so the hard ones get no gradient",
        remedy="judge by siblings only; raise the share of sibling negatives in training",
    ),
    AlarmRule(
        name="length leakage",
        severity=_W,
        sign=_length_leak,
        cause="off-path states differ in size, and the head tells them apart hardly better than a ruler, or worse",
        remedy="sample negatives of the positives' length, and watch the figure at equal length",
    ),
    AlarmRule(
        name="contradictory labels",
        severity=_W,
        sign=_contradictions,
        cause="a state off one proof lies on another of the same theorem",
        remedy="drop negatives that equal any on-path state of their theorem",
    ),
    AlarmRule(
        name="false negatives",
        severity=_W,
        sign=_false_negatives,
        cause="negatives that nobody has proved are counted as unprovable",
        remedy="try closing tactics on every negative, weigh unverified ones less, smooth labels",
    ),
    AlarmRule(
        name="scale mismatch",
        severity=_W,
        sign=_scale_mismatch,
        cause="the units were fitted for another encoder, policy or kind of theorem",
        remedy="fit the calibration again on queues of the search in use",
    ),
    AlarmRule(
        name="nothing left to learn",
        severity=_W,
        sign=_too_easy,
        cause="the pairs are too easy, or something gives their labels away",
        remedy="sample harder negatives; see what length alone and the shuffled twin reach",
    ),
    AlarmRule(
        name="siblings hardly told apart",
        severity=_W,
        sign=_not_told_apart,
        cause="the head has not learnt yet, or its inputs do not hold what would tell siblings apart",
        remedy="train longer or faster; if accuracy on theorems trained on stays low as well, change the encoder",
    ),
    AlarmRule(
        name="no sense of progress",
        severity=_W,
        sign=_no_progress,
        cause="energies order siblings but not the states along a proof, which a best-first search compares as well",
        remedy="raise the weights of the path and remaining-depth terms",
    ),
    AlarmRule(
        name="poor calibration",
        severity=_W,
        sign=_uncalibrated,
        cause="what an energy means differs from theorem to theorem",
        remedy="trust the order, not the chance; add theorems to validation",
    ),
    AlarmRule(
        name="spectral shortfall",
        severity=_W,
        sign=_shortfall,
        cause="a layer has two singular values of nearly equal size, so few iterations miss the larger",
        remedy="more power iterations in training; freeze the exact norms before scoring",
    ),
    AlarmRule(
        name="scale at its limit",
        severity=_W,
        sign=_clamped,
        cause="the loss wants energies larger or smaller than the head may make them",
        remedy="change the loss's temperature or margin, or standardise the inputs",
    ),
    AlarmRule(
        name="skipped steps",
        severity=_W,
        sign=_skipped,
        cause="infinite or missing numbers in the data, or too large a learning rate",
        remedy="probe the embeddings; lower the learning rate or the gradient limit",
    ),
    AlarmRule(
        name="memorised",
        severity=_W,
        sign=_memorised,
        cause="too few theorems for the head's size",
        remedy="more theorems, a smaller head, more dropout, or stop earlier",
    ),
)
"""All rules, in the order in which it pays to look."""
