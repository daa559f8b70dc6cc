import csv
import io
import math

import pytest

from repose_jax.evaluation import tables

TABLE = tables.Table(
    title="Errors, mm",
    columns=("Walk", "Sit_down ↓", "PCK %"),
    rows={"ours": (1.26, 100.0, 98.3), "theirs & others": (math.nan, 2.0, 97.0)},
    digits=(1, 1, 0),
    corner="model",
)


def test_text_lines_up():
    title, head, rule, *rows = tables.text(TABLE).splitlines()
    assert title == "Errors, mm"
    assert head.split() == ["model", "Walk", "Sit_down", "↓", "PCK", "%"]
    assert set(rule) == {"-"}
    assert len({len(line) for line in (head, rule, *rows)}) == 1
    assert rows[0].split() == ["ours", "1.3", "100.0", "98"]
    assert rows[1].split() == ["theirs", "&", "others", "-", "2.0", "97"]


def test_a_table_without_rows_is_its_head():
    empty = tables.Table(title="Errors, mm", columns=("Walk",), rows={}, digits=1)
    assert tables.text(empty).splitlines()[1].split() == ["Walk"]


def test_markdown_is_a_table_below_its_title():
    assert tables.markdown(TABLE) == (
        "Errors, mm\n\n"
        "| model | Walk | Sit_down ↓ | PCK % |\n"
        "|---|---:|---:|---:|\n"
        "| ours | 1.3 | 100.0 | 98 |\n"
        "| theirs & others | - | 2.0 | 97 |\n"
    )


def test_latex_escapes_special_characters():
    text = tables.latex(TABLE)
    assert r"model & Walk & Sit\_down $\downarrow$ & PCK \% \\" in text
    assert r"theirs \& others & -- & 2.0 & 97 \\" in text
    assert r"\begin{tabular}{lrrr}" in text
    assert text.startswith("% Errors, mm")


def test_csv_keeps_all_digits_and_leaves_missing_values_empty():
    rows = list(csv.reader(io.StringIO(tables.comma_separated(TABLE))))
    assert rows == [
        ["model", "Walk", "Sit_down ↓", "PCK %"],
        ["ours", "1.26", "100.0", "98.3"],
        ["theirs & others", "", "2.0", "97.0"],
    ]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="'Errors': row 'ours' has 1 numbers for 2 columns"):
        tables.Table("Errors", ("a", "b"), {"ours": (1.0,)})


def test_spreads_stand_behind_the_numbers_and_in_columns_of_their_own_in_csv():
    table = tables.Table(
        "", ("a", "b"), {"x": (1.0, -2.0)}, ("{:+.1f}", "{:.1f} G"), spreads={"x": (0.25, math.nan)}
    )
    assert table.cells() == {"x": ["+1.0 ± 0.2", "-2.0 G"]}
    assert "+1.0 $\\pm$ 0.2 & -2.0 G" in tables.latex(table)
    assert tables.comma_separated(table) == ",a,a ±,b,b ±\nx,1.0,0.25,-2.0,\n"
