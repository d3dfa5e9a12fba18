"""Figures as SVG that takes its colours from the page around it, so that it suits a dark page and a printed one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any, Final

import attrs
import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["ACCENT", "FAINT", "INK", "MUTED", "WARM", "Plot", "draw"]

INK: Final = "#010101"
"""Text and axes. Drawn with stand-ins, because matplotlib does not know the page's colours."""

MUTED: Final = "#020202"
FAINT: Final = "#030303"
ACCENT: Final = "#040404"
"""On the path; the head."""

WARM: Final = "#050505"
"""Off the path; whatever the head is compared with."""

_VARIABLES: Final = {INK: "--ink", MUTED: "--muted", FAINT: "--faint", ACCENT: "--accent", WARM: "--warm"}

_STYLE: Final[Any] = {  # whose keys matplotlib types by version
    "svg.fonttype": "none",  # text stays text: searchable, selectable, in the page's font
    "svg.hashsalt": "leanebm",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "lines.linewidth": 1.8,
}


@attrs.frozen(kw_only=True)
class Plot:
    """A figure of the report."""

    name: str
    """A word that no other figure of the page has."""

    title: str
    caption: str
    """What it shows and how to read it."""

    description: str
    """The same for those who cannot see it, with the figures."""

    svg: str


def draw(
    name: str, title: str, caption: str, description: str, paint: Callable[[Axes], None], *, width: float = 5.6
) -> Plot:
    """Let ``paint`` fill one pair of axes, and wrap it up.

    Args:
        name: a word that no other figure of the page has.
        title: above the figure.
        caption: what it shows and how to read it.
        description: the same for those who cannot see it, with the figures.
        paint: draws, in the colours of this module only.
        width: in inches; the page scales it.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, 3.2), layout="constrained")
        paint(figure.subplots())
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = _fit_into_page(buffer.getvalue(), name, title, description)
    return Plot(name=name, title=title, caption=caption, description=description, svg=svg)


def _fit_into_page(document: str, name: str, title: str, description: str) -> str:
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\sid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)  # ids are the page's, not the figure's
    svg = re.sub(r'\s(width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"font: ([^;\"]*?)'[^;\"]*(?=[;\"])", r"font: \1inherit", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    label = f'role="img" aria-labelledby="{name}-title {name}-desc"'
    words = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>'
    return re.sub(r"<svg([^>]*)>", lambda found: f"<svg{found[1]} {label}>{words}", svg, count=1)
