"""The figures of the report, each drawn only if there is something to draw."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from leanebm.energy.diagnostics.calibration_fit import CalibrationBasis
from leanebm.energy.diagnostics.diagnosis import HeadReport
from leanebm.energy.diagnostics.estimate import Estimate, Floats
from leanebm.energy.diagnostics.length_leak import length_only_scores
from leanebm.energy.diagnostics.report.drawing import ACCENT, FAINT, INK, MUTED, WARM, Plot, draw
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.validation_file import ValidationStates

__all__ = ["plots"]

Curves = Mapping[str, Floats]
"""A column of the training's log by name; ``nan`` at steps that did not measure it."""

_BARS: Final = 40
_DOTS: Final = 800
"""More would make the page heavy, and no clearer."""


def plots(diagnosis: HeadReport, states: ValidationStates | None, curves: Curves) -> tuple[Plot, ...]:
    """Every figure that there is data for, in the order in which they are read."""
    drawn: Iterator[Plot | None] = (
        plot
        for part in (
            (_comparison(diagnosis), _slices(diagnosis, "depth"), _slices(diagnosis, "length")),
            () if states is None else (_histogram(states), _remaining(states.siblings), _length(states.siblings)),
            (_beta(diagnosis), _reliability(diagnosis), _accuracy_curve(curves), _loss_curve(curves)),
        )
        for plot in part
    )
    return tuple(plot for plot in drawn if plot is not None)


def _comparison(diagnosis: HeadReport) -> Plot | None:
    rows = [
        (label, found)
        for name, label in (
            ("pairwise_sibling", "the head"),
            ("auc_within_len_decile", "at equal length"),
            ("auc_length_only", "length alone"),
            ("twin_pairwise", "shuffled twin"),
        )
        if (found := diagnosis.metrics.get(name)) is not None and found.value is not None
    ]
    if not rows:
        return None

    def paint(axes: Axes) -> None:
        for place, (label, found) in enumerate(rows):
            colour = ACCENT if label in {"the head", "at equal length"} else WARM
            _whisker(axes, found, place, colour)
        axes.axvline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(0.51, -0.62, "chance", color=MUTED, fontsize=9, va="center")
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.9)
        axes.grid(visible=False, axis="y")
        lows = [found.value if found.low is None else found.low for _, found in rows if found.value is not None]
        axes.set_xlim(min(0.35, *lows) - 0.03, 1.0)
        axes.set_xlabel("sibling pairwise accuracy")

    return draw(
        "comparison",
        "Against chance, a ruler and a twin",
        "Sibling pairwise accuracy with its 95 % interval over theorems. The head should lie well to the right of "
        "what length alone reaches, and the twin, trained on shuffled labels, on the line.",
        "; ".join(f"{label}: {_words(found)}" for label, found in rows),
        paint,
    )


def _whisker(axes: Axes, found: Estimate, place: float, colour: str) -> None:
    if found.value is None:
        return
    low, high = (
        found.low if found.low is not None else found.value,
        found.high if found.high is not None else found.value,
    )
    axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
    axes.plot([found.value], [place], "o", color=colour, markersize=7)
    x, side = (low - 0.02, "right") if high > 0.92 else (high + 0.02, "left")
    axes.text(x, place, f"{found.value:.3f}", color=INK, fontsize=9, ha=side, va="center")


