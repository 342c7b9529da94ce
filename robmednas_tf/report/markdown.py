"""Text and tables as Markdown that reads well raw and rendered."""

from __future__ import annotations

import re
from collections.abc import Sequence


def escape_markdown(text: str) -> str:
    """Returns text on one line that Markdown shows as it is."""
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(text.split()))


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], num_words: int | None = None
) -> str:
    """Returns a table whose columns are lined up in the raw text, too.

    Args:
        head: Column titles, plain text.
        rows: Cells of each row, plain text.
        num_words: Columns that hold words, from the left, and are flush left; None for all. The
            others are flush right.
    """
    cells = [[escape_markdown(cell) for cell in row] for row in (head, *rows)]
    widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
    is_words = [num_words is None or place < num_words for place in range(len(widths))]
    rule = [
        "-" * width if words else f"{'-' * (width - 1)}:"
        for width, words in zip(widths, is_words, strict=True)
    ]
    lines = [
        [
            cell.ljust(width) if words else cell.rjust(width)
            for cell, width, words in zip(row, widths, is_words, strict=True)
        ]
        for row in cells
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
