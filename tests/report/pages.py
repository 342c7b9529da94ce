"""Reads a report's page, and holds it to what every page must be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "br", "img", "hr", "link", "input", "use", "path", "rect", "circle", "image"}


class Page(HTMLParser):
    """Reads a page: its text, its tables' rows, its images, its ids and its links."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.images: list[str | None] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.heads = 0
        self._cell: list[str] | None = None
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_startendtag(self, tag, attrs):
        self._note(tag, dict(attrs))

    def handle_starttag(self, tag, attrs):
        self._note(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._cell = []
            self._span = int(dict(attrs).get("colspan", 1))
            self.heads += tag == "th"
            assert tag == "td" or "scope" in dict(attrs)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[-1][-1] += ["".join(self._cell).strip()] + [""] * (self._span - 1)
            self._cell = None

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)

    def _note(self, tag, attrs):
        if tag == "img" or (tag == "svg" and attrs.get("role") == "img"):
            self.images.append(attrs.get("alt") or attrs.get("aria-label"))
        assert tag != "script"
        assert not (tag == "svg" and attrs.get("role") != "img")
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[name] for name in ("href", "src", "xlink:href") if name in attrs]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def table(self, first_head: str) -> list[list[str]]:
        (found,) = [table for table in self.tables if table[0][0] == first_head]
        return found


def read_page(path: Path, beside: Iterable[str] = ()) -> Page:
    """Reads a page that must be well-formed, self-contained and accessible.

    Args:
        path: The page.
        beside: Pages that it may link to.
    """
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert "http" not in text
    assert "@import" not in text
    assert all(page.images)
    assert len(page.ids) == len(set(page.ids))
    for link in set(page.links) - set(beside):
        assert link.startswith("data:") or link.removeprefix("#") in page.ids
    for used in re.findall(r"url\(#?([^)]*)\)", text):
        assert used in page.ids
    for table in page.tables:
        assert len({len(row) for row in table}) == 1
    return page


def check_figures(folder: Path, names: Iterable[str]) -> None:
    """Requires each figure as PNG and SVG, and nothing else."""
    files = sorted(folder.iterdir())
    expected = [f"{name}{suffix}" for name in names for suffix in (".png", ".svg")]
    assert [path.name for path in files] == sorted(expected)
    for path in files:
        start = path.read_bytes()[:8]
        assert start == (b"\x89PNG\r\n\x1a\n" if path.suffix == ".png" else b"<?xml ve")
