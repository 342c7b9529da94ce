from __future__ import annotations

import csv
import dataclasses
import math
import re

import pytest

from robmednas_tf.report.evaluation import write_tables
from robmednas_tf.report.evaluation_tables import result_tables
from robmednas_tf.report.table_files import COLUMNS
from robmednas_tf.report.wording import UNDEFINED

from .evaluations import ATTACKS, make_evaluation, with_scores

NASTY = ["Base & line_1", r"50% $x^2$ #~{}\alpha <b>", "[a]|*b*", "x" * 40]


def _evaluation(num_models=3, attacks=("fgsm:0.06",), **changes):
    return make_evaluation(num_models, 7, attacks, curves=(), num_slices=0, **changes)


def _write(folder, report):
    paths = write_tables(folder, report)
    assert [path.name for path in paths] == ["tables.md", "tables.csv", "tables.tex"]
    markdown, _, latex = (path.read_text(encoding="utf-8") for path in paths)
    with paths[1].open(newline="", encoding="utf-8") as file:
        return markdown, list(csv.DictReader(file)), latex


def test_csv_holds_every_cell(tmp_path):
    report = _evaluation()
    rows = _write(tmp_path, report)[1]
    cells = [(table.name, cell) for table in result_tables(report) for cell in table.cells]
    assert len(rows) == len(cells) == 3 * (4 + 4 + 4) * 2 + 12
    for row, (name, cell) in zip(rows, cells, strict=True):
        assert tuple(row) == COLUMNS
        assert (row["table"], row["model"]) == (name, cell.model)
        place = (cell.column.condition, cell.column.region, cell.column.metric)
        assert (row["condition"], row["region"], row["metric"]) == place
        assert float(row["mean"]) == cell.summary.mean
        assert float(row["sd"]) == cell.summary.sd
        assert int(row["n"]) == cell.summary.num_defined
        assert int(row["num_undefined"]) == cell.summary.num_undefined
        assert row["best"] == str(cell.is_best).lower()
        if cell.comparison is None:
            assert (row["p_value"], row["p_adjusted"], row["significant"]) == ("", "", "")
        else:
            assert float(row["p_adjusted"]) == cell.comparison.p_adjusted
            assert row["significant"] == str(cell.is_significant).lower()
    assert {row["best"] for row in rows} == {row["significant"] or "false" for row in rows}


def test_csv_of_undefined_means_has_empty_cells(tmp_path):
    rows = _write(tmp_path, _evaluation(boneless=range(7)))[1]
    bone = [row for row in rows if row["region"] == "bone"]
    assert {(row["mean"], row["sd"], row["n"], row["p_value"]) for row in bone} == {
        ("", "", "0", "")
    }


def test_markdown_marks_the_best_and_the_significant(tmp_path):
    report = with_scores(_evaluation(), "Baseline", "air", dice=[0.5] * 7)
    gains = [0.6, 0.61, 0.62, 0.63, 0.64, 0.65, 0.66]
    report = with_scores(report, "Baseline w/AT", "air", dice=gains)
    report = with_scores(report, "RobMedNAS-R", "air", dice=[0.4, 0.6] + [0.5] * 5)
    lines = _write(tmp_path, report)[0].splitlines()
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in lines if line.startswith("|")]
    place = rows[0].index("Air Nrm.")
    assert [row[place] for row in rows[2:6]] == [
        "0.500 ± 0.000",
        r"**0.630 ± 0.022**\*",
        "0.500 ± 0.058",
        next(
            cell.text for cell in result_tables(report)[0].reference if cell.column.region == "air"
        ),
    ]
    assert rows[5][place + 1] == "n/a"
    assert {len(row) for row in rows[:6]} == {9}


@pytest.mark.parametrize("attacks", [(), ("fgsm:0.06",), ATTACKS, (*ATTACKS, "fgsm:0.2", "fgsm:1")])
def test_latex_rows_have_as_many_cells_as_their_table(tmp_path, attacks):
    latex = _write(tmp_path, _evaluation(attacks=attacks))[2]
    tables = latex.split(r"\begin{table}")[1:]
    assert len(tables) == 3
    num_conditions = 1 + len(attacks)
    for table in tables:
        width = int(re.search(r"\*\{(\d+)\}\{c\}", table)[1])
        assert width % num_conditions == 0
        assert width <= max(4, num_conditions)
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        for row in rows:
            spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", row)]
            assert row.count(" & ") + 1 - len(spans) + sum(spans) == 1 + width
        # Each block of columns has two lines of titles, three models and the reference.
        assert len(rows) == 6 * (4 * num_conditions // width)


def test_latex_marks_the_best_and_the_significant(tmp_path):
    report = _evaluation()
    latex = _write(tmp_path, report)[2]
    cells = [cell for table in result_tables(report) for cell in table.cells]
    assert latex.count(r"\textbf{") == sum(cell.is_best for cell in cells) > 0
    assert latex.count("$^{*}$") == sum(cell.is_significant for cell in cells) > 0


def test_names_are_escaped_in_latex_and_markdown(tmp_path):
    markdown, rows, latex = _write(tmp_path, _evaluation(names=NASTY))
    assert [row["model"] for row in rows[::8][:4]] == NASTY
    assert r"Base \& line\_1" in latex
    escaped = r"50\% \$x\textasciicircum{}2\$ \#\textasciitilde{}\{\}\textbackslash{}alpha "
    assert escaped + r"\textless{}b\textgreater{}" in latex
    # Neither may stand behind a row's end, nor a paragraph's name be broken over the margin.
    assert "\n{[}a]" in latex
    assert "\\raggedright " + "x" * 40 in latex
    assert r"\[a\]\|\*b\*" in markdown
    bare = re.sub(r"\\[{}$&#_%\\]", "", latex)
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    assert not re.search(r"[#~^%]", bare.replace("$^{*}$", ""))
    assert latex.count(r"\begin{") == latex.count(r"\end{")


def test_infinite_and_undefined_figures_are_printed(tmp_path):
    report = with_scores(_evaluation(2), "Baseline", "air", dice=[math.nan] * 7)
    first = report.outcomes[0]
    perfect = dataclasses.replace(first.in_mask, psnr=math.inf)
    outcomes = [dataclasses.replace(first, in_mask=perfect), *report.outcomes[1:]]
    markdown = _write(tmp_path, dataclasses.replace(report, outcomes=outcomes))[0]
    dice, _, mask = (
        line.split(" | ") for line in markdown.splitlines() if line.startswith("| Baseline |")
    )
    assert dice[3] == UNDEFINED
    assert mask[3] == "**inf**"
