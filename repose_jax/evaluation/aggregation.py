"""Errors of several hypotheses of a pose, by five ways to make one of them (D3DP, ICCV 2023).

Three of the ways know something that is to be found: P-Best and J-Best choose by the true pose, and
J-Agg as published places the hypotheses by the true root. All poses are relative to the root,
whose joint is 0.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from repose_jax.evaluation.metrics import procrustes

WAYS = {
    "mean": "mean of the hypotheses (P-Agg)",
    "reprojection": "each joint by reprojection, root solved from the 2D joints (J-Agg)",
    "true_root": "each joint by reprojection, with the TRUE root and camera (J-Agg as published)",
    "best": "the best hypothesis, chosen by the TRUTH (P-Best)",
    "best_joints": "each joint from the best hypothesis, chosen by the TRUTH (J-Best)",
}
"""Names of the ways, and what they know."""

Hypotheses = Float[Array, "b h t j 3"]
Choice = Int[Array, "b t j"]


def errors(
    hypotheses: Hypotheses,
    target: Float[Array, "b t j 3"],
    chosen: dict[str, Choice],
    counts: Bool[Array, "b t j"],
    *,
    together: bool = False,
) -> dict[str, dict[str, Float[Array, "b t j"]]]:
    """Returns the error of each joint by the name of the way, and of the metric.

    "mpjpe" is the distance to the target; "pa_mpjpe" that after Procrustes alignment of every
    hypothesis, or of the mean, and after the choice by these errors where the truth chooses.

    Args:
        hypotheses: the poses, in the unit of the target.
        target: the true poses.
        chosen: hypothesis of each joint by the ways that choose by reprojection; see `closest`.
        counts: joints that count in alignments and in the choice of the best hypothesis.
        together: choose the best hypothesis once for all clips, as the authors' code does for its
            batches, instead of for each.
    """
    count = hypotheses.shape[1]
    truth, mask = (jnp.repeat(one[:, None], count, axis=1) for one in (target, counts))
    mean = hypotheses.mean(1)
    alignments: dict[str, Callable[[Array, Array, Array], Array]] = {
        "mpjpe": lambda poses, truth, mask: poses,
        "pa_mpjpe": procrustes,
    }
    found: dict[str, dict[str, Array]] = {way: {} for way in ("mean", *chosen)}
    found |= {"best": {}, "best_joints": {}}
    for metric, align in alignments.items():
        of_each = jnp.linalg.norm(align(hypotheses, truth, mask) - truth, axis=-1)
        found["mean"][metric] = jnp.linalg.norm(align(mean, target, counts) - target, axis=-1)
        for way, choice in chosen.items():
            found[way][metric] = take(of_each, choice)
        total = jnp.where(mask, of_each, 0).sum((2, 3))
        best = jnp.argmin(jnp.broadcast_to(total.sum(0), total.shape) if together else total, 1)
        found["best"][metric] = jnp.take_along_axis(of_each, best[:, None, None, None], 1)[:, 0]
        found["best_joints"][metric] = of_each.min(1)
    return found


def closest(
    projected: Float[Array, "b h t j 2"], keypoints: Float[Array, "b t j 2"]
) -> Int[Array, "b t j"]:
    """Returns the hypothesis whose projection of a joint is closest to its 2D joint."""
    return jnp.argmin(jnp.linalg.norm(projected - keypoints[:, None], axis=-1), axis=1)


def take(values: Float[Array, "b h t j"], chosen: Choice) -> Float[Array, "b t j"]:
    """Takes the value of the chosen hypothesis for each joint."""
    return jnp.take_along_axis(values, chosen[:, None], axis=1)[:, 0]


def project(
    points: Float[Array, "b ... 3"], camera: Float[Array, "b 9"]
) -> Float[Array, "b ... 2"]:
    """Projects points as the authors' code (VideoPose3D's) does, with the lens' distortion.

    The slopes are clamped to +-1 first, and the tangential distortion has half of the usual size.

    Args:
        points: in camera axes.
        camera: focal lengths (2), principal point (2), radial (3) and tangential (2) distortion.
    """
    camera = camera.reshape(len(camera), *[1] * (points.ndim - 2), 9)
    focal, centre, radial, tangential = jnp.split(camera, (2, 4, 7), axis=-1)
    slope = jnp.clip(points[..., :2] / points[..., 2:], -1, 1)
    r2 = (slope**2).sum(-1, keepdims=True)
    bend = 1 + (radial * jnp.concatenate([r2, r2**2, r2**3], axis=-1)).sum(-1, keepdims=True)
    bend += (tangential * slope).sum(-1, keepdims=True)
    return focal * (slope * bend + tangential * r2) + centre


def solve_root(
    poses: Float[Array, "b t j 3"], rays: Float[Array, "b t j 2"], weight: Float[Array, "b t j"]
) -> Float[Array, "b t 3"]:
    """Returns the root that puts the joints of each frame on their rays best.

    It minimises the squared distances of the joints from their rays, parallel to the image.

    Args:
        poses: relative to the root, camera axes.
        rays: x and y of the 2D joints at depth 1.
        weight: of the joints, such as their confidence.
    """
    total = weight.sum(-1)
    away = rays * poses[..., 2:] - poses[..., :2]  # how far a joint must move at the root's depth 0
    mean_ray = -(weight[..., None] * rays).sum(-2)
    zero = jnp.zeros_like(total)
    matrix = jnp.stack(
        [
            jnp.stack([total, zero, mean_ray[..., 0]], axis=-1),
            jnp.stack([zero, total, mean_ray[..., 1]], axis=-1),
            jnp.stack([*jnp.moveaxis(mean_ray, -1, 0), (weight * (rays**2).sum(-1)).sum(-1)], -1),
        ],
        axis=-2,
    )
    pull = (weight[..., None] * away).sum(-2)
    along = -(weight * (rays * away).sum(-1)).sum(-1)
    target = jnp.concatenate([pull, along[..., None]], axis=-1)
    # Joints in one point determine no depth: so little that others do not notice.
    matrix += 1e-6 * jnp.eye(3)
    root = jnp.linalg.solve(matrix, target[..., None])[..., 0]
    nearest = 0.2 - poses[..., 2].min(-1)  # all joints in front of the camera, as in `lifting`
    return root.at[..., 2].max(nearest)
