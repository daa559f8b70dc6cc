"""Reader of a recording: detections of some cameras, and 3D joints triangulated from all of them.

The layout is that of the demonstrations of Pose2Sim, with BlazePose's results beside OpenPose's:

    calibration/*.toml          the cameras, one table each, whose name ends in its number
    pose/camNN_json/*.json      OpenPose BODY_25B, a file for each frame
    blazepose_heavy/camNN.npz   keypoints_px, visibility, world_landmarks_m of the 33 landmarks
    pose-3d/*.trc               3D joints in metres, y up
"""

import dataclasses
import json
import pathlib
import re
import tomllib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from repose_jax.skeleton import COCO17, HUMAN36M, OPENPOSE_BODY25B, Skeleton, convert

# BlazePose's landmarks that are the joints of COCO.
_COCO_OF_BLAZEPOSE = [0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28]
_MARKERS = {"Nose": "nose", "Neck": "neck", "Head": "head_top"}
_MARKERS |= {
    f"{side[0].upper()}{joint.capitalize()}": f"{side}_{joint}"
    for side in ("left", "right")
    for joint in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
}


@dataclasses.dataclass(frozen=True)
class Detection:
    """2D joints of one person in a view.

    Attributes:
        skeleton: their order.
        keypoints: `[t, j, 2]`, px; NaN if missing.
        confidence: `[t, j]`; 0 if missing.
    """

    skeleton: Skeleton
    keypoints: Float[np.ndarray, "t j 2"]
    confidence: Float[np.ndarray, "t j"]


@dataclasses.dataclass(frozen=True)
class View:
    """A view of the recording.

    Attributes:
        name: of the camera, "cam02".
        fps: frames per second.
        image_size: width and height, px.
        focal: focal length, px.
        up: the world's vertical in camera axes (x right, y down, z away).
        truth: `[t, 17, 3]` triangulated joints in Human3.6M's order, camera axes, mm, relative to
            the pelvis. OpenPose has no spine; "neck" is its nose.
        root: `[t, 3]` the pelvis of the truth from the camera's centre, camera axes, mm.
        torso: length of the torso, parallel to the image, px: mean over the frames.
        projected: `[t, 25, 2]` the triangulated joints in the image, px, in OpenPose's order; NaN
            where there is none.
        openpose: detections of OpenPose.
        blazepose: detections of BlazePose, of COCO's joints.
        own: `[t, 17, 3]` BlazePose's own 3D joints, mm, in Human3.6M's order.
    """

    name: str
    fps: float
    image_size: tuple[int, int]
    focal: float
    up: Float[np.ndarray, "3"]
    truth: Float[np.ndarray, "t 17 3"]
    root: Float[np.ndarray, "t 3"]
    torso: float
    projected: Float[np.ndarray, "t 25 2"]
    openpose: Detection
    blazepose: Detection
    own: Float[np.ndarray, "t 17 3"]

    @property
    def reprojection(self) -> float:
        """Mean distance of OpenPose's joints from the triangulated ones in the image, px."""
        error = np.linalg.norm(self.openpose.keypoints - self.projected, axis=-1)
        return float(np.nanmean(error))


def read(folder: pathlib.Path) -> list[View]:
    """Reads every view of a recording; see the module's docstring.

    Raises:
        FileNotFoundError: a file of the layout is missing.
        ValueError: a file is not of its format, or the files have different lengths.
    """
    poses = sorted(folder.glob("pose/cam*_json"))
    if not poses:
        raise FileNotFoundError(f"{folder / 'pose'} has no folder camNN_json of OpenPose's files.")
    world, fps = read_trc(_only(folder / "pose-3d", "*.trc"))
    cameras = read_calibration(_only(folder / "calibration", "*.toml"))
    return [_view(folder, pose.name.removesuffix("_json"), world, fps, cameras) for pose in poses]


def _view(folder, name, world, fps, cameras) -> View:
    number = int(re.sub(r"\D", "", name))
    if number not in cameras:
        raise ValueError(f"The calibration has no camera {number}, of {folder / 'pose' / name}.")
    size, matrix, rotation, translation = cameras[number]
    joints = world @ rotation.T + translation
    place = joints @ matrix.T
    keypoints, visibility, own = read_blazepose(folder / "blazepose_heavy" / f"{name}.npz")
    openpose = read_openpose(folder / "pose" / f"{name}_json")
    lengths = {f"pose/{name}_json": openpose.keypoints, f"blazepose_heavy/{name}.npz": keypoints}
    for path, length in ((path, len(frames)) for path, frames in lengths.items()):
        if length != len(world):
            raise ValueError(
                f"{folder / path} has {length} frames, the triangulated joints {len(world)}."
            )
    poses = 1000 * convert(joints, OPENPOSE_BODY25B, HUMAN36M)
    pelvis, thorax = (poses[:, HUMAN36M.joints.index(name)] for name in ("pelvis", "thorax"))
    torso = np.linalg.norm(thorax - pelvis, axis=-1) / (thorax + pelvis)[:, 2] * 2
    return View(
        name=name,
        fps=fps,
        image_size=size,
        focal=float(matrix[0, 0]),
        up=rotation[:, 2],  # the calibration has z up
        truth=poses - poses[:, HUMAN36M.root, None],
        root=poses[:, HUMAN36M.root],
        torso=float(matrix[0, 0] * torso.mean()),
        projected=place[..., :2] / place[..., 2:],
        openpose=openpose,
        blazepose=Detection(COCO17, keypoints, visibility),
        own=1000 * convert(own, COCO17, HUMAN36M),
    )


