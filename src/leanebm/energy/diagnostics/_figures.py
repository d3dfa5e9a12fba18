"""The figures of the report, each drawn only if there is something to draw."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.calibration_fit import CalibrationBasis
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.head_report import HeadReport

Table = Mapping[str, NDArray[Any]]
"""A file's columns by name; numbers are ``nan`` where they are unknown."""

_MUTED: Final = "#62666f"
_HEAD: Final = "#2b5d8a"
"""Colour of the head, and of states on the path."""

_OTHER: Final = "#b8642b"
"""Colour of what the head is compared with, and of states off the path."""

_STYLE: Final[Any] = {  # whose keys matplotlib types by version
    "svg.fonttype": "none",  # text stays text, which keeps the page small
    "svg.hashsalt": "leanebm",  # the same figure is the same bytes
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": "#d9d8d3",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e8e6e0",
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "legend.frameon": False,
}

_ACCURACY: Final = {
    "pairwise_sibling": "the head",
    "auc_within_len_decile": "at equal length",
    "auc_length_only": "length alone",
    "twin_pairwise": "shuffled twin",
}

_QUEUES: Final = {
    "auc_frontier_sum": "policy and energy",
    "auc_frontier": "the energy",
    "auc_frontier_policy": "the policy",
    "auc_frontier_length": "length alone",
}

_BARS: Final = 40


@attrs.frozen(kw_only=True)
class Plot:
    """A figure of the report."""

    title: str
    caption: str
    """What it shows and how to read it."""

    description: str
    """What it shows, with the figures, for those who cannot see it."""

    source: str
    """The picture, as a ``data:`` URL."""
    __repr__ = fitting_repr


def plots(report: HeadReport, states: Table, log: Table) -> tuple[Plot, ...]:
    """Every figure that there is data for, in the order in which they are read.

    Args:
        report: on the head.
        states: the columns of ``validation.parquet``; empty if there is none.
        log: the columns of the training's ``metrics.parquet``; empty if there is none.
    """
    depths = [(f"{each.label} (n = {each.groups})", each.pairwise) for each in report.slices if each.by == "depth"]
    drawn = (
        _whiskers(
            "Against chance, a ruler and a twin",
            "sibling pairwise accuracy",
            "Sibling pairwise accuracy with its 95 % interval over theorems. The head should lie well to the right of "
            "what length alone reaches, and the twin, trained on shuffled labels, on the line.",
            [(label, report.metrics.get(name)) for name, label in _ACCURACY.items()],
        ),
        _whiskers(
            "In the queues of searches",
            "frontier AUC",
            "How often the open node on the proof's path comes before another, with its 95 % interval over theorems. "
            "Policy and energy together, at the fitted weight, should lie to the right of the policy.",
            [(label, report.metrics.get(name)) for name, label in _QUEUES.items()],
        ),
        _beta(report),
        _whiskers(
            "Where in the proof",
            "sibling pairwise accuracy",
            "Sibling pairwise accuracy with its 95 % interval by depth, in tactics from the root; n counts decision "
            "points.",
            depths,
        ),
        _histogram(states),
        _learning(log),
    )
    return tuple(plot for plot in drawn if plot is not None)


def _whiskers(title: str, unit: str, caption: str, figures: Sequence[tuple[str, Estimate | None]]) -> Plot | None:
    rows = [(label, found) for label, found in figures if found is not None and found.value is not None]
    if not rows:
        return None

    def paint(axes: Axes) -> None:
        for place, (label, found) in enumerate(rows):
            value, low, high = _ends(found)
            colour = _OTHER if label in {"length alone", "shuffled twin", "the policy"} else _HEAD
            axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.3, solid_capstyle="round")
            axes.plot([value], [place], "o", color=colour, markersize=7)
            x, side = (low - 0.02, "right") if high > 0.92 else (high + 0.02, "left")
            axes.text(x, place, f"{value:.3f}", fontsize=9, ha=side, va="center")
        axes.axvline(0.5, color=_MUTED, linewidth=1, linestyle="--")
        axes.text(0.51, -0.62, "chance", color=_MUTED, fontsize=9, va="center")
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.9)
        axes.grid(visible=False, axis="y")
        axes.set_xlim(min(0.35, *(_ends(found)[1] for _, found in rows)) - 0.03, 1.0)
        axes.set_xlabel(unit)

    return _draw(title, caption, "; ".join(f"{label}: {_words(found)}" for label, found in rows), paint)