def _slices(diagnosis: HeadReport, by: str) -> Plot | None:
    parts = [each for each in diagnosis.slices if each.by == by and each.pairwise.value is not None]
    if not parts:
        return None
    title, axis = {
        "depth": ("Where in the proof", "depth of the decision point, in tactics"),
        "length": ("By length of the state", "tenth of all lengths, the shortest first"),
    }[by]

    def paint(axes: Axes) -> None:
        for place, part in enumerate(parts):
            value, low, high = part.pairwise.value, part.pairwise.low, part.pairwise.high
            if low is not None and high is not None:
                axes.plot([place, place], [low, high], color=ACCENT, linewidth=5, alpha=0.3, solid_capstyle="round")
            if value is not None:
                axes.plot([place], [value], "o", color=ACCENT, markersize=7)
        axes.axhline(0.5, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xticks(range(len(parts)), [f"{part.label}\nn = {part.groups}" for part in parts])
        axes.tick_params(axis="x", labelsize=8 if len(parts) > 5 else 10)
        axes.set_xlim(-0.6, len(parts) - 0.4)
        axes.set_ylim(min(0.35, *(part.pairwise.low or 0.5 for part in parts)) - 0.03, 1.02)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(axis)
        axes.set_ylabel("sibling pairwise accuracy")

    return draw(
        f"slices-{by}",
        title,
        "Sibling pairwise accuracy with its 95 % interval; n counts decision points. The dashed line is chance.",
        "; ".join(f"{part.label}: {_words(part.pairwise)}, {part.groups} decision points" for part in parts),
        paint,
    )


def _histogram(states: ValidationStates) -> Plot | None:
    queues = states.frontiers
    if queues is not None and queues.is_on_path.any() and not queues.is_on_path.all():
        on, off, what = queues.energy[queues.is_on_path], queues.energy[~queues.is_on_path], "open nodes of searches"
    else:
        siblings = states.siblings
        on, off, what = siblings.positive_energy, siblings.negative_energy[siblings.mask], "siblings"
    if not len(on) or not len(off):
        return None
    ends = np.array([np.quantile(side, (0.005, 0.995)) for side in (on, off)])
    low, high = ends.min(), ends.max()
    edges = np.linspace(low, high if high > low else low + 1.0, _BARS + 1)

    def paint(axes: Axes) -> None:
        for values, colour, label in ((off, WARM, "off the path"), (on, ACCENT, "on the path")):
            inside = np.clip(values, edges[0], edges[-1])
            axes.hist(inside, edges.tolist(), density=True, color=colour, alpha=0.35)
            axes.hist(inside, edges.tolist(), density=True, color=colour, histtype="step", label=label)
        axes.set_xlabel("energy (lower is more provable)")
        axes.set_ylabel("density")
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.legend(loc="upper right")

    return draw(
        "histogram",
        "On the path and off it",
        f"Energies of {what}, each side scaled to the same area. The further apart, the better; two peaks in the same "
        "place are a head that knows nothing.",
        f"{what}: on the path {len(on)} states with mean {on.mean():.2f} and standard deviation {on.std():.2f}, "
        f"off it {len(off)} with mean {off.mean():.2f} and standard deviation {off.std():.2f}",
        paint,
    )


def _remaining(siblings: SiblingSet) -> Plot | None:
    steps = np.unique(siblings.remaining)
    if len(steps) < 2:
        return None
    quartiles = np.array(
        [np.quantile(siblings.positive_energy[siblings.remaining == n], (0.25, 0.5, 0.75)) for n in steps]
    )

    def paint(axes: Axes) -> None:
        axes.fill_between(steps, quartiles[:, 0], quartiles[:, 2], color=ACCENT, alpha=0.2, linewidth=0)
        axes.plot(steps, quartiles[:, 1], "o-", color=ACCENT, markersize=5)
        axes.set_xlabel("tactics that remain")
        axes.set_ylabel("energy on the path")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return draw(
        "remaining",
        "Does it sense the end",
        "Median and middle half of the energies of on-path states, by how many tactics remain. It should rise to the "
        "right: a best-first search compares states at all depths, not only siblings.",
        "; ".join(f"{n} left: median {q[1]:.2f}" for n, q in zip(steps.tolist(), quartiles, strict=True)),
        paint,
    )


def _length(siblings: SiblingSet) -> Plot | None:
    known = np.flatnonzero(np.isfinite(siblings.positive_shape).all(axis=1) & siblings.mask.any(axis=1))
    usable = siblings.take(known)
    if len(np.unique(usable.theorem)) < 2:
        return None
    characters = np.concatenate([usable.positive_shape[:, 0], usable.negative_shape[:, :, 0][usable.mask]])
    energy = np.concatenate([usable.positive_energy, usable.negative_energy[usable.mask]])
    own, others = length_only_scores(usable)
    ruler = np.concatenate([own, others[usable.mask]])
    correlation = _correlation(energy, np.log(characters))
    shown = np.random.default_rng(0).permutation(len(energy))[:_DOTS]
    on = np.arange(len(energy)) < len(own)

    def paint(axes: Axes) -> None:
        for side, colour, label in ((~on, WARM, "off the path"), (on, ACCENT, "on the path")):
            picked = shown[side[shown]]
            axes.plot(characters[picked], energy[picked], ".", color=colour, alpha=0.5, markersize=4, label=label)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("characters of the state")
        axes.set_ylabel("energy")
        axes.legend(loc="best", markerscale=2)

    return draw(
        "length",
        "Is it measuring with a ruler",
        f"Energy against length of up to {len(shown)} states. A cloud without a slope is good; one in which length "
        "tells the colours apart is not.",
        f"correlation of energy with log characters {correlation:.2f}, "
        f"with what length alone would predict {_correlation(energy, ruler):.2f}",
        paint,
    )


def _beta(diagnosis: HeadReport) -> Plot | None:
    curve = diagnosis.fit.curve
    if len(curve) < 2:
        return None
    betas = [point.beta for point in curve]
    values, lows, highs = (
        np.array([math.nan if (end := getattr(point.auc, name)) is None else end for point in curve])
        for name in ("value", "low", "high")
    )
    chosen, used = diagnosis.fit.calibration.beta, diagnosis.calibration.beta
    queue = "open nodes" if diagnosis.fit.basis is CalibrationBasis.FRONTIERS else "siblings"

    def paint(axes: Axes) -> None:
        axes.fill_between(betas, lows, highs, color=ACCENT, alpha=0.15, linewidth=0)
        axes.plot(betas, values, "o-", color=ACCENT, markersize=5)
        axes.axvline(chosen, color=WARM, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.text(chosen + 0.01 * betas[-1], axes.get_ylim()[0], f"β = {chosen:g}", color=INK, fontsize=9, va="bottom")
        axes.set_xlabel("weight β of the energy, in standard units")
        axes.set_ylabel(f"AUC among {queue}")

    kept = "" if used == chosen else f" The verdict sets it to {used:g} all the same."
    return draw(
        "beta",
        "How much say it gets",
        f"How well {queue} are ordered by policy and energy together, at each weight, with the 95 % interval. "
        f"The dashed line is the smallest weight within one standard error of the best.{kept}",
        "; ".join(f"β {point.beta:g}: {_words(point.auc)}" for point in curve)
        + f"; fitted weight {chosen:g}, in use {used:g}",
        paint,
    )


def _reliability(diagnosis: HeadReport) -> Plot | None:
    bins = diagnosis.reliability
    if not bins:
        return None
    top = 1.08 * max(max(each.predicted, each.observed) for each in bins) or 1.0

    def paint(axes: Axes) -> None:
        axes.plot([0, top], [0, top], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        axes.plot([each.predicted for each in bins], [each.observed for each in bins], "o-", color=ACCENT, markersize=5)
        axes.set_xlim(0, top)
        axes.set_ylim(0, top)
        axes.set_xlabel("predicted chance")
        axes.set_ylabel("share on the path")

    return draw(
        "reliability",
        "Can it be read as a chance",
        "Predicted chance of lying on the path against how many do, in bins of equal weight, on theorems that the "
        "reading was not fitted on. On the dashed line, the chance can be believed.",
        "; ".join(f"predicted {each.predicted:.3f}, observed {each.observed:.3f}" for each in bins),
        paint,
    )


def _accuracy_curve(curves: Curves) -> Plot | None:
    series = (
        ("validation_pairwise_sibling", "held out", ACCENT, 1.0),
        ("validation_train_pairwise_sibling", "trained on", ACCENT, 0.45),
        ("twin_pairwise_sibling", "shuffled twin", WARM, 1.0),
    )
    return _curve(
        curves,
        series,
        "accuracy-curve",
        "While it learnt",
        "sibling pairwise accuracy",
        "Sibling pairwise accuracy over the steps of the training. Where the theorems trained on rise and the held-out "
        "ones fall, it is learning by heart.",
        chance=0.5,
    )


def _loss_curve(curves: Curves) -> Plot | None:
    series = (("train_loss", "the head", ACCENT, 1.0), ("twin_loss", "shuffled twin", WARM, 1.0))
    caption = "The training objective over its steps. A twin can learn its lots by heart, too."
    return _curve(curves, series, "loss-curve", "The loss", "loss", caption)


def _curve(
    curves: Curves,
    series: Sequence[tuple[str, str, str, float]],
    name: str,
    title: str,
    unit: str,
    caption: str,
    *,
    chance: float | None = None,
) -> Plot | None:
    known = [
        (label, colour, alpha, curves["step"][there], curves[column][there])
        for column, label, colour, alpha in series
        if column in curves and (there := np.isfinite(curves[column])).any()
    ]
    if not known:
        return None

    def paint(axes: Axes) -> None:
        for label, colour, alpha, steps, values in known:
            axes.plot(
                steps, values, "o-" if len(steps) < 20 else "-", color=colour, alpha=alpha, markersize=4, label=label
            )
        if chance is not None:
            axes.axhline(chance, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel("steps")
        axes.set_ylabel(unit)
        axes.legend(loc="best")

    described = "; ".join(f"{label}: from {values[0]:.3f} to {values[-1]:.3f}" for label, _, _, _, values in known)
    return draw(name, title, caption, described, paint)


def _words(found: Estimate) -> str:
    if found.value is None:
        return "not measured"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"{found.value:.3f}{interval}"


def _correlation(x: Floats, y: Floats) -> float:
    return float(np.corrcoef(x, y)[0, 1]) if x.std() > 0 and y.std() > 0 else 0.0
