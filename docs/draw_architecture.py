"""Draws docs/images/architecture.svg from the table of rooms in docs/architecture.md.

Run `python docs/draw_architecture.py` after changing that table.
"""

import dataclasses
import itertools
import textwrap
from html import escape
from pathlib import Path

DOCS = Path(__file__).parent
PICTURE = DOCS / "images" / "architecture.svg"

WIDTH, HEIGHT, GAP, MARGIN = 880, 84, 26, 16
FONT = "font-family='Helvetica, Arial, sans-serif'"
COLOURS = ("#e8eef7", "#dfe9f5", "#e3f0e6", "#f6efdc", "#f7e6da", "#f3e1e8")
"""Of the levels, from the lowest."""


@dataclasses.dataclass(frozen=True)
class Room:
    """A row of the table.

    Attributes:
        level: the higher the more it may import; rooms of one level do not import one another.
        name: folder or module in `repose_jax/`.
        contents: a line for the reader.
        imports: the rooms that it imports from.
    """

    level: int
    name: str
    contents: str
    imports: tuple[str, ...]


def rooms(page: str) -> list[Room]:
    """Returns the rooms of the page's first table, from the highest level to the lowest."""
    lines = itertools.dropwhile(lambda line: not line.startswith("| level"), page.splitlines())
    table = [*itertools.takewhile(lambda line: line.startswith("|"), lines)][2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [
        Room(int(level), name.strip("`"), contents, tuple(imports.split(", ") if imports else ()))
        for level, name, contents, imports in rows
    ]


def svg(rooms: list[Room]) -> str:
    """Returns the picture: a row of boxes for each level, an arrow from row to row."""
    rows = [[*row] for _, row in itertools.groupby(rooms, lambda room: room.level)]
    height = len(rows) * (HEIGHT + GAP) - GAP + 2 * MARGIN
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' {FONT}>",
        f"<rect width='{WIDTH}' height='{height}' fill='white'/>",
    ]
    for number, row in enumerate(rows):
        top = MARGIN + number * (HEIGHT + GAP)
        width = (WIDTH - 2 * MARGIN - (len(row) - 1) * GAP) / len(row)
        for column, room in enumerate(row):
            parts += _box(room, MARGIN + column * (width + GAP), top, width)
        if number:
            parts += _arrow(WIDTH / 2, top - GAP, top)
    return "\n".join([*parts, "</svg>\n"])


def _box(room: Room, left: float, top: float, width: float) -> list[str]:
    middle, colour = left + width / 2, COLOURS[(room.level - 1) % len(COLOURS)]
    lines = textwrap.wrap(room.contents.replace("`", ""), width=int(width / 6.6))
    text = f"text-anchor='middle' x='{middle:g}'"
    return [
        f"<rect x='{left:g}' y='{top}' width='{width:g}' height='{HEIGHT}' rx='8' "
        f"fill='{colour}' stroke='#8a97a8'/>",
        f"<text {text} y='{top + 25}' font-size='16' font-weight='bold'>{room.name}</text>",
        *(
            f"<text {text} y='{top + 46 + 17 * number}' font-size='13' fill='#333'>"
            f"{escape(line)}</text>"
            for number, line in enumerate(lines)
        ),
    ]


def _arrow(x: float, top: float, bottom: float) -> list[str]:
    return [
        f"<path d='M {x:g} {top + 4} V {bottom - 5}' stroke='#55606e' stroke-width='2'/>",
        f"<path d='M {x - 5:g} {bottom - 9} L {x:g} {bottom - 3} L {x + 5:g} {bottom - 9}' "
        "stroke='#55606e' stroke-width='2' fill='none'/>",
    ]


def main() -> None:
    """Writes the picture."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    PICTURE.write_text(svg(rooms(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