def _beta(report: HeadReport) -> Plot | None:
    curve = report.fit.curve
    if len(curve) < 2:
        return None
    betas = [point.beta for point in curve]
    values, lows, highs = zip(*(_ends(point.auc) for point in curve), strict=True)
    chosen, used = report.fit.calibration.beta, report.calibration.beta
    queue = "open nodes" if report.fit.basis is CalibrationBasis.FRONTIERS else "siblings"

    def paint(axes: Axes) -> None:
        axes.fill_between(betas, lows, highs, color=_HEAD, alpha=0.15, linewidth=0)
        axes.plot(betas, values, "o-", color=_HEAD, markersize=5)
        axes.axvline(chosen, color=_OTHER, linewidth=1.2, linestyle="--")
        axes.text(chosen + 0.01 * betas[-1], axes.get_ylim()[0], f"β = {chosen:g}", fontsize=9, va="bottom")
        axes.set_xlabel("weight β of the energy, in standard units")
        axes.set_ylabel(f"AUC among {queue}")

    kept = "" if used == chosen else f" The verdict sets it to {used:g} all the same."
    return _draw(
        "How much say it gets",
        f"How well {queue} are ordered by policy and energy together, at each weight, with the 95 % interval. "
        f"The dashed line is the smallest weight within one standard error of the best.{kept}",
        "; ".join(f"β {point.beta:g}: {_words(point.auc)}" for point in curve)
        + f"; fitted weight {chosen:g}, in use {used:g}",
        paint,
    )


def _histogram(states: Table) -> Plot | None:
    if not states:
        return None
    part = "frontiers" if (states["part"] == "frontiers").any() else "siblings"
    what = {"frontiers": "open nodes of searches", "siblings": "siblings"}[part]
    here, on_path = states["part"] == part, states["on_path"].astype(bool)
    on, off = states["energy"][here & on_path], states["energy"][here & ~on_path]
    if not len(on) or not len(off):
        return None
    ends = np.array([np.quantile(side, (0.005, 0.995)) for side in (on, off)])
    low, high = ends.min(), ends.max()
    edges = np.linspace(low, high if high > low else low + 1.0, _BARS + 1).tolist()

    def paint(axes: Axes) -> None:
        for values, colour, label in ((off, _OTHER, "off the path"), (on, _HEAD, "on the path")):
            inside = np.clip(values, edges[0], edges[-1])
            axes.hist(inside, edges, density=True, color=colour, alpha=0.5, histtype="stepfilled", label=label)
        axes.set_xlabel("energy (lower is more provable)")
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.legend(loc="upper right")

    return _draw(
        "On the path and off it",
        f"Energies of {what}, each side scaled to the same area. The further apart, the better; two peaks in the same "
        "place mean that the head knows nothing.",
        f"{what}: on the path {len(on)} states with mean {on.mean():.2f} and standard deviation {on.std():.2f}, "
        f"off it {len(off)} with mean {off.mean():.2f} and standard deviation {off.std():.2f}",
        paint,
    )


def _learning(log: Table) -> Plot | None:
    series = (
        ("validation_pairwise_sibling", "held out", _HEAD, 1.0),
        ("validation_train_pairwise", "trained on", _HEAD, 0.45),
        ("twin_pairwise", "shuffled twin", _OTHER, 1.0),
    )
    known = [
        (label, colour, alpha, log["step"][there], log[column][there])
        for column, label, colour, alpha in series
        if column in log and (there := np.isfinite(log[column])).any()
    ]
    if not known:
        return None

    def paint(axes: Axes) -> None:
        for label, colour, alpha, steps, values in known:
            axes.plot(steps, values, "o-", color=colour, alpha=alpha, markersize=4, label=label)
        axes.axhline(0.5, color=_MUTED, linewidth=1, linestyle="--")
        axes.set_xlabel("steps")
        axes.set_ylabel("sibling pairwise accuracy")
        axes.legend(loc="best")

    return _draw(
        "While it learnt",
        "Sibling pairwise accuracy over the steps of the training. Where the theorems trained on rise and the held-out "
        "ones fall, it is learning by heart.",
        "; ".join(f"{label}: from {values[0]:.3f} to {values[-1]:.3f}" for label, _, _, _, values in known),
        paint,
    )


def _draw(title: str, caption: str, description: str, paint: Callable[[Axes], None]) -> Plot:
    """Let ``paint`` fill one pair of axes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        paint(figure.subplots())
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    source = f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Plot(title=title, caption=caption, description=description, source=source)


def _ends(found: Estimate) -> tuple[float, float, float]:
    """The figure and the ends of its interval, which without an interval are the figure itself."""
    value = np.nan if found.value is None else found.value
    return value, value if found.low is None else found.low, value if found.high is None else found.high


def _words(found: Estimate) -> str:
    if found.value is None:
        return "not measured"
    interval = "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"{found.value:.3f}{interval}"
