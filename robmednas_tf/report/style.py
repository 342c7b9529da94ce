"""How figures look, and how they become files and parts of a page.

Figures are matplotlib objects without pyplot, so that nothing global is left behind, and come out
byte for byte the same from the same values.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robmednas_tf.files import replaced_atomically

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
INK, MUTED, RULE, PAPER = "#1d2329", "#59636e", "#d3d9df", "#ffffff"

# On a page the colours are the page's, which has a light and a dark look.
_PAGE_COLOURS = {
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    VERMILION: "var(--vermilion)",
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    RULE: "var(--rule)",
    PAPER: "var(--paper)",
}
_DPI = 160
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "svg.fonttype": "none",
    "svg.hashsalt": "robmednas",
    "savefig.transparent": False,
}
_FONT_SIZE = 9.0


def new_figure(width_in: float, height_in: float) -> Figure:
    """Returns an empty figure of this size in inches, with an Agg canvas."""
    figure = Figure(figsize=(width_in, height_in), facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Gives axes quiet rules and labels."""
    axes.set_facecolor(PAPER)
    axes.set_xlabel(x_label, color=INK, fontsize=_FONT_SIZE)
    axes.set_ylabel(y_label, color=INK, fontsize=_FONT_SIZE)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=_FONT_SIZE - 0.5, length=3)
    axes.grid(True, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)


def write_figure(figure: Figure, path: Path) -> None:
    """Writes a figure in the format of the path's suffix, `.png` or `.svg`, atomically."""
    dateless = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with mpl.rc_context(_STYLE), replaced_atomically(path) as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata=dateless)


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """Returns a figure as an SVG element for an HTML page.

    Args:
        figure: The figure.
        name: What makes its ids unique on the page: letters, digits and underscores.
        alt: What the figure shows, for those who cannot see it; plain text.

    Returns:
        One `svg` element, in the page's colours and fonts.
    """
    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in _PAGE_COLOURS.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{_attribute(alt)}"', 1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
