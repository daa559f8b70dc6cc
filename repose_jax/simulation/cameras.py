"""Cameras: some like those of Human3.6M's room, others as people hold them.

Lengths in the image are in units of its longer side.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from repose_jax.simulation.body import ANKLES
from repose_jax.simulation.noise import chosen, correlated, log_uniform

DEGREE = jnp.pi / 180
ASPECTS = (9 / 16, 3 / 4, 1.0, 4 / 3, 16 / 9)  # width over height
# Held by hand or on a tripod of any kind.
FOCAL = (0.7, 1.6)
HEIGHT = (0.3, 3.5)  # metres above the lowest ankle
USUAL_HEIGHT = (1.0, 1.9)  # metres, of a camera at the chest or the eyes
DISTANCE = (1.5, 10.0)  # metres over ground
PITCH = (-25 * DEGREE, 15 * DEGREE)  # down, up
ROLL, MOST_ROLL = 3 * DEGREE, 10 * DEGREE
TILTED, MOST_TILT = 0.15, 30 * DEGREE  # share of the clips whose roll is uniform, and its limit
OFF_CENTRE = 0.25  # of the field of view, either way
# As in Human3.6M, somewhat wider; see `tfds_builders.mocap.cameras`.
ROOM_FOCAL, ROOM_HEIGHT, ROOM_DISTANCE = (1.115, 1.18), (1.2, 2.0), (3.5, 6.5)
ROOM_ROLL = 2 * DEGREE
ROOM_OFF_CENTRE = 0.03
PRINCIPAL_POINT = 0.02  # either way from the middle
MARGIN = 0.02  # that joints keep from the border of the image, where they are to be inside
NEAREST, FARTHEST = 0.5, 15.0  # metres along the optical axis


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Cameras:
    """A pinhole camera for each clip, which may turn during the clip.

    Attributes:
        rotation: from the world (Y up) to the camera (x right, y down, z away), frame by frame.
        position: in the world, metres.
        focal: focal length.
        size: width and height of the image; the longer is 1.
        centre: principal point.
    """

    rotation: Float[Array, "b t 3 3"]
    position: Float[Array, "b 3"]
    focal: Float[Array, " b"]
    size: Float[Array, "b 2"]
    centre: Float[Array, "b 2"]

    def to_camera(self, points: Float[Array, "b t l 3"]) -> Float[Array, "b t l 3"]:
        """Transforms points of the world, metres, to camera space."""
        offset = points - self.position[:, None, None]
        return jnp.einsum("btij,btlj->btli", self.rotation, offset)

    def project(self, points: Float[Array, "b t l 3"]) -> Float[Array, "b t l 2"]:
        """Projects points of camera space into the image."""
        image = (
            points[..., :2] / jnp.maximum(points[..., 2:], 0.1) * self.focal[:, None, None, None]
        )
        return image + self.centre[:, None, None]

    @property
    def up(self) -> Float[Array, "b 3"]:
        """The world's vertical in camera axes, mean of the clip."""
        mean = self.rotation[..., 1].mean(1)
        return mean / jnp.linalg.norm(mean, axis=-1, keepdims=True)


