"""Small keypoint files of every schema, of one synthetic person whose joints are known."""

import csv
import io
import json
import pathlib

import numpy as np

from repose_jax.keypoints.formats import FORMATS
from repose_jax.skeleton import HUMAN36M, MAPS

# A person who faces the camera, as parts of the height: x to the person's left, y up.
_SIDED = {
    "hip": (0.06, 0.52),
    "knee": (0.07, 0.28),
    "ankle": (0.08, 0.05),
    "heel": (0.07, 0.02),
    "big_toe": (0.09, 0.0),
    "small_toe": (0.12, 0.01),
    "foot_index": (0.1, 0.0),
    "shoulder": (0.1, 0.8),
    "elbow": (0.16, 0.65),
    "wrist": (0.2, 0.51),
    "pinky": (0.22, 0.47),
    "index": (0.21, 0.46),
    "thumb": (0.2, 0.47),
    "eye_inner": (0.01, 0.94),
    "eye": (0.02, 0.94),
    "eye_outer": (0.03, 0.94),
    "ear": (0.04, 0.93),
    "mouth": (0.01, 0.9),
}
_CENTRAL = {
    "pelvis": 0.53,
    "spine": 0.66,
    "chest": 0.68,
    "thorax": 0.81,
    "neck": 0.83,
    "nose": 0.92,
    "head": 0.98,
    "head_top": 1.0,
}
SIZE = (1280, 720)


def places(frames: int = 6, offset: float = 0.0) -> dict[str, np.ndarray]:
    """`{joint: [t, 2]}` px of a person 500 px high, who sways and lifts the left wrist."""
    t = np.arange(frames)
    found = {}
    for side, sign in (("left", 1), ("right", -1)):
        for part, (x, y) in _SIDED.items():
            lift = 0.02 * t if (side, part) == ("left", "wrist") else 0 * t
            found[f"{side}_{part}"] = np.stack([sign * x + 0.01 * np.sin(t), y + lift], -1)
    for part, y in _CENTRAL.items():
        found[part] = np.stack([0.01 * np.sin(t), y + 0.0 * t], -1)
    return {name: np.array([640 + offset, 650]) + p * [500, -500] for name, p in found.items()}


def points(order: str, frames: int = 6, offset: float = 0.0) -> np.ndarray:
    """`[t, k, 2]` px of the joints of a format; those without a name are at (1, 1)."""
    of = places(frames, offset)
    nothing = np.ones((frames, 2))
    return np.stack([nothing if j is None else of[j] for j in FORMATS[order]], 1)


def wanted(order: str, frames: int = 6, offset: float = 0.0) -> np.ndarray:
    """`[t, 17, 2]` px of the person's joints in Human3.6M's order, by the map of a format."""
    of = places(frames, offset)
    if order == "human36m":
        return points(order, frames, offset)
    recipes = MAPS[order, "human36m"]
    return np.stack([sum(w * of[j] for j, w in recipes[joint]) for joint in HUMAN36M.joints], 1)


def flat(order: str, frame: int, offset: float = 0.0, score: float = 0.5) -> list[float]:
    """x, y, score, x, y, score, ... of a frame."""
    xy = points(order, frame + 1, offset)[frame]
    return np.concatenate([xy, np.full((len(xy), 1), score)], 1).ravel().tolist()


def write_json(path: pathlib.Path, content) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def alphapose(order: str = "halpe26", frames: int = 6, **fields) -> list[dict]:
    """Entries of AlphaPose, in the order in which texts sort: "10.jpg" before "2.jpg"."""
    entries = [
        {"image_id": f"{t}.jpg", "category_id": 1, "keypoints": flat(order, t), "score": 2.5}
        | fields
        for t in range(frames)
    ]
    return sorted(entries, key=lambda entry: entry["image_id"])


def openpose(order: str, frame: int, people: int = 1, **fields) -> dict:
    """A frame of OpenPose."""
    return {
        "version": 1.3,
        "people": [
            {
                "person_id": [-1],
                "pose_keypoints_2d": flat(order, frame, 300 * person),
                "hand_left_keypoints_2d": [],
            }
            | fields
            for person in range(people)
        ],
    }


def openpose_folder(folder: pathlib.Path, order: str, frames: int = 6) -> pathlib.Path:
    """A folder with a file of OpenPose for each frame."""
    for t in range(frames):
        write_json(folder / f"clip_{t:012d}_keypoints.json", openpose(order, t))
    return folder


