"""A cohort's examination put into words, for page and terminal.

Apart from `wording`, which knows searches and with them TensorFlow: examining needs none.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence

from robmednas_tf.examination.comparison import crops
from robmednas_tf.examination.subject import ERROR, Examination

UNKNOWN = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def worst_first(examinations: Sequence[Examination]) -> list[Examination]:
    """Returns the examinations by their number of errors, then of warnings, then by name."""
    return sorted(
        examinations, key=lambda each: (-len(each.errors), -len(each.warnings), each.name)
    )


def plural(number: int, noun: str) -> str:
    """Returns a count with its noun, such as "1 error" or "2 errors"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def verdict(each: Examination) -> str:
    """Returns in a few words how a subject stands."""
    counts = [(len(each.errors), "error"), (len(each.warnings), "warning")]
    return ", ".join(plural(number, noun) for number, noun in counts if number) or "sound"


def summary(examinations: Sequence[Examination]) -> str:
    """Returns what was found, in a few sentences."""
    total = len(examinations)
    broken = [each for each in examinations if each.errors]
    strange = [each for each in examinations if each.warnings and not each.errors]
    if not broken:
        first = f"All {total} subjects" if total > 1 else "The only subject"
        first += " can be used: no rule is broken."
    else:
        first = f"{len(broken)} of {plural(total, 'subject')} break{'s' * (len(broken) == 1)} a "
        first += "rule, and commands refuse the cohort until they are mended or taken out."
    if strange:
        be = "is" if len(strange) == 1 else "are"
        second = f"{len(strange)} {'more ' * bool(broken)}{be} strange enough to be looked at."
    else:
        second = f"Nothing {'else ' * bool(broken)}is strange."
    return f"{first} {second}"


def key_figures(examinations: Sequence[Examination]) -> list[tuple[str, str, str]]:
    """Returns the figures to see first: label, value and a remark."""
    broken = sum(bool(each.errors) for each in examinations)
    strange = sum(bool(each.warnings) and not each.errors for each in examinations)
    overlaps = [each.outline_dice for each in examinations if each.outline_dice is not None]
    slices = [each.num_slices for each in examinations if each.num_slices]
    masks = sum(each.has_mask for each in examinations)
    overlap = f"{statistics.median(overlaps):.3f}" if overlaps else UNKNOWN
    lowest = f"median; lowest {min(overlaps):.3f}" if overlaps else "none has both"
    each_has = "none was read"
    if slices:
        spread = f"{min(slices)} to {max(slices)}" if len(set(slices)) > 1 else str(slices[0])
        each_has = f"{spread} a subject"
    return [
        ("Subjects", str(len(examinations)), f"{masks} with a body mask"),
        ("With errors", str(broken), "commands refuse them"),
        ("With warnings only", str(strange), "worth a look"),
        ("Outlines, MR and CT", overlap, f"Dice, {lowest}"),
        ("Axial slices", f"{sum(slices):,}", each_has),
    ]


def sizes(examinations: Sequence[Examination]) -> str:
    """Returns what slices of which size would crop, in a sentence or two; empty if unknown."""
    planes = [(max(each.plane), each) for each in examinations if each.plane]
    found = crops(examinations)
    if not planes or not found:
        return ""
    largest = max(planes, key=lambda item: item[0])[1]
    rows, columns = largest.plane or (0, 0)
    text = f"The largest plane is {rows} {TIMES} {columns} pixels ({largest.name})."
    if not found[-1].names:
        text += f" Slices of {found[-1].image_size} pixels a side cut nothing of any body"
    for crop in found[-2:-1]:
        number = f"{len(crop.names)} of {plural(len(examinations), 'subject')}"
        text += f"; of {crop.image_size}, they crop {number}, by up to {100 * crop.share:.1f} %"
    return f"{text.rstrip('.')}."


def kinds(examinations: Sequence[Examination]) -> list[tuple[str, str, list[str]]]:
    """Returns each kind of finding: severity, the kind, and whose; errors and frequent ones first.

    Findings of one kind differ by names and numbers alone.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for each in examinations:
        found = Counter((finding.severity, kind(finding.text)) for finding in each.findings)
        for key in found:
            names.setdefault(key, []).append(each.name)
    ranked = sorted(names.items(), key=lambda item: (item[0][0] != ERROR, -len(item[1]), item[0]))
    return [(severity, text, whose) for (severity, text), whose in ranked]


def kind(text: str) -> str:
    """Returns the rule or suspicion alone, without names and numbers."""
    text = re.sub(r"'(?:[^'\\]|\\.)*'|\(.*?\)", "", text)
    text = re.sub(r"\s+of subject\b", "", text)
    # The volume's name is not yet what is wrong with it.
    label = re.match(r"(?:MR|CT|Mask): ", text)
    start = label.end() if label else 0
    text = text[:start] + re.split(r"[:.;,](?:\s|$)", text[start:], maxsplit=1)[0]
    text = re.sub(r"-?\b\d(?!-D)[\d.,]*", "\N{HORIZONTAL ELLIPSIS}", text)
    return " ".join(text.split())


def grid(each: Examination) -> str:
    """Returns slices, rows and columns."""
    if each.num_slices is None or each.plane is None:
        return UNKNOWN
    return f"{each.num_slices} {TIMES} {each.plane[0]} {TIMES} {each.plane[1]}"


def spacing(each: Examination) -> str:
    """Returns the spacing in mm, from left to right, back to front and foot to head."""
    if each.spacing_mm is None:
        return UNKNOWN
    return f" {TIMES} ".join(f"{length:.3g}" for length in each.spacing_mm)


def span(values: tuple[float, float] | None) -> str:
    """Returns lowest and highest value."""
    return UNKNOWN if values is None else " to ".join(map(_value, values))


def _value(value: float) -> str:
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"


def percent(share: float | None) -> str:
    """Returns a share in per cent."""
    return UNKNOWN if share is None else f"{100 * share:.0f} %"


def overlap(value: float | None) -> str:
    """Returns a Dice overlap."""
    return UNKNOWN if value is None else f"{value:.3f}"
