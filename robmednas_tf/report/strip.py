"""A subject's thumbnail as one small PNG: MR, CT, and MR with both outlines, side by side."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np
from matplotlib.colors import to_rgb
from scipy.ndimage import binary_erosion

from robmednas_tf.examination.thumbnail import SIZE, Thumbnail
from robmednas_tf.report.style import ORANGE, SKY

CT_COLOUR, MR_COLOUR = ORANGE, SKY

_GAP = 4
# Enough to see everything by; with all 256 a page of hundreds of subjects is twice as large.
_GREYS = 48
# Places in the palette, before the greys.
_CLEAR, _CT_LINE, _MR_LINE = 0, 1, 2
_FIRST_GREY = 3


def strip_uri(thumbnail: Thumbnail) -> str:
    """Returns a thumbnail as a PNG in a `data:` URI; empty where there is nothing to show."""
    if thumbnail.mr is None and thumbnail.ct is None:
        return ""
    png = _png(strip_places(thumbnail))
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def strip_places(thumbnail: Thumbnail) -> np.ndarray:
    """Returns the strip as places in its palette.

    Args:
        thumbnail: MR, CT or both.

    Returns:
        uint8 `(SIZE, 3 * SIZE + 2 * gap)`; what is missing is clear.
    """
    strip = np.full((SIZE, 3 * SIZE + 2 * _GAP), _CLEAR, np.uint8)
    for place, image in enumerate((thumbnail.mr, thumbnail.ct, thumbnail.mr)):
        if image is None:
            continue
        tile = (_FIRST_GREY + image.astype(np.uint16) * _GREYS // 256).astype(np.uint8)
        if place == 2:
            _draw_outlines(tile, thumbnail)
        rows, columns = tile.shape
        top = (SIZE - rows) // 2
        left = place * (SIZE + _GAP) + (SIZE - columns) // 2
        strip[top : top + rows, left : left + columns] = tile
    return strip


def _draw_outlines(tile: np.ndarray, thumbnail: Thumbnail) -> None:
    if thumbnail.on_one_grid and thumbnail.ct_outline is not None:
        tile[_edge(thumbnail.ct_outline)] = _CT_LINE
    if thumbnail.mr_outline is not None:
        tile[_edge(thumbnail.mr_outline)] = _MR_LINE


def _edge(outline: np.ndarray) -> np.ndarray:
    # What touches the image's border goes on beyond it: there is no edge.
    return outline & ~binary_erosion(outline, border_value=1)


def _png(places: np.ndarray) -> bytes:
    height, width = places.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    lines = np.pad(places, ((0, 0), (1, 0)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", _palette()),
            _chunk(b"tRNS", b"\x00"),
            _chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _palette() -> bytes:
    colours = [(0.0, 0.0, 0.0), to_rgb(CT_COLOUR), to_rgb(MR_COLOUR)]
    colours += [(grey, grey, grey) for grey in np.linspace(0, 1, _GREYS)]
    return np.rint(255 * np.array(colours)).astype(np.uint8).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