def mmpose_people(order: str, frame: int, people: int = 1) -> list[dict]:
    """People of one image, of MMPose's inferencer."""
    return [
        {
            "keypoints": points(order, frame + 1, 300 * person)[frame].tolist(),
            "keypoint_scores": [0.5] * len(FORMATS[order]),
            "bbox": [[0.0, 0.0, 10.0, 10.0]],
            "bbox_score": 0.75,
        }
        for person in range(people)
    ]


def mmpose_video(order: str, frames: int = 6, first: int = 0) -> list[dict]:
    """Frames of MMPose's inferencer."""
    return [{"frame_id": first + t, "instances": mmpose_people(order, t, 2)} for t in range(frames)]


def yolo_label(
    frame: int, people: int = 1, more: tuple[float, ...] = (), visible: bool = True
) -> str:
    """Text of a label of YOLO's pose models; `more` are numbers at the end of each line."""
    lines = []
    for person in range(people):
        xy = points("coco17", frame + 1, 300 * person)[frame] / SIZE
        low, high = xy.min(0), xy.max(0)
        joints = np.concatenate([xy, np.full((17, 1), 0.5)], 1) if visible else xy
        line = [0, *(low + high) / 2, *high - low, *joints.ravel(), *more]
        if more and more[-1] >= 1:
            line[-1] += person  # the number of the track
        lines.append(" ".join(f"{value:g}" for value in line))
    return "\n".join(lines) + "\n"


def yolo_people(frame: int, people: int = 1, **fields) -> list[dict]:
    """The people of a frame, of YOLO's pose models as JSON."""
    found = []
    for person in range(people):
        x, y = points("coco17", frame + 1, 300 * person)[frame].T.tolist()
        of = {"name": "person", "class": 0, "confidence": 0.75, "box": {"x1": 1.0, "y1": 2.0}}
        found.append({**of, **fields, "keypoints": {"x": x, "y": y, "visible": [0.5] * 17}})
    return found


def mediapipe_pose(frame: int, named: bool = False) -> list[dict]:
    """Landmarks of a frame, as parts of the image's size."""
    xy = points("blazepose33", frame + 1)[frame] / SIZE
    names = FORMATS["blazepose33"]
    return [
        {"x": x, "y": y, "z": -0.1, "visibility": 0.5} | ({"name": name} if named else {})
        for (x, y), name in zip(xy.tolist(), names, strict=True)
    ]


def table(rows: list[list]) -> str:
    """Text of a CSV file."""
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue()


def trc(names: dict[str, str], frames: int = 6, offset: float = 0.0, z: float = 0.0) -> str:
    """Text of a TRC file with markers `{name: joint}`."""
    of = places(frames, offset)
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tclip_px_person00.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\t"
        "OrigNumFrames",
        f"25\t25\t{frames}\t{len(names)}\tm\t25\t0\t{frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t\t",
        "\t\t" + "\t".join(f"X{n}\tY{n}\tZ{n}" for n in range(1, len(names) + 1)),
    ]
    for t in range(frames):
        values = [f"{v!r}" for j in names.values() for v in (*of[j][t].tolist(), z)]
        lines.append("\t".join([str(t), repr(t / 25), *values]))
    return "\n".join(lines) + "\n"


def deeplabcut(joints: list[str], frames: int = 6, individuals: int = 0) -> str:
    """Text of a table of DeepLabCut."""
    people = range(individuals or 1)
    columns = [(p, j, c) for p in people for j in joints for c in ("x", "y", "likelihood")]
    rows = [["scorer", *("DLC" for _ in columns)]]
    if individuals:
        rows.append(["individuals", *(f"mouse{p}" for p, _, _ in columns)])
    rows.append(["bodyparts", *(j for _, j, _ in columns)])
    rows.append(["coords", *(c for _, _, c in columns)])
    of = [places(frames, 300 * p) for p in people]
    for t in range(frames):
        values = {"likelihood": 0.5}
        row = [
            values.get(c, of[p][j][t, "xy".index(c)] if c in ("x", "y") else None)
            for p, j, c in columns
        ]
        rows.append([t, *row])
    return table(rows)


def videopose3d(
    path: pathlib.Path, frames: int = 6, scale: float = 1.0, first: str = "a.mp4"
) -> pathlib.Path:
    """VideoPose3D's archive of its own 2D joints, two videos."""
    positions = {
        name: {"custom": [points("coco17", frames, offset) * scale]}
        for name, offset in ((first, 0.0), ("b.mp4", 100.0))
    }
    sizes = {name: {"w": SIZE[0], "h": SIZE[1]} for name in positions}
    metadata = {"layout_name": "coco", "num_joints": 17, "video_metadata": sizes}
    np.savez(
        path,
        positions_2d=np.array(positions, dtype=object),
        metadata=np.array(metadata, dtype=object),
    )
    return path
