"""Tables for other programs: CSV with a header, where what is undefined is an empty cell."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robmednas_tf.files import write_text


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a header and the rows, atomically.

    Args:
        path: The file; replaced where it exists.
        columns: The header.
        rows: Values by column; a missing one, None and NaN are empty cells, infinity is `inf`.

    Raises:
        ValueError: If a row has a value for no column.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    write_text(path, text.getvalue())


def _cell(value: Any) -> Any:
    undefined = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if undefined else value
