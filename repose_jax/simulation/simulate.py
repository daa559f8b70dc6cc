"""From recorded motions to training batches: bodies, cameras, occlusion, detectors.

Everything is sampled anew for every clip of every step, on the device of the training. A batch is
a function of (seed, step).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.config import SimulationConfig
from repose_jax.data.normalise import to_image_frame, to_person_frame
from repose_jax.simulation import body, cameras, detector, formats, occlusion
from repose_jax.simulation.noise import chosen
from repose_jax.simulation.windows import interpolate

Batch = dict[str, Array]


# Geometry in full precision: on some accelerators products are of 10 bits otherwise.
@jax.default_matmul_precision("highest")
def simulate(
    key: PRNGKeyArray,
    motions: Float[Array, "n l 3"],
    batch: Batch,
    config: SimulationConfig,
    *,
    normalise: str,
    flip_share: float | Array,
    depth_reference: str = "frame",
) -> Batch:
    """Turns windows into motions to inputs and targets.

    Args:
        key: random key of the step.
        motions: landmarks of all takes, metres, world with Y up.
        batch: the windows of a step, from `windows.sample`.
        config: what is sampled, and how often.
        normalise: frame of reference of the inputs, "person" or "image".
        flip_share: share of the clips that are mirrored.
        depth_reference: origin of depth: the root of each "frame", or of the "first_frame".

    Returns:
        `inputs` `[b, t, 17, 11 or 3]`; `targets` `[b, t, 17, 3]` in camera axes relative to the
        root of each frame, in depth to that of `depth_reference`, metres; `mask` `[b, t, 1]` true
        for frames before the motion stops; `occluded` `[b, t, 17]` true for joints that the body
        hides.
    """
    keys = iter(jax.random.split(key, 12))
    fps = batch["fps"]
    own, upper, arms = (interpolate(motions, batch, who) for who in range(3))
    points = body.recombine(
        next(keys), own, upper, arms, upper_share=config.upper_body, arms_share=config.arms
    )
    points = body.mirror(next(keys), body.randomise(next(keys), points), flip_share)
    camera = cameras.sample(
        next(keys), points, fps, handheld=config.handheld, truncated=config.truncated
    )
    there = camera.to_camera(points)
    joints = there[:, :, : formats.FORMATS.shape[1]]
    hidden = occlusion.hidden(joints, body.stature(points))
    # A face that is turned away is hidden by the head; ears are seen from most sides.
    away = (
        jnp.einsum("bti,bti->bt", there[:, :, 17] - joints[:, :, 9:11].mean(2), joints[:, :, 9]) > 0
    )
    face = jnp.stack([away | hidden[:, :, 9], *2 * [hidden[:, :, 9]]], -1)
    seen = camera.to_camera(detector.redefine(next(keys), points, config.errors))
    scene = detector.Scene(
        image=camera.project(seen),
        scale=camera.focal[:, None] / jnp.maximum(there[:, :, 0, 2], 0.1) / 1000,
        hidden=jnp.concatenate([hidden, face], -1),
        size=camera.size,
        fps=fps,
    )
    found, confidence = detector.detect(
        next(keys), scene, errors=config.errors, laws=config.confidence_laws
    )
    found, confidence = formats.to_human36m(next(keys), found, confidence, config.formats)

    def known(share, value):
        given = chosen(next(keys), len(fps), share)
        return jnp.where(given.reshape(-1, *[1] * (value.ndim - 1)), value, jnp.nan)

    if normalise == "person":
        inputs = to_person_frame(
            found,
            confidence,
            camera.size,
            known(config.known_focal, camera.focal),
            known(config.known_fps, fps),
            known(config.known_up, camera.up),
        )
    else:
        size = jnp.broadcast_to(camera.size[:, None], (*fps.shape, found.shape[1], 2))
        inputs = jnp.concatenate([to_image_frame(found, size), confidence[..., None]], -1)
    root = joints[:, :, :1]
    if depth_reference == "first_frame":
        root = root.at[..., 2].set(root[:, :1, :, 2])
    return {
        "inputs": inputs,
        "targets": joints - root,
        "mask": batch["mask"][..., None],
        "occluded": hidden,
    }
