"""Prints the errors of the lifted sample against the truth.

    python -m examples.errors motion

Its argument is the folder of `repose lift examples/walk.mp4 --out motion`, or that of the keypoint
file. Joints are compared at the true frames that they were seen in.
"""

import pathlib
import sys
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from repose_jax.evaluation import metrics
from repose_jax.skeleton import HUMAN36M

HERE = pathlib.Path(__file__).parent
LIMBS = [
    joint
    for joint, name in enumerate(HUMAN36M.joints)
    if name.startswith(("left_", "right_"))  # whose definition detectors share
]


def errors(person: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Computes mean errors.

    Args:
        person: arrays of a person's .npz.
        truth: arrays of `walk_truth.npz`.

    Returns:
        By name: the 2D error of seen joints in px; the errors of root-relative 3D joints, of all 17
        and of the 12 of the limbs, after alignment of each frame with "PA"; and of the path of the
        pelvis from the camera, as it is and after scaling by one number; all in mm. And the angle
        of the vertical.
    """
    rows = person["frame"]
    keypoints = person["keypoints_px"]
    away = np.linalg.norm(keypoints[..., :2] - truth["keypoints_px"][rows], axis=-1)
    joints, placed = person["joints_camera_mm"], truth["joints_camera_mm"][rows]
    true_joints, path, true_path = placed - placed[:, :1], person["root_mm"], placed[:, 0]
    up = person["world_rotation"][1]
    scale = (path * true_path).sum() / (path**2).sum()

    def mean(distance) -> float:
        return float(np.linalg.norm(distance, axis=-1).mean())

    def aligned(chosen) -> np.ndarray:
        return np.asarray(
            metrics.procrustes(*map(jnp.asarray, (joints[:, chosen], true_joints[:, chosen])))
        )

    return {
        "2D, 12 joints, px": float(np.nanmean(away[:, LIMBS])),
        "2D, 17 joints, px": float(np.nanmean(away)),
        "MPJPE, 12 joints": mean((joints - true_joints)[:, LIMBS]),
        "MPJPE, 17 joints": mean(joints - true_joints),
        "PA-MPJPE, 12 joints": mean(aligned(LIMBS) - true_joints[:, LIMBS]),
        "PA-MPJPE, 17 joints": mean(aligned(slice(None)) - true_joints),
        "path": mean(path - true_path),
        "path, scaled": mean(scale * path - true_path),
        "vertical, degrees": float(np.degrees(np.arccos(up @ truth["up_camera"]))),
    }


def main(folder: str) -> None:
    """Prints the errors of the person with the most frames."""
    truth = np.load(HERE / "walk_truth.npz")
    people = [np.load(path) for path in sorted(pathlib.Path(folder).glob("person_*.npz"))]
    if not people:
        raise SystemExit(f"There is no person_*.npz in {folder}.")
    person = max(people, key=lambda one: len(one["frame"]))
    print(f"{len(people)} lifted, {len(person['frame'])} of {len(truth['time_s'])} frames")
    for name, value in errors(person, truth).items():
        print(f"{name:22}{value:8.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
