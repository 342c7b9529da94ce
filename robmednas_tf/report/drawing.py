"""An architecture drawn: encoder down the left, decoder up the right, skips across."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from robmednas_tf.models.architecture import BRANCHES, Architecture, Block
from robmednas_tf.report import wording
from robmednas_tf.report.style import BLUE, INK, MUTED, PAPER, VERMILION, new_figure

# In inches; a row holds one encoder block and the decoder block of the same two grids.
_WIDTH, _ROW, _CARD_WIDTH, _CARD_HEIGHT = 6.6, 1.02, 2.42, 0.62
_LEFT, _RIGHT = 0.1, _WIDTH - 0.1 - _CARD_WIDTH
_MIDDLES = (_LEFT + _CARD_WIDTH / 2, _RIGHT + _CARD_WIDTH / 2)
_TOP, _BOTTOM = 0.62, 0.98
_FONT_SIZE = 8.0


def draw_architecture(architecture: Architecture, image_size: int) -> Figure:
    """Draws the blocks of an architecture, each with its switches, filters, SE and grids.

    Args:
        architecture: The blocks.
        image_size: Pixels a side of a slice.
    """
    height = _TOP + _ROW * architecture.depth + _BOTTOM
    figure = new_figure(_WIDTH, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, _WIDTH), ylim=(0, height))
    axes.axis("off")
    sketch = _Sketch(axes, architecture, image_size, top=height - _TOP)
    for row in range(architecture.depth):
        sketch.draw_row(row)
    sketch.draw_ends()
    sketch.draw_legend()
    return figure


@dataclass(frozen=True)
class _Sketch:
    axes: Axes
    architecture: Architecture
    image_size: int
    top: float

    def grid(self, level: int) -> str:
        """The grid after so many halvings; slices are padded to what the depth divides."""
        multiple = 2**self.architecture.depth
        size = -(-self.image_size // multiple) * multiple >> level
        return wording.square(size)

    def level_y(self, level: int) -> float:
        return self.top - level * _ROW

    def draw_row(self, row: int) -> None:
        depth = self.architecture.depth
        encoder = self.architecture.encoder[row]
        decoder = self.architecture.decoder[depth - 1 - row]
        centre = self.level_y(row) - _ROW / 2
        self._card(_LEFT, centre, f"Enc{row + 1}", encoder)
        self._card(_RIGHT, centre, f"Dec{depth - row}", decoder)
        self._skip(row, decoder)
        half = _CARD_HEIGHT / 2
        left, right = _MIDDLES
        self._arrow((left, self.level_y(row)), (left, centre + half))
        self._line((left, centre - half), (left, self.level_y(row + 1)))
        self._line((right, self.level_y(row + 1)), (right, centre - half))
        self._arrow((right, centre + half), (right, self.level_y(row) - 0.05))

    def draw_ends(self) -> None:
        left, right = _MIDDLES
        self._line((left, self.top), (left, self.top + 0.24))
        self._text(left, self.top + 0.36, "MR slice", weight="bold")
        self._arrow((right, self.top), (right, self.top + 0.24))
        last = f"{wording.square(1)} convolution → synthetic CT"
        self._text(right, self.top + 0.36, last, weight="bold")
        depth = self.architecture.depth
        bottom = self.level_y(depth)
        self._line((left, bottom), (right, bottom))
        filters = self.architecture.encoder[-1].filters
        self._line_label(bottom, f"{self.grid(depth)}, {_channels(filters)}")

    def draw_legend(self) -> None:
        texts = [branch_name(place) for place in range(len(BRANCHES))]
        columns = (_LEFT, _WIDTH / 2 + 0.1)
        for place, text in enumerate(texts):
            y = 0.36 - 0.19 * (place // 2)
            self._text(columns[place % 2], y, text, ha="left", color=MUTED)
        self._text(_LEFT, 0.56, "Branches, filled where switched on:", ha="left", color=MUTED)
        self._dashed((columns[1], 0.56), (columns[1] + 0.4, 0.56))
        self._text(columns[1] + 0.5, 0.56, "skip, concatenated", ha="left", color=MUTED)

    def _card(self, x: float, centre: float, name: str, block: Block) -> None:
        self.axes.add_patch(
            FancyBboxPatch(
                (x, centre - _CARD_HEIGHT / 2),
                _CARD_WIDTH,
                _CARD_HEIGHT,
                boxstyle="round,pad=0,rounding_size=0.07",
                facecolor=PAPER,
                edgecolor=MUTED,
                linewidth=0.9,
                zorder=2,
            )
        )
        self._text(x + 0.13, centre, name, ha="left", weight="bold", size=10)
        for place, switch in enumerate(block.pattern):
            self._switch(x + 0.66 + 0.215 * place, centre, f"A{place + 1}", switch == "1")
        ratio = block.reduction_ratio
        squeeze = "no SE" if ratio is None else f"SE, ratio {ratio}"
        self._text(x + 1.6, centre + 0.12, f"{block.filters} filters", ha="left", weight="bold")
        colour = MUTED if ratio is None else INK
        self._text(x + 1.6, centre - 0.12, squeeze, ha="left", color=colour)

    def _switch(self, x: float, centre: float, name: str, is_on: bool) -> None:
        self.axes.add_patch(
            Rectangle(
                (x, centre - 0.04),
                0.17,
                0.17,
                zorder=3,
                linewidth=0.9,
                facecolor=BLUE if is_on else PAPER,
                edgecolor=BLUE if is_on else MUTED,
            )
        )
        colour = INK if is_on else MUTED
        self._text(x + 0.085, centre - 0.14, name, size=6.5, color=colour)

    def _skip(self, row: int, decoder: Block) -> None:
        y = self.level_y(row)
        left, right = _MIDDLES
        self._dashed((left, y), (right - 0.06, y))
        channels = 1 if row == 0 else self.architecture.encoder[row - 1].filters
        self._line_label(y, f"{self.grid(row)}, {_channels(channels)}")
        self.axes.plot(
            [right],
            [y],
            "o",
            markersize=7,
            color=PAPER,
            markeredgecolor=VERMILION,
            markeredgewidth=1.2,
            zorder=4,
        )
        self._text(right + 0.14, y, f"{decoder.filters} + {channels}", ha="left", color=MUTED)

    def _dashed(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.axes.plot(
            *zip(start, end, strict=True),
            color=VERMILION,
            linewidth=1.2,
            linestyle=(0, (4, 2.5)),
            zorder=1,
        )

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.axes.plot(*zip(start, end, strict=True), color=INK, linewidth=1.1, zorder=1)

    def _arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.axes.annotate(
            "",
            end,
            start,
            zorder=1,
            arrowprops={
                "arrowstyle": "-|>",
                "color": INK,
                "linewidth": 1.1,
                "shrinkA": 0,
                "shrinkB": 0,
                "mutation_scale": 9,
            },
        )

    def _line_label(self, y: float, text: str) -> None:
        self._text(_WIDTH / 2, y, text, background=True)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        ha: str = "center",
        size: float = _FONT_SIZE,
        color: str = INK,
        weight: str = "normal",
        background: bool = False,
    ) -> None:
        box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5} if background else None
        self.axes.text(
            x,
            y,
            text,
            ha=ha,
            va="center",
            fontsize=size,
            color=color,
            fontweight=weight,
            bbox=box,
            zorder=5,
        )


def branch_name(place: int) -> str:
    """Returns a branch with its layers, such as "A2: 1 × 1, 3 × 3"; `place` counts from 0."""
    return f"A{place + 1}: " + ", ".join(_layer_name(*layer) for layer in BRANCHES[place])


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _layer_name(kind: str, kernel_size: int) -> str:
    size = wording.square(kernel_size)
    return f"{size} max-pool" if kind == "pool" else size
