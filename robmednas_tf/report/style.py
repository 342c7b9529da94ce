"""How figures look, and how they become files and parts of a page.

Figures are matplotlib objects without pyplot, so that nothing global is left behind, and come out
byte for byte the same from the same values.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from robmednas_tf.files import replaced_atomically

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, VERMILION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY = "#cc79a7", "#56b4e9"
INK, MUTED, RULE, PAPER = "#1d2329", "#59636e", "#d3d9df", "#ffffff"

# On a page the colours are the page's, which has a light and a dark look.
_PAGE_COLOURS = {
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    VERMILION: "var(--vermilion)",
    PURPLE: "var(--purple)",
    SKY: "var(--sky)",
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
# Of a font size of 8.5, on average.
_LETTERS_PER_INCH = 14


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


def legend_above(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], num_columns: int | None = None
) -> None:
    """Lays a legend above everything else.

    Args:
        figure: In constrained layout.
        handles: What stands before each label.
        labels: Plain texts.
        num_columns: None for as many as the figure is wide enough for.
    """
    if num_columns is None:
        longest = 6 + max((len(label) for label in labels), default=0)
        num_columns = max(1, int(figure.get_size_inches()[0] * _LETTERS_PER_INCH / longest))
    figure.legend(
        handles,
        [plain_text(label) for label in labels],
        loc="outside upper left",
        ncols=num_columns,
        frameon=False,
        fontsize=_FONT_SIZE - 0.5,
        labelcolor=INK,
        handletextpad=0.4,
        columnspacing=1.3,
    )


def plain_text(text: str) -> str:
    """Returns a text for matplotlib to write as it is: no mathematics, no hidden label."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def say_empty(axes: Axes, text: str) -> None:
    """Writes why axes show nothing, in their middle."""
    axes.set_yticks([])
    axes.annotate(
        text, (0.5, 0.5), xycoords="axes fraction", ha="center", va="center", color=MUTED, size=11
    )


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
