"""A table of results, and the ways to write it down."""

import csv
import dataclasses
import io
import math
from collections.abc import Callable, Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of numbers with names.

    Attributes:
        title: of the table, with units; may be empty.
        columns: heads of the columns, "head unit" or with an arrow to where better is.
        rows: name to one number for each column; NaN for a missing one.
        digits: after the decimal point, for each column or for all; or a format, "{:.1f} G".
        corner: what the rows are, above their names.
        spreads: what stands behind "±" in each cell, by the names of the rows; NaN for nothing.
    """

    title: str
    columns: tuple[str, ...]
    rows: Mapping[str, Sequence[float | int]]
    digits: int | tuple[int | str, ...] = 1
    corner: str = ""
    spreads: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name, row in self.rows.items():
            if len(row) != len(self.columns):
                raise ValueError(
                    f"{self.title!r}: row {name!r} has {len(row)} numbers for "
                    f"{len(self.columns)} columns"
                )

    def cells(self, missing: str = "-") -> dict[str, list[str]]:
        """Returns the numbers as text."""
        digits = self.digits
        each = (digits,) * len(self.columns) if isinstance(digits, int) else digits
        templates = [f"{{:.{one}f}}" if isinstance(one, int) else one for one in each]
        nothing = (math.nan,) * len(self.columns)

        def cell(template: str, value: float | int, spread: float) -> str:
            if math.isnan(value):
                return missing
            behind = "" if math.isnan(spread) else f" ± {template.replace('+', '').format(spread)}"
            return template.format(value) + behind

        return {
            name: [*map(cell, templates, row, self.spreads.get(name, nothing))]
            for name, row in self.rows.items()
        }


def text(table: Table) -> str:
    """Formats a table for the screen."""
    cells = table.cells()
    names = max(map(len, [table.corner, *cells]))
    widths = [
        max(map(len, [head, *(row[i] for row in cells.values())])) + 2
        for i, head in enumerate(table.columns)
    ]
    head = table.corner.ljust(names) + "".join(
        h.rjust(w) for h, w in zip(table.columns, widths, strict=True)
    )
    body = (
        name.ljust(names) + "".join(c.rjust(w) for c, w in zip(row, widths, strict=True))
        for name, row in cells.items()
    )
    return "\n".join([*filter(None, [table.title]), head, "-" * len(head), *body])


def markdown(table: Table) -> str:
    """Formats a table as GitHub's Markdown."""
    lines = [
        f"| {table.corner} | " + " | ".join(table.columns) + " |",
        "|---|" + "---:|" * len(table.columns),
        *(f"| {name} | " + " | ".join(row) + " |" for name, row in table.cells().items()),
    ]
    return f"{table.title}\n\n" + "\n".join(lines) + "\n"


def latex(table: Table) -> str:
    """Formats a table as LaTeX, with the rules of `booktabs`."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(map(_escape, cells)) + r" \\"

    return "\n".join(
        [
            f"% {table.title}; needs \\usepackage{{booktabs}}",
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            line([table.corner, *table.columns]),
            r"\midrule",
            *(line([name, *row]) for name, row in table.cells("--").items()),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def comma_separated(table: Table) -> str:
    """Formats a table as CSV, with all digits; a missing number is empty.

    Where cells have spreads, each column is followed by one of them.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heads = table.columns
    if table.spreads:
        heads = [name for head in heads for name in (head, f"{head} ±")]
    writer.writerow([table.corner, *heads])
    for name, row in table.rows.items():
        if table.spreads:
            row = [x for pair in zip(row, table.spreads[name], strict=True) for x in pair]
        writer.writerow([name, *("" if math.isnan(x) else x for x in row)])
    return file.getvalue()


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "txt": text,
    "md": markdown,
    "tex": latex,
    "csv": comma_separated,
}
"""Ways to write a table, by the suffix of the file."""


_LATEX = {
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "#": r"\#",
    "↓": r"$\downarrow$",
    "↑": r"$\uparrow$",
    "²": r"$^2$",
    "±": r"$\pm$",
}


def _escape(cell: str) -> str:
    return "".join(_LATEX.get(character, character) for character in cell)
