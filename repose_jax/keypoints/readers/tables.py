"""Tables, CSV and others: columns of joints, a line for each joint, or numbers without a header."""

import csv
import dataclasses
import io
import re
from collections.abc import Sequence

import numpy as np

from repose_jax.keypoints.formats import Joints, match_names, unnamed, with_size
from repose_jax.keypoints.readers.poses import LARGEST, Poses, numbers_of

_AXES = {"x": 0, "y": 1} | dict.fromkeys(
    ("v", "c", "conf", "confidence", "visibility", "score", "likelihood", "prob"), 2
)
_FRAME = ("frame", "frameid", "frameidx", "frameindex", "framenumber", "framenum", "framenr")
_TIME = {"times": 1, "time": 1, "timems": 1e-3, "timestampms": 1e-3, "seconds": 1}
_PERSON = ("person", "personid", "trackid", "personidx", "individual")
_JOINT = (
    *("landmark", "landmarkname", "landmarkid", "landmarkindex", "landmarkidx"),
    *("joint", "jointname", "jointid", "keypoint", "keypointname", "keypointid", "bodypart"),
    *("name", "id", "index"),
)
_DECIMAL = re.compile(r"^([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)$")


def rows_of(text: str) -> list[list[str]]:
    """Returns the cells of a table that is separated by commas, semicolons, tabs or blanks.

    Numbers may have a decimal comma where that separates no cells, as many programs write them.

    Raises:
        ValueError: it is damaged, or no table.
    """
    text = text.lstrip("# ")  # before the header of `np.savetxt`
    first = text.partition("\n")[0]
    # Of numbers with decimal commas a line has one comma more than separators.
    found = {mark: first.count(mark) + (mark != ",") for mark in "\t;," if mark in first}
    mark = max(found, key=found.__getitem__, default=None)
    if mark is None:
        rows = [line.split() for line in text.splitlines()]
    else:
        table = csv.reader(io.StringIO(text, newline=None), delimiter=mark)
        try:
            rows = [[cell.strip() for cell in row] for row in table]
        except csv.Error as error:
            raise ValueError(f"line {table.line_num} of the table is damaged ({error}).") from None
    rows = [row for row in rows if any(row)]
    if mark != ",":
        rows = [[_DECIMAL.sub(r"\1.\2", cell) for cell in row] for row in rows]
    if mark is None and (len(rows[0]) < 2 or not all(map(_is_number, rows[-1]))):
        raise ValueError("it is neither JSON, CSV, TRC nor an array of NumPy.")
    return rows


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def read(cells: list[list[str]], joints: Joints | None = None) -> Poses:
    """Reads a table of one of three layouts.

    Columns such as `left_hip_x, left_hip_y, left_hip_visibility` or `x0, y0, z0, v0`; a line for
    each joint with columns `frame, landmark, x, y`; or numbers alone, two or three for each joint,
    perhaps after that of the frame.

    Args:
        cells: of the table.
        joints: the joint order if it is known; it says how many joints numbers alone are.

    Raises:
        ValueError: it is none of these, or malformed.
    """
    header = [_letters(name) for name in cells[0]]
    if all(map(_is_number, cells[0])):
        return _bare(numbers_of(_equal(cells, 1), 1), len(joints) if joints else None)
    if len(cells) < 2:
        raise ValueError("the table has a header and no data.")
    if {"x", "y"} <= set(header) and any(name in header for name in _JOINT):
        return _long(cells, header)
    return _wide(cells, header)


def _equal(cells: list[list[str]], first_line: int) -> list[list[str]]:
    width = len(cells[0])
    for number, row in enumerate(cells):
        if len(row) != width:
            raise ValueError(
                f"line {number + first_line} has {len(row)} cells, the first one {width}."
            )
    return cells


