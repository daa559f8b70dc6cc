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

WIDTH, GAP, MARGIN, LINE = 880, 26, 16, 17
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
    parts, top = [], MARGIN
    for _, level in itertools.groupby(rooms, lambda room: room.level):
        row = [*level]
        if top > MARGIN:
            parts += _arrow(WIDTH / 2, top, top + GAP)
            top += GAP
        width = (WIDTH - 2 * MARGIN - (len(row) - 1) * GAP) / len(row)
        lines = [_wrapped(room, width) for room in row]
        height = 42 + LINE * max(map(len, lines))
        for column, room in enumerate(row):
            left = MARGIN + column * (width + GAP)
            parts += _box(room, lines[column], left, top, width, height)
        top += height
    page = f"width='{WIDTH}' height='{top + MARGIN}'"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' {page} {FONT}>",
            f"<rect {page} fill='white'/>",
            *parts,
            "</svg>\n",
        ]
    )


def _wrapped(room: Room, width: float) -> list[str]:
    return textwrap.wrap(room.contents.replace("`", ""), width=int(width / 6.6))


def _box(
    room: Room, lines: list[str], left: float, top: float, width: float, height: float
) -> list[str]:
    text = f"text-anchor='middle' x='{left + width / 2:g}'"
    return [
        f"<rect x='{left:g}' y='{top:g}' width='{width:g}' height='{height:g}' rx='8' "
        f"fill='{COLOURS[(room.level - 1) % len(COLOURS)]}' stroke='#8a97a8'/>",
        f"<text {text} y='{top + 25:g}' font-size='16' font-weight='bold'>{room.name}</text>",
        *(
            f"<text {text} y='{top + 46 + LINE * number:g}' font-size='13' fill='#333'>"
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
