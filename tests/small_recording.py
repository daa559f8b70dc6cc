"""A recording of two cameras with exact detections, in the layout that `benchmarks.accuracy` reads.

A person stands at the origin of a world with z up; camera 1 looks along y, camera 7 along -x, both
4 m away and 1 m high.
"""

import json
import pathlib

import numpy as np
from scipy.spatial.transform import Rotation

from repose_jax.skeleton import OPENPOSE_BODY25B

FRAMES, FPS, SIZE, FOCAL = 12, 50, (600, 800), 700.0
ROTATIONS = {
    1: np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    7: np.array([[0, 1.0, 0], [0, 0, -1], [-1, 0, 0]]),
}
MARKERS = {"Nose": "nose", "Neck": "neck", "Head": "head_top"}
MARKERS |= {
    f"{side[0].upper()}{joint.capitalize()}": f"{side}_{joint}"
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    for side in ("right", "left")
}
# COCO's joints among the 33 landmarks of BlazePose.
LANDMARKS = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]


def world() -> np.ndarray:
    """Joints in BODY_25B's order, metres, z up: `[t, 25, 3]`."""
    rng = np.random.default_rng(0)
    time = np.arange(FRAMES)[:, None, None] / FPS
    rest = rng.uniform([-0.3, -0.3, 0], [0.3, 0.3, 1.8], (25, 3))
    return rest + 0.05 * np.sin(6 * time + rng.uniform(0, 6, (25, 3)))


def camera(number: int, joints: np.ndarray) -> np.ndarray:
    """Joints in the axes of a camera, metres."""
    rotation = ROTATIONS[number]
    return joints @ rotation.T + translation(number)


def translation(number: int) -> np.ndarray:
    return np.array([0, 0, 4.0]) - ROTATIONS[number] @ [0, 0, 1.0]


def pixels(number: int) -> np.ndarray:
    """Joints in the image, px: `[t, 25, 2]`."""
    joints = camera(number, world())
    return FOCAL * joints[..., :2] / joints[..., 2:] + np.array(SIZE) / 2


def write(folder: pathlib.Path) -> pathlib.Path:
    """Writes the files."""
    for part in ("calibration", "pose-3d", "blazepose_heavy"):
        (folder / part).mkdir(parents=True)
    lines = [_table(number) for number in ROTATIONS] + ["[metadata]\nerror = 0.0\n"]
    (folder / "calibration" / "cameras.toml").write_text("\n".join(lines))
    (folder / "pose-3d" / "trial.trc").write_text(_trc())
    for number in ROTATIONS:
        _openpose(folder / "pose" / f"cam{number:02d}_json", pixels(number))
        own = camera(number, world()) - translation(number)
        np.savez(
            folder / "blazepose_heavy" / f"cam{number:02d}.npz",
            keypoints_px=_landmarks(pixels(number)),
            visibility=np.full((FRAMES, 33), 0.9, np.float32),
            world_landmarks_m=_landmarks(own),
        )
    return folder


def _landmarks(joints: np.ndarray) -> np.ndarray:
    landmarks = np.zeros((FRAMES, 33, joints.shape[-1]), np.float32)
    landmarks[:, LANDMARKS] = joints[:, :17]  # the first of BODY_25B are COCO's
    return landmarks


def _table(number: int) -> str:
    rotation = Rotation.from_matrix(ROTATIONS[number]).as_rotvec().tolist()
    matrix = [[FOCAL, 0.0, SIZE[0] / 2], [0.0, FOCAL, SIZE[1] / 2], [0.0, 0.0, 1.0]]
    return (
        f"[cam_{number:02d}]\nsize = {[float(x) for x in SIZE]}\nmatrix = {matrix}\n"
        f"rotation = {rotation}\ntranslation = {translation(number).tolist()}\n"
    )


def _trc() -> str:
    names = OPENPOSE_BODY25B.joints
    columns = [names.index(joint) for joint in MARKERS.values()]
    points = world()[:, columns][..., [1, 2, 0]]  # y up
    lines = [
        "PathFileType\t4\t(X/Y/Z)\ttrial.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"{FPS}\t{FPS}\t{FRAMES}\t{len(MARKERS)}\tm",
        "Frame#\tTime\t" + "\t\t\t".join(MARKERS) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{i + 1}" for i in range(len(MARKERS)) for axis in "XYZ"),
    ]
    for frame, row in enumerate(points):
        values = [f"{frame + 1}", f"{(frame + 1) / FPS}", *map(str, row.ravel().tolist())]
        lines.append("\t".join(values))
    return "\n".join(lines) + "\n"


def _openpose(folder: pathlib.Path, keypoints: np.ndarray) -> None:
    """Files of the person and of a smaller one behind; the last frame lacks the left wrist."""
    folder.mkdir(parents=True)
    for frame, joints in enumerate(keypoints):
        person = np.concatenate([joints, np.full((25, 1), 0.8)], axis=1)
        if frame == FRAMES - 1:
            person[OPENPOSE_BODY25B.joints.index("left_wrist")] = 0
        other = np.concatenate([0.4 * joints, np.full((25, 1), 0.9)], axis=1)
        people = [{"pose_keypoints_2d": p.ravel().tolist()} for p in (other, person)]
        (folder / f"f{frame:04d}.json").write_text(json.dumps({"people": people}))