def _bare(values: np.ndarray, joints: int | None) -> Poses:
    if numbered := _begins_with_frames(values, joints):
        frames, values = values[:, 0], values[:, 1:]
    else:
        frames = np.arange(len(values))
    count = joints or _joints_in(values.shape[1])
    if values.shape[1] not in (2 * count, 3 * count, 4 * count):
        raise ValueError(
            f"a line has {values.shape[1]} numbers; {count} joints have {2 * count} or {3 * count}."
        )
    points = values.reshape(len(values), count, -1)
    confidence = points[..., -1].copy() if points.shape[2] > 2 else np.ones(points.shape[:2])
    if np.nanmin(confidence, initial=0) < 0:  # a depth
        confidence = np.ones_like(confidence)
    poses = _poses(points[..., :2], confidence, frames, None, None, unnamed(count))
    said = "The first numbers of the lines rise as those of frames do, and were taken as these."
    return dataclasses.replace(poses, assumptions=(said,)) if numbered else poses


def _begins_with_frames(values: np.ndarray, joints: int | None) -> bool:
    """Returns whether the first column holds the numbers of frames: whole, and in equal steps.

    Frames without people may be left out of them. A coordinate of a joint may be so in a line or
    two, so there lines that are joints alone remain that.
    """
    first = values[:, 0]
    if not _sizes(values.shape[1] - 1, joints) or not (first == np.round(first)).all():
        return False
    steps = np.diff(first)
    if len(steps) < 2:
        return not _sizes(values.shape[1], joints) and bool((steps > 0).all())
    step = steps.min()
    return bool(step > 0 and np.median(steps) == step and (steps % step == 0).all())


