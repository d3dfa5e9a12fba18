"""Known faults of energy heads, each with its sign, its likely cause and what to do about it.

A rule looks at measured figures only. On a figure that nobody measured it stays silent.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.sibling_figures import Slice

_TELLING_THEOREMS: Final = 10
"""Figures on fewer theorems say nothing for sure: their bootstrap interval is too narrow to be believed."""

_SURE: Final = 3.5
"""Standard errors: one slice of noise in four thousand is this far below chance."""


class Severity(enum.Enum):
    """How bad it is."""

    FATAL = "fatal"
    """The figures themselves cannot be trusted; the head must not steer a search."""

    WARNING = "warning"
    """The head is worse than it could be, or looks better than it is."""


@attrs.frozen(kw_only=True)
class Alarm:
    """A rule that found what it looks for."""

    name: str
    severity: Severity
    finding: str
    """What was measured."""

    cause: str
    """What most likely lies behind it."""

    remedy: str
    """What to do."""
    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Findings:
    """What rules look at."""

    metrics: Mapping[str, Estimate]
    slices: tuple[Slice, ...] = ()

    __repr__ = fitting_repr

    def value(self, name: str) -> float:
        """A figure's value; ``nan``, for which no comparison holds, where it was not measured."""
        found = self.metrics.get(name)
        return math.nan if found is None or found.value is None else found.value


_Sign = Callable[[Findings], str | None]
"""What is wrong, in one clause with the figure in it; ``None`` if nothing is."""


def _below(name: str, limit: float, said: str) -> _Sign:
    return lambda found: said.format(value) if (value := found.value(name)) < limit else None


def _above(name: str, limit: float, said: str) -> _Sign:
    return lambda found: said.format(value) if (value := found.value(name)) > limit else None


def _polarity_flip(found: Findings) -> str | None:
    whole = found.metrics.get("pairwise_sibling")
    if whole is not None and whole.count >= _TELLING_THEOREMS and whole.is_below(0.5):
        return f"sibling pairwise accuracy is {whole.value:.3f}, below chance"
    turned = [each for each in found.slices if _is_turned(each.pairwise)]
    if not turned:
        return None
    return "sibling pairwise accuracy is below 0.45 at " + ", ".join(
        f"{each.by} {each.label} ({each.pairwise.value:.3f})" for each in turned
    )


def _is_turned(pairwise: Estimate) -> bool:
    """Whether a slice is surely below chance, given that several of them are looked at."""
    if pairwise.value is None or pairwise.standard_error is None or pairwise.count < _TELLING_THEOREMS:
        return False
    return pairwise.value < 0.45 and pairwise.value + _SURE * pairwise.standard_error < 0.5


def _leaking_twin(found: Findings) -> str | None:
    twin = found.metrics.get("twin_pairwise")
    if twin is None or twin.count < _TELLING_THEOREMS or not twin.is_above(0.53):
        return None
    return f"the twin trained on shuffled labels reaches {twin.value:.3f} on held-out theorems"


def _easy_negatives(found: Findings) -> str | None:
    easy, hard = found.value("pairwise_cross_theorem"), found.value("pairwise_sibling")
    if not (easy - hard > 0.15 and hard < 0.72):
        return None
    return f"{easy:.3f} against other theorems' negatives, {hard:.3f} among siblings"


def _length_leakage(found: Findings) -> str | None:
    length, head = found.value("auc_length_only"), found.value("pairwise_sibling")
    if not (length >= head - 0.05 and length > 0.55):
        return None
    rest = found.value("auc_within_len_decile")
    matched = "no pairs are of equal length" if math.isnan(rest) else f"{rest:.3f} over pairs of equal length"
    return f"length alone reaches {length:.3f}, the head {head:.3f} ({matched})"


def _scale_at_limit(found: Findings) -> str | None:
    scale = found.value("log_scale")
    if -2.99 < scale < 4.99 or math.isnan(scale):
        return None
    return f"the logarithm of its scale is {scale:.2f}, at the end of [−3, 5]"


def _skipped_steps(found: Findings) -> str | None:
    skipped = found.value("skipped_steps")
    if not skipped > 0:
        return None
    return f"{skipped:.0f} of {found.metrics['skipped_steps'].count} steps had a loss or gradient that was not finite"


def _memorised(found: Findings) -> str | None:
    seen, held_out = found.value("train_pairwise"), found.value("pairwise_sibling")
    return f"{seen:.3f} on theorems trained on, {held_out:.3f} on others" if seen - held_out > 0.2 else None


@attrs.frozen(kw_only=True)
class _Rule:
    name: str
    severity: Severity = Severity.WARNING
    cause: str
    remedy: str
    sign: _Sign


