"""Virtual cameras like the four of Human3.6M, without lens distortion."""

import dataclasses

import numpy as np

from tfds_builders.mocap.body import ANKLES

# Ranges of the samples. Human3.6M's calibration has images of 1000 x 1002 and 1000 x 1000 px, focal
# lengths of 1143 to 1150 px, principal points at 501 to 520 px, and cameras 1.4 to 1.6 m high, 4 to
# 5.6 m from the middle of the room. These ranges are somewhat wider, so that a model does not learn
# one set of cameras.
IMAGE_SIZES = ((1000, 1002), (1000, 1000))  # px
FOCAL_RANGE = (1115.0, 1180.0)  # px
PRINCIPAL_POINT_JITTER = 20.0  # px, either way from the image's centre
DISTANCE_RANGE = (3.5, 6.5)  # metres, over ground, from the middle of the pelvis' path
HEIGHT_RANGE = (1.2, 2.0)  # metres above the lowest ankle
TARGET_JITTER = 0.15  # metres, either way along each axis, of the point that the camera looks at
ROLL_RANGE = (-2.0, 2.0)  # degrees
AZIMUTH_JITTER = 15.0  # degrees, either way

# Limits for which the camera is moved back.
MARGIN = 20.0  # px that every joint keeps from the image's border
NEAREST = 1.5  # metres along the optical axis that every joint keeps from the camera
FARTHEST = (
    15.0  # metres beyond which a camera is not moved back to keep the joints inside the image
)


@dataclasses.dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera: x right, y down, z forward; x_camera = rotation @ x_world + translation.

    Attributes:
        intrinsics: `[3, 3]`, px.
        rotation: `[3, 3]`, from the world (Y up) to the camera.
        translation: `[3]`, mm.
        image_size: Width and height, px.
    """

    intrinsics: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    image_size: tuple[int, int]


def world_to_camera(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Transforms points `[..., 3]` in mm from the world to the camera."""
    return points @ camera.rotation.T + camera.translation


def project(intrinsics: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Projects points `[..., 3]` of camera space, in front of the camera, to pixels `[..., 2]`."""
    image = points @ intrinsics.T
    return image[..., :2] / image[..., 2:]


def look_at(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """Returns the rotation from the world (Y up) to a camera that looks from one point at another.

    Args:
        position: `[3]`, of the camera; not straight above or below the target.
        target: `[3]`, a point on its optical axis.
        roll: Radians that the camera is turned about its axis.
    """
    forward = target - position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    cos, sin = np.cos(roll), np.sin(roll)
    return np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ np.stack([right, down, forward])


def draw_azimuths(rng: np.random.Generator, views: int) -> np.ndarray:
    """Samples azimuths `[views]`, radians: even steps about the subject, a random start, jitter."""
    jitter = np.deg2rad(rng.uniform(-AZIMUTH_JITTER, AZIMUTH_JITTER, views))
    return rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.arange(views) / views + jitter


def draw_camera(rng: np.random.Generator, joints: np.ndarray, azimuth: float) -> Camera:
    """Samples a static camera for a motion.

    The camera looks at about the middle of the pelvis' path. Where a joint would leave the image
    (with a margin) or come nearer than `NEAREST`, the camera moves back along its axis as far as
    necessary. It does not go farther than `FARTHEST` from the target to keep joints inside
    the image: in takes that travel very far some frames project outside. No joint is ever behind
    the camera or nearer than `NEAREST`.

    Args:
        rng: Random generator.
        joints: `[t, 17, 3]`, metres, world with Y up.
        azimuth: Radians about the vertical axis, from +Z towards +X, at which the camera stands.
    """
    pelvis = joints[:, 0]
    middle = (pelvis.min(axis=0) + pelvis.max(axis=0)) / 2
    target = middle + rng.uniform(-TARGET_JITTER, TARGET_JITTER, 3)
    distance = rng.uniform(*DISTANCE_RANGE)
    position = middle + distance * np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    position[1] = joints[:, ANKLES, 1].min() + rng.uniform(*HEIGHT_RANGE)
    rotation = look_at(position, target, np.deg2rad(rng.uniform(*ROLL_RANGE)))

    width, height = IMAGE_SIZES[rng.integers(len(IMAGE_SIZES))]
    focal = rng.uniform(*FOCAL_RANGE)
    centre = np.array([width, height]) / 2
    centre += rng.uniform(-PRINCIPAL_POINT_JITTER, PRINCIPAL_POINT_JITTER, 2)

    # A point at (x, y) off the axis is inside the image from some depth on; how much each lacks.
    points = (joints - position) @ rotation.T
    offset, depth = points[..., :2], points[..., 2]
    room = np.where(offset > 0, np.array([width, height]) - centre, centre) - MARGIN
    short_of_image = ((focal * np.abs(offset) / room).max(axis=-1) - depth).max()
    limit = FARTHEST - np.linalg.norm(target - position)
    back = max(0.0, min(short_of_image, limit), (NEAREST - depth).max())
    position = position - back * rotation[2]

    return Camera(
        intrinsics=np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]]),
        rotation=rotation,
        translation=-1000 * rotation @ position,
        image_size=(width, height),
    )
