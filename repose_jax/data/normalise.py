"""Frames of reference of the 2D joints that a network reads.

The *image frame* is that of the published protocols: [-1, 1] across the width of the image. The
*person frame* is centred on the person and scaled by the person's size, so that a network need not
learn the same pose at every place and size; place and size follow as channels of their own, so
that nothing is lost. All functions take NumPy or JAX arrays.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Real

from repose_jax import config
from repose_jax.skeleton import HUMAN36M

PERSON_CHANNELS = (
    *("x", "y", "confidence"),
    *("centre x", "centre y", "log size", "focal length known", "log frame rate"),
    *("up x", "up y", "up z"),
)
"""Channels of a joint in the person frame; from the fourth on they are the same for all joints."""
assert len(PERSON_CHANNELS) == config.PERSON_CHANNELS
ASSUMED_FOCAL = 1.1
"""Focal length in units of the longer side of the image, where it is unknown."""
FRAME_RATE = 30.0
"""Frames per second whose logarithm is 0, and the rate assumed where it is unknown."""
_LEAST_SIZE = 2e-3  # of the longer side; a person of one point has no scale
_ODD = [PERSON_CHANNELS.index(name) for name in ("x", "centre x", "up x")]


def to_image_frame(
    keypoints: Float[Any, "*n j 2"], image_size: Real[Any, "*n 2"]
) -> Float[Any, "*n j 2"]:
    """Maps pixels to [-1, 1] across the width, keeping the aspect: v / w * 2 - [1, h / w]."""
    xp = _namespace(keypoints)
    width, height = xp.moveaxis(xp.asarray(image_size)[..., None, :].astype(xp.float32), -1, 0)
    centre = xp.stack([xp.ones_like(width), height / width], axis=-1)
    return (keypoints / width[..., None] * 2 - centre).astype(xp.float32)


def to_person_frame(
    keypoints: Float[Any, "*b t j 2"],
    confidence: Float[Any, "*b t j"],
    image_size: Real[Any, "*b 2"],
    focal: Real[Any, "*b"],
    fps: Real[Any, "*b"],
    up: Real[Any, "*b 3"],
) -> Float[Any, "*b t j 11"]:
    """Describes the joints of clips from the person: centred and scaled, with place and size.

    The centre of a clip is the median over its frames of the mean joint, its size the median over
    frames and joints of the distance from the frame's mean joint; both weighted by the confidence.
    So a gross error or a frame without detections moves neither, and a joint of confidence 0 has
    no influence on anything. Place and size are in units of the focal length, or of the focal
    length that is assumed for images of this size if it is unknown; the principal point is assumed
    in the middle of the image.

    Args:
        keypoints: 2D joints, px; finite.
        confidence: of the detector; 0 for a missing joint.
        image_size: width and height of the image, px.
        focal: focal length, px; NaN if unknown.
        fps: frames per second; NaN if unknown.
        up: direction of the world's vertical in camera axes; NaN if unknown.

    Returns:
        The channels `PERSON_CHANNELS`: x, y relative to the centre in units of the size, 0 for a
        missing joint; the confidence; centre relative to the middle of the image in units of the
        focal length; logarithm of the size in that unit, plus 2; 1 if the focal length is known,
        else 0; logarithm of the frame rate over 30, 0 if unknown; the vertical, 0 if unknown.
    """
    xp = _namespace(keypoints)
    weight = xp.clip(xp.asarray(confidence), 0, None).astype(xp.float32)
    place = xp.where((weight > 0)[..., None], keypoints, 0).astype(xp.float32)
    image_size = xp.asarray(image_size).astype(xp.float32)
    # In the middle of the image first: sums of px lose digits.
    place = xp.where((weight > 0)[..., None], place - image_size[..., None, None, :] / 2, 0)
    total = weight.sum(-1)
    mean = (place * weight[..., None]).sum(-2) / xp.where(total > 0, total, 1)[..., None]
    centre = weighted_median(xp.moveaxis(mean, -1, -2), total[..., None, :])
    distance = xp.sqrt(((place - mean[..., None, :]) ** 2).sum(-1))
    flat = (*weight.shape[:-2], -1)
    size = weighted_median(distance.reshape(flat), weight.reshape(flat))
    size = xp.maximum(size, _LEAST_SIZE * image_size.max(-1))
    relative = (place - centre[..., None, None, :]) / size[..., None, None, None]
    relative = xp.where((weight > 0)[..., None], relative, 0)

    known = xp.isfinite(focal)
    unit = xp.where(known, focal, ASSUMED_FOCAL * image_size.max(-1))
    rate = xp.log(xp.where(xp.isfinite(fps), fps, FRAME_RATE) / FRAME_RATE)
    scalars = [
        *xp.moveaxis(centre / unit[..., None], -1, 0),
        xp.log(size / unit) + 2,
        known,
        rate,
        *xp.moveaxis(xp.where(xp.isfinite(up), up, 0), -1, 0),
    ]
    clip = xp.stack([xp.asarray(value).astype(xp.float32) for value in scalars], axis=-1)
    clip = xp.broadcast_to(clip[..., None, None, :], (*weight.shape, len(scalars)))
    return xp.concatenate([relative, weight[..., None], clip], axis=-1).astype(xp.float32)


def from_person_frame(
    inputs: Float[Any, "*b t j 11"], image_size: Real[Any, "*b 2"], focal: Real[Any, "*b"]
) -> Float[Any, "*b t j 2"]:
    """Returns the 2D joints in px again, of joints that are not missing; see `to_person_frame`."""
    xp = _namespace(inputs)
    image_size = xp.asarray(image_size).astype(xp.float32)
    unit = xp.where(xp.isfinite(focal), focal, ASSUMED_FOCAL * image_size.max(-1))
    unit = unit[..., None, None, None]
    size = xp.exp(inputs[..., 5:6] - 2) * unit
    return inputs[..., :2] * size + inputs[..., 3:5] * unit + image_size[..., None, None, :] / 2


def mirror_inputs(inputs: Float[Any, "*b j c"]) -> Float[Any, "*b j c"]:
    """Mirrors the inputs of a network, in either frame: left and right, and what has a sign."""
    sign = np.ones(inputs.shape[-1], np.float32)
    sign[_ODD if inputs.shape[-1] == len(PERSON_CHANNELS) else 0] = -1
    return inputs[..., list(HUMAN36M.flip), :] * sign


def weighted_median(values: Float[Any, "*b n"], weights: Float[Any, "... n"]) -> Float[Any, "*b"]:
    """Returns the value below and above which lies half of the weight; 0 if there is no weight.

    Weights are broadcast to the values.

    Where this is any value between two, their mean, so that the median of the negative values is
    the negative median.
    """
    xp = _namespace(values)
    weights = xp.broadcast_to(weights, values.shape)
    # Those without weight come last, whatever they are.
    values = xp.where(weights > 0, values, xp.inf)
    order = xp.argsort(values, axis=-1)
    values, weights = (xp.take_along_axis(x, order, axis=-1) for x in (values, weights))
    below = xp.cumsum(weights, axis=-1)
    total = below[..., -1:]
    # Sums that differ by rounding are equal.
    middle = [
        xp.take_along_axis(values, xp.argmax(reached, axis=-1)[..., None], axis=-1)[..., 0]
        for reached in (below >= (0.5 - 1e-6) * total, below > (0.5 + 1e-6) * total)
    ]
    return xp.where(total[..., 0] > 0, (middle[0] + middle[1]) / 2, 0)


def _namespace(array: Any) -> Any:
    return jnp if isinstance(array, jax.Array) else np
