"""From drawn figures and a template to a self-contained page, and to figures beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from robmednas_tf.files import write_text
from robmednas_tf.report.style import inline_svg, write_figure


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure, ready for a page or a file.

    Attributes:
        name: Of its files, without the suffix; unique in a report.
        figure: The figure.
        alt: What it shows, for those who cannot see it.
        caption: What the page says below it; empty where its template does.
    """

    name: str
    figure: Figure
    alt: str
    caption: str = ""


def write_page(path: Path, template: str, figures: Iterable[Drawn], **values: Any) -> None:
    """Writes one self-contained HTML page, figures included, atomically.

    Args:
        path: The file; replaced where it exists.
        template: Name of a file in `templates`.
        figures: Become `figures` and `captions` in the template: SVG elements and texts by name.
        **values: What else the template asks for.
    """
    elements, captions = {}, {}
    for drawn in figures:
        elements[drawn.name], captions[drawn.name] = _element(drawn), drawn.caption
    page = _environment().get_template(template)
    write_text(path, page.render(figures=elements, captions=captions, **values))


def write_drawn(folder: Path, figures: Iterable[Drawn]) -> list[Path]:
    """Writes figures, each as PNG and SVG.

    Args:
        folder: Made where it is missing.
        figures: What to write.

    Returns:
        The files, two a figure.
    """
    paths = []
    for drawn in figures:
        for suffix in (".png", ".svg"):
            paths.append(folder / f"{drawn.name}{suffix}")
            write_figure(drawn.figure, paths[-1])
    return paths


def _element(drawn: Drawn) -> Markup:
    # An id has no point; a name may hold that of a number.
    return Markup(inline_svg(drawn.figure, re.sub(r"\W", "_", drawn.name), drawn.alt))


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("robmednas_tf.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