def sample(
    key: PRNGKeyArray,
    points: Float[Array, "b t l 3"],
    fps: Float[Array, " b"],
    *,
    handheld: float | Array,
    truncated: float | Array,
) -> Cameras:
    """Samples a camera for every clip, at any side of the person.

    Args:
        key: random key.
        points: landmarks, metres, world with Y up.
        fps: frames per second.
        handheld: share of cameras as people hold them.
        truncated: share of those that need not have the whole body in the image. Other cameras
            move back along their axis until all joints are inside, though not beyond `FARTHEST`.
    """
    count, frames = points.shape[:2]
    keys = iter(jax.random.split(key, 24))

    def uniform(low, high):
        return jax.random.uniform(next(keys), (count,), minval=low, maxval=high)

    held = chosen(next(keys), count, handheld)
    both = lambda hand, room: jnp.where(held, hand, room)  # noqa: E731

    aspect = jnp.array(ASPECTS)[jax.random.randint(next(keys), (count,), 0, len(ASPECTS))]
    aspect = both(aspect, 1.0)
    size = jnp.stack([jnp.minimum(aspect, 1), jnp.minimum(1 / aspect, 1)], -1)
    focal = both(log_uniform(next(keys), (count,), *FOCAL), uniform(*ROOM_FOCAL))
    height = jnp.where(chosen(next(keys), count, 0.5), uniform(*USUAL_HEIGHT), uniform(*HEIGHT))
    height = both(height, uniform(*ROOM_HEIGHT))
    distance = both(log_uniform(next(keys), (count,), *DISTANCE), uniform(*ROOM_DISTANCE))
    azimuth = uniform(0, 2 * jnp.pi)
    roll = jnp.clip(ROLL * jax.random.normal(next(keys), (count,)), -MOST_ROLL, MOST_ROLL)
    tilted = chosen(next(keys), count, TILTED)
    roll = jnp.where(tilted, uniform(-MOST_TILT, MOST_TILT), roll)
    roll = both(roll, uniform(-ROOM_ROLL, ROOM_ROLL))

    pelvis = points[:, :, 0]
    middle = (pelvis.min(1) + pelvis.max(1)) / 2
    floor = points[:, :, ANKLES, 1].min((1, 2))
    position = middle + distance[:, None] * jnp.stack(
        [jnp.sin(azimuth), 0 * azimuth, jnp.cos(azimuth)], -1
    )
    position = position.at[:, 1].set(floor + height)

    # Some cameras follow the person, as a hand does: late and not all the way.
    follow = uniform(0, 1) * (held & chosen(next(keys), count, 0.3))
    target = middle[:, None] + follow[:, None, None] * (_smooth(pelvis) - middle[:, None])
    off = both(OFF_CENTRE, ROOM_OFF_CENTRE)[:, None]
    field = 2 * jnp.arctan(size / 2 / focal[:, None])
    yaw_off, pitch_off = (uniform(-1, 1)[:, None] * off * field[:, i, None] for i in (0, 1))
    shake = 0.3 * DEGREE * both(1.0, 0.0)[:, None, None]
    shake = shake * correlated(next(keys), (count, frames, 3), fps, 0.3)
    forward = target - position[:, None]
    over_ground = jnp.linalg.norm(forward[..., ::2], axis=-1)
    yaw = jnp.arctan2(forward[..., 0], forward[..., 2]) + yaw_off + shake[..., 0]
    pitch = jnp.arctan2(forward[..., 1], over_ground) + pitch_off
    pitch = jnp.clip(pitch, *PITCH) + shake[..., 1]
    rotation = _rotation(yaw, pitch, roll[:, None] + shake[..., 2])
    shift = jax.random.uniform(next(keys), (count, 2), minval=-1, maxval=1) * PRINCIPAL_POINT
    camera = Cameras(rotation, position, focal, size, size / 2 + shift)
    whole = ~(held & chosen(next(keys), count, truncated))
    return _moved_back(camera, points, whole)


def _moved_back(camera: Cameras, points: Float[Array, "b t l 3"], whole: Array) -> Cameras:
    """Moves cameras back along their mean axis until joints are inside the image and in front."""
    there = camera.to_camera(points)
    offset, depth = there[..., :2], there[..., 2]
    size, centre = camera.size[:, None, None], camera.centre[:, None, None]
    room = jnp.where(offset > 0, size - centre, centre) - MARGIN
    focal = camera.focal[:, None, None, None]
    missing = ((focal * jnp.abs(offset) / room).max(-1) - depth).max((1, 2))
    limit = jnp.maximum(FARTHEST - depth.mean((1, 2)), 0)
    back = jnp.where(whole, jnp.clip(missing, 0, limit), 0)
    back = jnp.maximum(back, (NEAREST - depth).max((1, 2)))
    axis = camera.rotation[:, :, 2].mean(1)
    axis /= jnp.linalg.norm(axis, axis=-1, keepdims=True)
    return dataclasses.replace(camera, position=camera.position - back[:, None] * axis)


def _rotation(yaw: Array, pitch: Array, roll: Array) -> Float[Array, "b t 3 3"]:
    """Returns world-to-camera rotations; yaw from +Z towards +X, pitch up, roll about the axis."""
    zero = 0 * yaw
    forward = jnp.stack(
        [jnp.sin(yaw) * jnp.cos(pitch), jnp.sin(pitch), jnp.cos(yaw) * jnp.cos(pitch)], -1
    )
    right = jnp.stack([-jnp.cos(yaw), zero, jnp.sin(yaw)], -1)
    down = jnp.cross(forward, right)
    cos, sin = jnp.cos(roll)[..., None], jnp.sin(roll)[..., None]
    return jnp.stack([cos * right + sin * down, cos * down - sin * right, forward], axis=-2)


def _smooth(path: Float[Array, "b t 3"]) -> Float[Array, "b t 3"]:
    """Returns the mean over a third of the clip around each frame."""
    frames = path.shape[1]
    lag = jnp.abs(jnp.arange(frames)[:, None] - jnp.arange(frames))
    weights = (lag <= max(frames // 6, 1)).astype(path.dtype)
    return jnp.einsum("ts,bsk->btk", weights / weights.sum(-1, keepdims=True), path)
