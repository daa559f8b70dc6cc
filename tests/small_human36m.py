"""Small files of Human3.6M in the layouts of MotionBERT and VideoPose3D."""

import pathlib
import pickle
from typing import Any

import numpy as np

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
FILE = "h36m_sh_conf_cam_source_final.pkl"
SYMMETRY = [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]


def split(videos: dict[str, tuple[str, str, int]], seed: int) -> dict[str, Any]:
    """Videos by their source: camera, action and number of frames."""
    rng = np.random.default_rng(seed)
    frames = sum(length for _, _, length in videos.values())
    image = np.cumsum(rng.normal(0, 1, (frames, 17, 3)), axis=0) + rng.uniform(-90, 90, (17, 3))
    image[..., :2] += 500
    image[:, 0, 2] = 0
    factor = rng.uniform(3, 4.7, frames)
    return {
        "joint_2d": image[..., :2] + rng.normal(0, 3, (frames, 17, 2)),
        "confidence": rng.uniform(0.3, 1, (frames, 17)),
        "joint3d_image": image,
        "camera_name": np.array([c for c, _, length in videos.values() for _ in range(length)]),
        "source": [source for source, (*_, length) in videos.items() for _ in range(length)],
        "action": [action for _, action, length in videos.values() for _ in range(length)],
        "2.5d_factor": factor,
        "joints_2.5d_image": image * factor[:, None, None],
    }


def motionbert() -> dict[str, Any]:
    """A small version of the content of MotionBERT's file."""
    train = split(
        {
            "s_01_act_02_subact_01_ca_01": ("54138969", "Direction", 7),
            "s_01_act_02_subact_01_ca_02": ("55011271", "Direction", 5),
            "s_07_act_03_subact_02_ca_03": ("58860488", "Discuss", 6),
        },
        seed=1,
    )
    for key in ("action", "2.5d_factor", "joints_2.5d_image"):
        del train[key]
    test = split(
        {
            "s_11_act_02_subact_02_ca_04": ("60457274", "Direction", 6),
            "s_09_act_15_subact_01_ca_01": ("54138969", "WalkDog", 4),
        },
        seed=2,
    )
    return {"train": train, "test": test}


def write_motionbert(folder: pathlib.Path, content: Any = None, protocol: int = 4) -> pathlib.Path:
    path = folder / FILE
    path.write_bytes(pickle.dumps(motionbert() if content is None else content, protocol))
    return path


def videopose3d() -> tuple[dict[str, Any], dict[str, Any]]:
    """A small version of VideoPose3D's files of 3D and 2D joints: keys of the two archives."""
    rng = np.random.default_rng(3)
    positions: dict[str, Any] = {}
    keypoints: dict[str, Any] = {}
    for subject, action, length in (
        ("S1", "Directions 1", 5),
        ("S6", "WalkDog", 6),
        ("S9", "Photo", 4),
        ("S11", "Directions", 3),
        ("S11", "Directions 1", 4),
    ):
        pose = rng.uniform([-0.5, -0.5, 0.3], [0.5, 0.5, 1.3], (32, 3))
        motion = pose + np.cumsum(rng.normal(0, 0.005, (length, 32, 3)), axis=0)
        positions.setdefault(subject, {})[action] = motion.astype(np.float32)
        views = rng.uniform(300, 700, (4, 1, 17, 2)) + np.cumsum(
            rng.normal(0, 1, (4, length + 2, 17, 2)), axis=1
        )
        keypoints.setdefault(subject, {})[action] = list(views.astype(np.float32))
    keypoints["S2"] = {"Walking": [np.zeros((3, 17, 2), np.float32)] * 4}
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": SYMMETRY}
    return {"positions_3d": positions}, {"positions_2d": keypoints, "metadata": metadata}


def write_videopose3d(
    folder: pathlib.Path,
    content: tuple[dict[str, Any], dict[str, Any]] | None = None,
    name: str = "cpn_ft_h36m_dbb",
    save: Any = np.savez_compressed,
) -> None:
    three, two = content or videopose3d()
    save(folder / "data_3d_h36m.npz", **three)
    save(folder / f"data_2d_h36m_{name}.npz", **two)
