"""DeepLabCut's tables, under rows "scorer", "individuals" (if many), "bodyparts", "coords"."""

import numpy as np

from repose_jax.keypoints.formats import match_names
from repose_jax.keypoints.readers.poses import Poses, numbers_of, split_number


def is_table(cells: list[list[str]]) -> bool:
    """Whether the cells of a table begin with DeepLabCut's header."""
    return bool(cells) and any(row[:1] == ["bodyparts"] for row in cells[:4])


def read(cells: list[list[str]]) -> Poses:
    """Reads the joints of every individual.

    Raises:
        ValueError: the header is incomplete, a joint lacks a coordinate, or a cell is no number.
    """
    header = {row[0]: row for row in cells[:4] if row[0] in _HEADER}
    if "coords" not in header:
        raise ValueError("the table of DeepLabCut has no row 'coords'.")
    body = cells[len(header) :]
    if not body:
        raise ValueError("the table of DeepLabCut has no frames.")
    parts, coords = header["bodyparts"], header["coords"]
    individuals = header.get("individuals", ["individuals"] + ["single"] * (len(parts) - 1))
    width = min(map(len, (parts, coords, individuals)))
    places: dict[str, dict[str, dict[str, int]]] = {}
    for column in range(1, width):
        if coords[column]:
            of_person = places.setdefault(individuals[column], {})
            of_person.setdefault(parts[column], {})[coords[column]] = column
    names = list(dict.fromkeys(part for person in places.values() for part in person))
    first = min(column for p in places.values() for part in p.values() for column in part.values())
    for number, row in enumerate(body):
        if len(row) < width:
            raise ValueError(
                f"line {number + len(header) + 1} has {len(row)} cells, the header {width}."
            )
    table = np.full((len(body), width), np.nan)
    cut = [row[first:width] for row in body]
    table[:, first:] = numbers_of(cut, len(header) + 1)
    numbers = [split_number(row[first - 1] or row[0])[1] for row in body]
    frames = np.array([n if n is not None else place for place, n in enumerate(numbers)], int)
    if (np.diff(frames) <= 0).any():
        frames = np.arange(len(frames))
    points = np.stack([_person(table, person, names) for person in places.values()], 1)
    present = np.isfinite(points[..., :2]).all(-1).any(-1)
    frame, person = np.nonzero(present)
    return Poses(
        keypoints=points[frame, person, :, :2],
        confidence=points[frame, person, :, 2],
        orders=(match_names(names),),
        frame=frames[frame],
        frames=frames,
        listed=True,
        identity=person,
    )


_HEADER = ("scorer", "individuals", "bodyparts", "coords")


def _person(table: np.ndarray, places: dict[str, dict[str, int]], names: list[str]) -> np.ndarray:
    """Returns `[t, joints, 3]`: x, y and likelihood, which annotations do not have."""
    points = np.full((len(table), len(names), 3), np.nan)
    for number, name in enumerate(names):
        columns = places.get(name)
        if columns is None:
            continue
        if not {"x", "y"} <= set(columns):
            raise ValueError(f"the bodypart {name!r} has no columns x and y.")
        points[:, number, 0] = table[:, columns["x"]]
        points[:, number, 1] = table[:, columns["y"]]
        likelihood = columns.get("likelihood")
        points[:, number, 2] = 1 if likelihood is None else table[:, likelihood]
    return points
