"""A cohort's examination on the terminal: a table, the worst first, and the findings in full."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from robmednas_tf.examination.subject import Examination, Finding
from robmednas_tf.report import cohort_wording as wording
from robmednas_tf.report.cohort import CohortReport

WIDTH = 100

# Of the sound ones; the table is there to show the others.
_MOST_SOUND = 20
_HEAD = (
    *("Err", "Wrn", "Subject", "Grid", "Spacing, mm", "Axes", "MR", "CT, HU"),
    *("MR/CT", "Mask"),
)
_NAME = 2
_LEAST_NAME = 8
_RIGHT_ALIGNED = (0, 1)


def table_lines(examinations: Sequence[Examination]) -> list[str]:
    """Returns a table of at most `WIDTH` columns, the worst subjects first.

    Args:
        examinations: Of all subjects; sound ones beyond the first few are only counted.
    """
    ranked = wording.worst_first(examinations)
    num_found = sum(bool(each.findings) for each in ranked)
    shown = ranked[: num_found + _MOST_SOUND]
    rows = [_HEAD, *(_cells(each) for each in shown)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    _shrink(widths)
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "-" * min(WIDTH, max(map(len, lines))))
    if len(ranked) > len(shown):
        lines.append(f"and {len(ranked) - len(shown)} more sound subjects: see the table's file")
    return lines


def finding_lines(report: CohortReport) -> list[str]:
    """Returns every finding in full: of each subject, the worst first, then of the cohort."""
    lines: list[str] = []
    for each in wording.worst_first(report.examinations):
        if each.findings:
            lines += [f"{each.name}: {wording.verdict(each)}", *_wrapped(each.findings), ""]
    if report.warnings:
        lines += ["The cohort:", *_wrapped(Finding("warning", text) for text in report.warnings)]
        lines.append("")
    summary = (_sizes(report.examinations), wording.summary(report.examinations))
    return [*lines, *(line for text in summary for line in textwrap.wrap(text, WIDTH))]


def _sizes(examinations: Sequence[Examination]) -> str:
    text = wording.sizes(examinations)
    return f"{text} See --image_size." if text else ""


def _cells(each: Examination) -> tuple[str, ...]:
    return (
        str(len(each.errors) or ""),
        str(len(each.warnings) or ""),
        each.name,
        _tight(wording.grid(each)),
        _tight(wording.spacing(each)),
        each.axes or wording.UNKNOWN,
        _tight(wording.span(each.mr_range)),
        _tight(wording.span(each.ct_range_hu)),
        wording.overlap(each.outline_dice),
        wording.overlap(each.mask_dice) if each.has_mask else "none",
    )


def _tight(text: str) -> str:
    return text.replace(f" {wording.TIMES} ", "x").replace(" to ", "..")


def _shrink(widths: list[int]) -> None:
    """Narrows columns, names first, until a line fits."""
    surplus = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    from_name = min(max(0, surplus), max(0, widths[_NAME] - _LEAST_NAME))
    widths[_NAME] -= from_name
    for _ in range(surplus - from_name):
        widths[widths.index(max(widths))] -= 1


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [
        f"{_clipped(cell, width):{'>' if place in _RIGHT_ALIGNED else '<'}{width}}"
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}\N{HORIZONTAL ELLIPSIS}"


def _wrapped(findings: Iterable[Finding]) -> list[str]:
    return [
        line
        for finding in findings
        for line in textwrap.wrap(
            f"{finding.severity}: {finding.text}",
            WIDTH,
            initial_indent="  ",
            subsequent_indent="    ",
            # A path that is cut in two cannot be copied.
            break_long_words=False,
            break_on_hyphens=False,
        )
    ]