def _only(folder: pathlib.Path, pattern: str) -> pathlib.Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise FileNotFoundError(f"{folder} must have one file {pattern}; found {listed}.")
    return found[0]


def read_trc(path: pathlib.Path) -> tuple[Float[np.ndarray, "t 25 3"], float]:
    """Reads triangulated joints.

    Returns:
        `[t, 25, 3]` in OpenPose's order, metres, in the axes of the calibration (z up), NaN for
        joints without a marker; and the frames per second.

    Raises:
        ValueError: a marker is missing, or the unit is another one.
    """
    lines = path.read_text("utf-8").splitlines()
    header = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=False))
    if header.get("Units") != "m":
        raise ValueError(f"{path}: the unit is {header.get('Units')!r}; expected 'm'.")
    markers = [name for name in lines[3].split("\t")[2:] if name]
    if missing := [name for name in _MARKERS if name not in markers]:
        raise ValueError(f"{path} has no marker {missing[0]}; found {', '.join(markers)}.")
    values = [line.split("\t")[2 : 2 + 3 * len(markers)] for line in lines[5:] if line.strip()]
    points = np.array([[float(x or "nan") for x in row] for row in values])
    points = points.reshape(len(points), -1, 3)
    joints = np.full((len(points), OPENPOSE_BODY25B.size, 3), np.nan)
    for marker, joint in _MARKERS.items():
        joints[:, OPENPOSE_BODY25B.joints.index(joint)] = points[:, markers.index(marker)]
    return joints[..., [2, 0, 1]], float(header["DataRate"])  # Pose2Sim turned z up into y up


def read_calibration(
    path: pathlib.Path,
) -> dict[int, tuple[tuple[int, int], np.ndarray, np.ndarray, np.ndarray]]:
    """Reads cameras: number to image size, matrix, rotation and translation (metres).

    The lens distortion, under 0.1 % here, is left out.
    """
    cameras = {}
    for name, camera in tomllib.loads(path.read_text("utf-8")).items():
        if number := re.search(r"\d+$", name):
            width, height = map(round, camera["size"])
            rotation = Rotation.from_rotvec(camera["rotation"]).as_matrix()
            matrix, translation = np.array(camera["matrix"]), np.array(camera["translation"])
            cameras[int(number[0])] = ((width, height), matrix, rotation, translation)
    return cameras


def read_openpose(folder: pathlib.Path) -> Detection:
    """Reads the largest person of every frame; one that nobody is found in has no joints.

    Raises:
        ValueError: a file has another number of joints than BODY_25B.
    """
    size = OPENPOSE_BODY25B.size

    def people(path: pathlib.Path) -> Iterator[np.ndarray]:
        for person in json.loads(path.read_text("utf-8"))["people"]:
            joints = np.array(person["pose_keypoints_2d"], float)
            if joints.size != 3 * size:
                raise ValueError(f"{path} has {joints.size / 3:g} joints; expected {size}.")
            yield joints.reshape(size, 3)

    def extent(joints: np.ndarray) -> float:
        found = joints[joints[:, 2] > 0, :2]
        return float(np.linalg.norm(np.ptp(found, axis=0))) if len(found) else 0.0

    nobody = np.zeros((size, 3))
    frames = np.array(
        [max(people(path), key=extent, default=nobody) for path in sorted(folder.glob("*.json"))]
    ).reshape(-1, size, 3)
    missing = frames[..., 2] <= 0
    keypoints = np.where(missing[..., None], np.nan, frames[..., :2])
    return Detection(OPENPOSE_BODY25B, keypoints, frames[..., 2].clip(0, 1))


def read_blazepose(
    path: pathlib.Path,
) -> tuple[Float[np.ndarray, "t 17 2"], Float[np.ndarray, "t 17"], Float[np.ndarray, "t 17 3"]]:
    """Reads COCO's joints of BlazePose: px, visibility, and its own 3D in metres.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: an array is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing.")
    names = ("keypoints_px", "visibility", "world_landmarks_m")
    with np.load(path, allow_pickle=False) as file:
        if missing := [name for name in names if name not in file]:
            raise ValueError(f"{path} has no array {missing[0]}; found {', '.join(file)}.")
        px, seen, world = (file[name].astype(float)[:, _COCO_OF_BLAZEPOSE] for name in names)
    return px, seen, world
