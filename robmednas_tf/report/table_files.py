"""An evaluation's tables as files: Markdown, CSV for other programs, and LaTeX for a paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robmednas_tf.files import write_text
from robmednas_tf.report import wording
from robmednas_tf.report.csv_files import write_csv
from robmednas_tf.report.evaluation_captions import caption
from robmednas_tf.report.evaluation_contents import EvaluationReport
from robmednas_tf.report.evaluation_tables import PLUS_MINUS, Cell, ResultTable, result_tables
from robmednas_tf.report.markdown import escape_markdown, markdown_table
from robmednas_tf.report.tables import Table

COLUMNS = (
    *("table", "model", "condition", "region", "metric", "mean", "sd", "n", "num_undefined"),
    *("p_value", "p_adjusted", "significant", "best"),
)
# Columns of figures that fit side by side on a page, at this size of type.
_LATEX_COLUMNS = 4
# A model's name longer than this is broken into lines.
_LATEX_NAME = 24
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Behind a row's end these two would be read as its options.
    "[": "{[}",
    "*": "{*}",
    PLUS_MINUS: r"$\pm$",
    wording.UNDEFINED: "--",
    "\N{MINUS SIGN}": "$-$",
    "\N{EM DASH}": "---",
    **{sign: f"\\{sign}" for sign in "{}$&#_%"},
}


def write_tables(folder: Path, report: EvaluationReport) -> list[Path]:
    r"""Writes the tables as `tables.md`, `tables.csv` and `tables.tex`, each atomically.

    Args:
        folder: Made where it is missing.
        report: The evaluation.

    Returns:
        The files.

    `tables.csv` has a row per cell and the columns `COLUMNS`; `significant` is empty where nothing
    was tested. `tables.tex` is for LaTeX's `\input` and needs the package booktabs.
    """
    tables = result_tables(report)
    paths = [folder / f"tables{suffix}" for suffix in (".md", ".csv", ".tex")]
    write_text(paths[0], "\n".join(_markdown(table, caption(report, table)) for table in tables))
    write_csv(paths[1], COLUMNS, _tidy(tables))
    write_text(paths[2], "\n".join(_latex(table, caption(report, table)) for table in tables))
    return paths


def write_plain_table(folder: Path, name: str, table: Table, title: str) -> list[Path]:
    """Writes a table of plain text as Markdown, CSV and LaTeX, each atomically.

    Args:
        folder: Made where it is missing.
        name: Of the files, without the suffix, and of LaTeX's label.
        table: Its cells.
        title: What it shows.

    Returns:
        The files.
    """
    paths = [folder / f"{name}{suffix}" for suffix in (".md", ".csv", ".tex")]
    text = f"## {title}\n\n{markdown_table(table.head, table.rows, 1)}\n"
    write_text(paths[0], text)
    write_csv(paths[1], table.head, [dict(zip(table.head, row, strict=True)) for row in table.rows])
    lines = [_latex_row([escape_latex(cell) for cell in row]) for row in (table.head, *table.rows)]
    rows = "\n".join([lines[0], "\\midrule", *lines[1:]])
    write_text(
        paths[2],
        "\\begin{table}[htbp]\n\\centering\n"
        f"\\caption{{{escape_latex(title)}}}\n\\label{{tab:{name}}}\n"
        "\\vspace{1ex}\n\\resizebox{\\textwidth}{!}{%\n"
        f"\\begin{{tabular}}{{@{{}}l*{{{len(table.head) - 1}}}{{r}}@{{}}}}\n\\toprule\n"
        f"{rows}\n\\bottomrule\n\\end{{tabular}}}}\n\\end{{table}}\n",
    )
    return paths


def _tidy(tables: Sequence[ResultTable]) -> Iterator[Mapping[str, Any]]:
    for table in tables:
        for cell in table.cells:
            yield {"table": table.name, **_tidy_cell(cell)}


def _tidy_cell(cell: Cell) -> Mapping[str, Any]:
    summary, comparison = cell.summary, cell.comparison
    row: dict[str, Any] = {"model": cell.model, "best": str(cell.is_best).lower()}
    row |= {name: getattr(cell.column, name) for name in ("condition", "region", "metric")}
    if summary is not None:
        row |= {"mean": summary.mean, "sd": summary.sd, "n": summary.num_defined}
        row["num_undefined"] = summary.num_undefined
    if comparison is not None:
        row |= {"p_value": comparison.p_value, "p_adjusted": comparison.p_adjusted}
        row["significant"] = str(comparison.is_significant).lower()
    return row


def _markdown(table: ResultTable, text: str) -> str:
    head = ["Model", *(f"{column.group} {column.label}" for column in table.columns)]
    lines = [head, ["---", *["---:"] * len(table.columns)]]
    for row in _all_rows(table):
        lines.append([escape_markdown(row[0].model), *map(_markdown_cell, row)])
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {table.title}\n\n{rows}\n\n{escape_markdown(text)}\n"


def _markdown_cell(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.is_best else cell.text
    return text + r"\*" * cell.is_significant


def _latex(table: ResultTable, text: str) -> str:
    num_conditions = len(table.columns) // len(table.groups)
    width = num_conditions * max(1, _LATEX_COLUMNS // num_conditions)
    starts = range(0, len(table.columns), width)
    blocks = "\\midrule\n".join(_latex_block(table, slice(s, s + width)) for s in starts)
    return (
        "\\begin{table}[htbp]\n\\centering\n"
        f"\\caption[{escape_latex(table.title)}]{{{escape_latex(text)}}}\n"
        f"\\label{{tab:{table.name}}}\n\\vspace{{1ex}}\n\\scriptsize\n\\setlength{{\\tabcolsep}}{{4pt}}\n"
        f"\\begin{{tabular}}{{@{{}}{_latex_name_column(table)}*{{{width}}}{{c}}@{{}}}}\n\\toprule\n"
        f"{blocks}\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
    )


def _latex_block(table: ResultTable, place: slice) -> str:
    """Some of the columns, of all rows: the whole table is too wide for a page."""
    columns = table.columns[place]
    groups = list(dict.fromkeys(column.group for column in columns))
    each = len(columns) // len(groups)
    heads = [f"\\multicolumn{{{each}}}{{c}}{{{escape_latex(group)}}}" for group in groups]
    rules = [
        f"\\cmidrule(lr){{{2 + number * each}-{1 + (number + 1) * each}}}"
        for number in range(len(groups))
    ]
    lines = [_latex_row(["", *heads]), " ".join(rules)]
    lines.append(_latex_row(["Model", *(escape_latex(column.label) for column in columns)]))
    lines.append("\\midrule")
    for row in table.rows:
        lines.append(_latex_row([_latex_name(row[0].model), *map(_latex_cell, row[place])]))
    if table.reference is not None:
        row = table.reference
        lines += ["\\addlinespace", _latex_row([row[0].model, *map(_latex_cell, row[place])])]
    return "\n".join(lines) + "\n"


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = escape_latex(cell.text)
    star = "$^{*}$" * cell.is_significant
    return (rf"\textbf{{{text}}}" if cell.is_best else text) + star


def _latex_name_column(table: ResultTable) -> str:
    longest = max(len(row[0].model) for row in table.rows)
    return "l" if longest <= _LATEX_NAME else "p{32mm}"


def _latex_name(name: str) -> str:
    text = escape_latex(name)
    return text if len(name) <= _LATEX_NAME else rf"\raggedright {text}"


def escape_latex(text: str) -> str:
    """Returns text on one line that LaTeX shows as it is."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _all_rows(table: ResultTable) -> Iterator[Sequence[Cell]]:
    yield from table.rows
    if table.reference is not None:
        yield table.reference