_RULES: Final = (
    _Rule(
        name="encoder drift",
        severity=Severity.FATAL,
        cause="the encoder that serves is not quite the one trained with: number format, template, pooling or weights",
        remedy="serve with the training's number format and weights, or encode all data again and train anew",
        sign=_below("emb_cosine_probe", 0.999, "a state encoded again has cosine {:.4f} with its stored embedding"),
    ),
    _Rule(
        name="polarity flip",
        severity=Severity.FATAL,
        cause="a sign is the wrong way round (lower must mean more provable), or labels of a slice are swapped",
        remedy="check the loss's sign on planted data, and that slice's labels; never turn the energy round to fit",
        sign=_polarity_flip,
    ),
    _Rule(
        name="leaking twin",
        severity=Severity.FATAL,
        cause="something other than labels tells on-path from off-path states, or training and validation share states",
        remedy="split by module, drop states that both sides have, and look for how positives are made differently",
        sign=_leaking_twin,
    ),
    _Rule(
        name="collapse",
        cause="it says nearly the same of every state: dead inputs, too small a learning rate, too large a temperature",
        remedy="look at the embeddings first (duplicates, few directions), then raise --learning-rate",
        sign=_below("e_std", 0.1, "energies differ by {:.3g} only (standard deviation; a fresh head's is 1)"),
    ),
    _Rule(
        name="duplicate embeddings",
        cause="texts are cut off before they differ, the encoder does not see in what they differ, or a cache mixes "
        "states up",
        remedy="raise the encoder's length limit; delete the file given as --embedding-cache",
        sign=_above("duplicate_emb", 0.01, "{:.1%} of embeddings equal another text's"),
    ),
    _Rule(
        name="collapsed embeddings",
        cause="the encoder maps all states to nearly one place; fine-tuning the policy alone can do that",
        remedy="compare with the base model's embeddings; encode with the base weights if they are spread wider",
        sign=_below("effective_rank", 4, "embeddings vary along {:.1f} directions only"),
    ),
    _Rule(
        name="easy-negative inflation",
        cause="most training pairs are told apart by their theorem alone, so the hard ones get no gradient",
        remedy="judge by siblings only; from Python, raise the sampler's hard_fraction",
        sign=_easy_negatives,
    ),
    _Rule(
        name="length leakage",
        cause="off-path states differ in size, and the head tells them apart hardly better than a ruler, or worse",
        remedy="collect negatives of the positives' length, and watch the figure at equal length",
        sign=_length_leakage,
    ),
    _Rule(
        name="false negatives",
        cause="negatives that nobody has proved are counted as unprovable",
        remedy="generate negatives with more --closers and --probe-expansions, so that fewer false ones are kept",
        sign=_above("fn_audit_rate", 0.15, "{:.1%} of audited negatives turned out provable"),
    ),
    _Rule(
        name="no sense of progress",
        cause="energies order siblings but not the states along a proof, which a best-first search compares as well",
        remedy="from Python, raise the objective's path_weight and depth_weight",
        sign=_below("spearman_remaining", 0.1, "Spearman's correlation with the steps that remain is {:.2f}"),
    ),
    _Rule(
        name="spectral shortfall",
        cause="a layer has two singular values of nearly equal size, so few iterations miss the larger",
        remedy="search with --freeze-spectral, which computes the exact norms",
        sign=_above("sn_shortfall_max", 0.15, "training's estimate of a layer's norm falls {:.0%} short"),
    ),
    _Rule(
        name="scale at its limit",
        cause="the loss wants energies larger or smaller than the head may make them",
        remedy="another --loss, or, from Python, another temperature or margin of the objective",
        sign=_scale_at_limit,
    ),
    _Rule(
        name="skipped steps",
        cause="infinite or missing numbers in the data, or too large a learning rate",
        remedy="lower --learning-rate; if that does not help, look for embeddings of unusual length",
        sign=_skipped_steps,
    ),
    _Rule(
        name="memorised",
        cause="too few theorems for the head's size",
        remedy="more theorems, a smaller head (--hidden), more --dropout, or fewer --steps",
        sign=_memorised,
    ),
)

ALARMS: Final[Mapping[str, Severity]] = {rule.name: rule.severity for rule in _RULES}
"""The name of every alarm, in the order in which it pays to look, and how bad it is."""


def raise_alarms(findings: Findings) -> tuple[Alarm, ...]:
    """Every alarm of :data:`ALARMS` whose sign is there, the fatal ones first."""
    alarms = [
        Alarm(name=rule.name, severity=rule.severity, finding=finding, cause=rule.cause, remedy=rule.remedy)
        for rule in _RULES
        if (finding := rule.sign(findings)) is not None
    ]
    return tuple(sorted(alarms, key=lambda alarm: alarm.severity is not Severity.FATAL))
