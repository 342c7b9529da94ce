"""Tiles in rows and columns that fill a figure of one width, rows named at their left."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from robmednas_tf.report.style import INK, new_figure
from robmednas_tf.report.tiles import Scale, Tile, draw_bar, draw_tile

# In inches.
TITLE_LINE = 0.24
_LABEL, _FOOT = 0.56, 0.66
_WIDTH, _SMALLEST, _LARGEST, _BAR = 9.6, 1.3, 2.6, 2.3
_FONT_SIZE = 9.0
_LETTERS_PER_INCH = 12.0


class TileGrid:
    """A figure of square tiles.

    Args:
        num_columns: Columns; they share the width, down to a smallest size.
        title_lines: How many lines of title stand above the tiles of each row.
    """

    def __init__(self, num_columns: int, title_lines: Sequence[float]):
        self._size = min(max(_WIDTH / num_columns, _SMALLEST), _LARGEST)
        self._bottoms = []
        below = 0.0
        for lines in title_lines:
            below += lines * TITLE_LINE + self._size
            self._bottoms.append(below)
        self.figure = new_figure(_LABEL + max(num_columns * self._size, 2 * _BAR), below + _FOOT)
        self.figure.set_layout_engine("none")

    def draw(self, row: int, column: int, tile: Tile) -> None:
        """Draws a tile; its title is cut to the tile's width, line by line."""
        left = _LABEL + column * self._size
        draw_tile(self.figure, tile, left, self._bottom(row), self._size)

    def label(self, row: int, text: str) -> None:
        """Writes a row's name along its left edge."""
        width, height = self.figure.get_size_inches()
        self.figure.text(
            (_LABEL - 0.06) / width,
            (self._bottom(row) + self._size / 2) / height,
            self.fitted(text, 3),
            rotation=90,
            ha="right",
            va="center",
            multialignment="center",
            color=INK,
            fontsize=_FONT_SIZE,
            fontweight="bold",
            parse_math=False,
        )

    def bars(self, scales: Iterable[Scale]) -> None:
        """Draws the scales' bars below everything, side by side."""
        for place, scale in enumerate(scales):
            draw_bar(self.figure, scale, _LABEL + place * _BAR, _BAR)

    def fitted(self, text: str, num_lines: int) -> str:
        """Returns a text broken and cut to so many lines of a tile's width."""
        letters = int(self._size * _LETTERS_PER_INCH)
        lines = textwrap.wrap(text, letters, max_lines=num_lines, placeholder="…")
        return "\n".join(lines)

    def _bottom(self, row: int) -> float:
        return self.figure.get_size_inches()[1] - self._bottoms[row]