def _sizes(width: int, joints: int | None = None) -> list[int]:
    """Returns how many joints so many numbers may be: the known ones, or those of an order."""
    counts = [width // numbers for numbers in (2, 3, 4) if width % numbers == 0]
    return [count for count in counts if (count == joints if joints else with_size(count))]


def _joints_in(width: int) -> int:
    found = _sizes(width)
    if len(found) != 1:
        sizes = " or ".join(map(str, found))
        problem = f"is {sizes} joints" if found else "fits no known joint order"
        if 5 <= width <= 7:
            problem = "may be a box alone: of YOLO, one of the models for poses is needed"
        raise ValueError(
            f"a line has {width} numbers, which {problem}; name the joint order with --format."
        )
    return found[0]


def _wide(cells: list[list[str]], header: list[str]) -> Poses:
    """Reads columns that are named by joint and axis."""
    columns: dict[str, list[int]] = {}
    for place, name in enumerate(cells[0]):
        joint, axis = _column(name)
        if axis is not None:
            columns.setdefault(joint, [-1, -1, -1])[axis] = place
    columns = {joint: places for joint, places in columns.items() if min(places[:2]) >= 0}
    if not columns:
        raise ValueError(
            f"it is no table of keypoints: its columns are {', '.join(map(repr, cells[0][:6]))}; "
            "names such as 'left_hip_x', 'left_hip_y' or 'x0', 'y0' were expected."
        )
    names = [*columns]
    numbered = all(name.isdecimal() for name in names)
    if numbered:
        names.sort(key=int)
    used = sorted({place for places in columns.values() for place in places if place >= 0})
    extra = [_find(header, _FRAME), _find(header, tuple(_TIME)), _find(header, _PERSON)]
    keep = [*used, *(place for place in extra if place is not None)]
    body = [[row[place] for place in keep] for row in _equal(cells, 1)[1:]]
    numeric, people = _without_names(body, keep, extra[2])
    table = np.full((len(body), len(header)), np.nan)
    table[:, keep] = numbers_of(numeric, 2)
    xy = np.stack([table[:, columns[name][:2]] for name in names], 1)
    confidence = np.stack(
        [table[:, columns[n][2]] if columns[n][2] >= 0 else np.ones(len(table)) for n in names], 1
    )
    frame = table[:, extra[0]] if extra[0] is not None else np.arange(len(table))
    times = None
    if extra[1] is not None:
        times = table[:, extra[1]] * _TIME[header[extra[1]]]
    orders = unnamed(len(names)) if numbered else (match_names(names),)
    return _poses(xy, confidence, frame, times, people, orders)


def _column(name: str) -> tuple[str, int | None]:
    """Splits the name of a column into joint and axis: "left_hip_x", "x_3", "NOSE.visibility"."""
    parts = [part for part in re.split(r"[^A-Za-z0-9]+", name) if part]
    for joint, axis in ((parts[:-1], parts[-1:]), (parts[1:], parts[:1])):
        if joint and axis[0].lower() in _AXES:
            joint = joint[1:] if len(joint) > 1 and joint[1].isdigit() else joint
            return "_".join(joint), _AXES[axis[0].lower()]
    for pattern in (r"(?P<axis>x|y|v|c)(?P<joint>\d+)", r"(?P<joint>[A-Z]?[a-z]+)(?P<axis>X|Y)"):
        if match := re.fullmatch(pattern, name):
            return match["joint"], _AXES[match["axis"].lower()]
    return name, None


def _find(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def _without_names(body: list[list[str]], keep: list[int], person: int | None):
    """Returns the cells with the people's names, which need not be numbers, as numbers."""
    if person is None:
        return body, None
    place = len(keep) - 1
    names = [row[place] for row in body]
    order = {name: number for number, name in enumerate(sorted(set(names)))}
    numeric = all(name.isdecimal() for name in names)
    ids = np.array([int(name) if numeric else order[name] for name in names], int)
    return [[*row[:place], str(number)] for row, number in zip(body, ids, strict=True)], ids


def _long(cells: list[list[str]], header: list[str]) -> Poses:
    """Reads a table with a line for each joint."""
    joint = next(name for name in _JOINT if name in header)
    frame, person, time = (_find(header, names) for names in (_FRAME, _PERSON, tuple(_TIME)))
    if frame is None and time is None:
        raise ValueError("the table has a line for each joint and no column 'frame'.")
    score = _find(header, [name for name, axis in _AXES.items() if axis == 2])
    body = _equal(cells, 1)[1:]
    when = frame if frame is not None else time
    assert when is not None
    numbers = numbers_of([[row[when]] for row in body], 2)[:, 0]
    names = [row[header.index(joint)] for row in body]
    order = list(dict.fromkeys(names))
    by_number = all(name.isdecimal() for name in order)
    if by_number:
        order.sort(key=int)
    who = [row[person] if person is not None else "" for row in body]
    used = [header.index("x"), header.index("y"), *([] if score is None else [score])]
    values = numbers_of([[row[place] for place in used] for row in body], 2)
    poses: dict[tuple[float, str], int] = {}
    row_of = [poses.setdefault(key, len(poses)) for key in zip(numbers, who, strict=True)]
    column_of = [order.index(name) for name in names] if len(order) < 200 else []
    if not column_of:
        raise ValueError(f"the column {joint!r} has {len(order)} different joints.")
    points = np.full((len(poses), len(order), 3), np.nan)
    points[..., 2] = 0
    points[row_of, column_of, :2] = values[:, :2]
    points[row_of, column_of, 2] = values[:, 2] if score is not None else 1
    frames = np.array([number for number, _ in poses])
    times = None
    if time is not None:
        seconds = numbers_of([[row[time]] for row in body], 2)[:, 0] * _TIME[header[time]]
        times = np.full(len(poses), np.nan)
        times[row_of] = seconds
    if frame is None:
        frames = np.unique(frames, return_inverse=True)[1]
    ids = {name: number for number, name in enumerate(sorted({name for _, name in poses}))}
    people = [int(name) if name.isdecimal() else ids[name] for _, name in poses]
    return _poses(
        points[..., :2],
        points[..., 2],
        frames,
        times,
        None if person is None else np.array(people, int),
        unnamed(len(order)) if by_number else (match_names(order),),
    )


def _poses(xy, confidence, frame, times, people, orders) -> Poses:
    """Returns the poses of a table with a line for each."""
    good = np.abs(frame) < LARGEST
    if not good.all():
        raise ValueError(f"the number of the frame of row {int(np.argmin(good))} is missing.")
    frame = frame.astype(int)
    frames, first = np.unique(frame, return_index=True)
    corner = (xy == 0).all(-1)
    return Poses(
        keypoints=xy,
        confidence=np.where(corner & (confidence == 1), 0.0, confidence),
        orders=orders,
        frame=frame,
        frames=frames,
        listed=True,
        identity=people,
        time_s=None if times is None else times[first],
    )
