"""Pictures of a person in a room, by sphere tracing: a ray advances by the distance to the body."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from examples.scene import figure as figures
from examples.scene.figure import HAIR, SHIRT, SHOE, SKIN, TROUSERS, Figure
from examples.scene.room import Room
from examples.scene.view import View

SUN = np.array([-0.42, 0.80, 0.52]) / np.linalg.norm([-0.42, 0.80, 0.52])
"""Direction to the light, in the world."""
_STEPS, _SHADOW_STEPS = 44, 18
_REACH = 1.25  # from the pelvis to the farthest point of the body, m
_WINDOW = 240, 368  # width and height of the part of the image that the body is in, px
_MAP = 1.6, 88  # half the side of the map of light on the floor, m, and its points along a side
_GAMMA = 1 / 1.9
_BASE = {
    SKIN: (0.80, 0.56, 0.44),
    HAIR: (0.085, 0.055, 0.04),
    SHIRT: (0.20, 0.42, 0.52),
    TROUSERS: (0.16, 0.19, 0.28),
    SHOE: (0.30, 0.12, 0.10),
}
_STRIPE, _SOLE, _BROW = (0.86, 0.84, 0.78), (0.78, 0.76, 0.72), (0.10, 0.065, 0.05)

# Of the shapes: start [n, 3], axes [n, 3, 3], length [n], radii [n, 2], scale [n, 3].
Shapes = tuple[jax.Array, ...]


def picture(view: View, figure: Figure, room: Room) -> np.ndarray:
    """Draws a person in a room; returns `[h, w, 3]` uint8, RGB."""
    shapes, parts = _arrays(figure)
    image = room.image * _light_on_floor(figure, room, shapes, parts)[..., None]
    pelvis, eye = figure.trunk[3], np.array(view.eye)
    width, height = _WINDOW
    middle = view.project(pelvis - np.array([0, 0.03, 0])).astype(int)
    left = int(np.clip(middle[0] - width // 2, 0, view.width - width))
    top = int(np.clip(middle[1] - height // 2, 0, view.height - height))
    y, x = np.mgrid[top : top + height, left : left + width]
    rays = view.rays(x, y).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    colour, cover = _trace(
        *(np.float32(value) for value in (eye, rays, 1 / view.focal)),
        np.float32(np.linalg.norm(pelvis - eye) - _REACH),
        shapes,
        np.float32(figure.head),
        np.float32(figure.trunk),
        parts,
    )
    cover = np.asarray(cover).reshape(height, width, 1)
    area = image[top : top + height, left : left + width]
    area[:] = area * (1 - cover) + np.asarray(colour).reshape(height, width, 3) * cover
    return (255 * np.clip(image, 0, 1) ** _GAMMA + 0.5).astype(np.uint8)


def _arrays(figure: Figure) -> tuple[Shapes, tuple[int, ...]]:
    """Returns the shapes of a figure as arrays, and their parts."""
    fields = ("start", "axes", "length", "radii", "scale")
    arrays = ([getattr(shape, field) for shape in figure.shapes] for field in fields)
    return tuple(jnp.array(np.array(a), jnp.float32) for a in arrays), tuple(
        shape.part for shape in figure.shapes
    )


def _light_on_floor(figure: Figure, room: Room, shapes: Shapes, parts) -> np.ndarray:
    """Returns the share of the light that the person leaves to each pixel of the room."""
    half, count = _MAP
    middle = figure.trunk[3] - 0.8 * SUN / SUN[1]  # of the shadow
    along = np.linspace(-half, half, count)
    x, z = np.meshgrid(along + middle[0], along + middle[2], indexing="ij")
    points = np.stack([x, 0 * x, z], -1).reshape(-1, 3).astype(np.float32)
    light = np.asarray(_floor_light(points, shapes, parts)).reshape(count, count)
    away = [room.place[..., axis] - middle[axis] for axis in (0, 2)]
    at = [(value + half) / (2 * half) * (count - 1) for value in away]
    edge = np.clip(8 - 8 * np.maximum(*np.abs(away)) / half, 0, 1) * room.floor
    return 1 + edge * (ndimage.map_coordinates(light, at, order=1, mode="nearest") - 1)


def _distances(points, shapes: Shapes, parts: tuple[int, ...]) -> list[jax.Array]:
    """Returns the distances from points to each part of the clothing, m, negative inside."""
    out: dict[int, jax.Array] = {}
    for index, part in enumerate(parts):
        start, axes, length, radii, scale = (values[index] for values in shapes)
        away = [points[:, i] - start[i] for i in range(3)]
        # Written out, since XLA does not fuse small matrix products.
        x, y, z = (sum(axes[k, i] * away[i] for i in range(3)) for k in range(3))
        along = jnp.clip(y / jnp.maximum(length, 1e-6), 0, 1)
        radius = radii[0] + (radii[1] - radii[0]) * along
        # Of an ellipsoid: its implicit function over the length of the gradient.
        scaled = [x / scale[0], (y - along * length) / scale[1], z / scale[2]]
        value = jnp.sqrt(sum(s * s for s in scaled) + 1e-12)
        gradient = jnp.sqrt(sum((s / scale[k]) ** 2 for k, s in enumerate(scaled)) + 1e-12)
        distance = value * (value - radius) / gradient
        if part in out:
            melt = figures.MELT[part]
            near = jnp.maximum(melt - jnp.abs(out[part] - distance), 0) / melt
            distance = jnp.minimum(out[part], distance) - near**2 * melt / 4
        out[part] = distance
    return [out[part] for part in sorted(out)]


def _distance(points, shapes: Shapes, parts: tuple[int, ...]) -> jax.Array:
    return functools.reduce(jnp.minimum, _distances(points, shapes, parts))


def _sunlight(points, shapes: Shapes, parts: tuple[int, ...], sharpness: float) -> jax.Array:
    """Returns the share of the sunlight that reaches points, with soft shadows."""
    sun = jnp.array(SUN, jnp.float32)

    def step(_, state):
        far, light = state
        distance = _distance(points + far[:, None] * sun, shapes, parts)
        return far + jnp.clip(distance, 0.02, 0.2), jnp.minimum(light, sharpness * distance / far)

    start = jnp.full(len(points), 0.035), jnp.ones(len(points))
    light = jnp.clip(jax.lax.fori_loop(0, _SHADOW_STEPS, step, start)[1], -1, 1)
    return 0.25 * (1 + light) ** 2 * (2 - light)


@functools.partial(jax.jit, static_argnames="parts")
def _floor_light(points, shapes: Shapes, parts: tuple[int, ...]) -> jax.Array:
    """Returns the light on points of the floor, as a share of that without the person."""
    above = points + 0.10 * jnp.array([0, 1.0, 0])
    near = jnp.clip(_distance(above, shapes, parts) / 0.30, 0, 1)
    sun = _sunlight(points, shapes, parts, 9.0)
    return (0.42 + 0.58 * sun) * (0.55 + 0.45 * jnp.sqrt(near))


@functools.partial(jax.jit, static_argnames="parts")
def _trace(eye, rays, pixel, start, shapes: Shapes, head, trunk, parts: tuple[int, ...]):
    """Returns the colour of the body along rays of length 1, and the share of each that it covers.

    Beside an edge a ray has the colour of where it comes closest to the body.
    """

    def step(_, state):
        far, least, at = state
        distance = _distance(eye + far[:, None] * rays, shapes, parts)
        pixels = distance / (pixel * far)
        at, least = jnp.where(pixels < least, far, at), jnp.minimum(pixels, least)
        return far + jnp.maximum(0.85 * distance, 0.0004), least, at

    far = jnp.full(len(rays), start)
    _, least, at = jax.lax.fori_loop(0, _STEPS, step, (far, far + 1e3, far))
    points = eye + at[:, None] * rays
    tips = 0.0015 * jnp.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1.0]])
    normal = sum(_distance(points + tip, shapes, parts)[:, None] * tip for tip in tips)
    normal = normal / (jnp.linalg.norm(normal, axis=-1, keepdims=True) + 1e-9)
    open_sky = 1.0
    for reach in (0.03, 0.10):
        free = _distance(points + reach * normal, shapes, parts) / reach
        open_sky = open_sky * (0.45 + 0.55 * jnp.clip(free, 0, 1))
    facing = jnp.clip((normal @ jnp.array(SUN, jnp.float32) + 0.15) / 1.15, 0, 1)
    sun = facing * _sunlight(points + 0.004 * normal, shapes, parts, 7.0)
    sky = (0.62 + 0.38 * normal[:, 1]) * open_sky
    lamp = jnp.clip(-(normal * rays).sum(-1), 0, 1) * open_sky  # from the camera
    light = sun[:, None] * jnp.array([0.95, 0.88, 0.78]) + 0.12 * lamp[:, None]
    light += sky[:, None] * jnp.array([0.56, 0.60, 0.66])
    colour = _colour(points, _distances(points, shapes, parts), head, trunk)
    return colour * light, jnp.clip(1.0 - least, 0, 1)


def _colour(points, distances: list[jax.Array], head, trunk) -> jax.Array:
    """Returns the colour of the body's surface at points."""
    part = jnp.argmin(jnp.stack(distances), 0)
    x, y, z = ((points - head[3]) @ head[:3].T).T
    strands = 0.8 + 0.4 * jnp.sin(170 * x + 12 * jnp.sin(14 * z)) ** 2
    across, up, _ = ((points - trunk[3]) @ trunk[:3].T).T
    chest = (up > 0.17) & (up < 0.40) & (jnp.abs(across) < 0.178)
    stripe = (jnp.clip(2 * jnp.cos(2 * np.pi * up / 0.075) - 0.6, 0, 1) * chest)[:, None]
    folds = 1 + 0.07 * jnp.sin(38 * across + 21 * up) * jnp.sin(31 * up - 9 * across)
    denim = 1 + 0.10 * jnp.sin(31 * points[:, 1] + 23 * points[:, 0]) * jnp.sin(17 * points[:, 1])
    base = {part: jnp.array(colour, jnp.float32) for part, colour in _BASE.items()}
    colours = {
        SKIN: _face(jnp.broadcast_to(base[SKIN], points.shape), jnp.abs(x), y, z > 0.02),
        HAIR: base[HAIR] * strands[:, None],
        SHIRT: (base[SHIRT] + stripe * (jnp.array(_STRIPE) - base[SHIRT])) * folds[:, None],
        TROUSERS: base[TROUSERS] * denim[:, None],
        SHOE: jnp.where((points[:, 1] < 0.02)[:, None], jnp.array(_SOLE), base[SHOE]),
    }
    return jnp.select([(part == p)[:, None] for p in colours], list(colours.values()))


def _face(skin, x, y, front) -> jax.Array:
    """Paints eyes, brows, nostrils, cheeks and mouth; both sides alike, by their distance `x`."""
    colour = skin
    for share, left, up, half_width, half_height, soft, paint in (
        (0.30, 0.032, 0.020, 0.026, 0.018, 0.9, (0.42, 0.22, 0.18)),  # socket
        (0.35, 0.042, -0.030, 0.024, 0.020, 1.0, (0.85, 0.42, 0.36)),  # cheek
        (0.90, 0.034, 0.044, 0.021, 0.0052, 0.2, _BROW),
        (1.00, 0.032, 0.0205, 0.0155, 0.0085, 0.2, (0.10, 0.06, 0.05)),  # lids
        (1.00, 0.032, 0.0185, 0.0135, 0.0062, 0.2, (0.92, 0.90, 0.87)),
        (1.00, 0.032, 0.0190, 0.0062, 0.0066, 0.2, (0.12, 0.07, 0.04)),  # iris
        (0.60, 0.008, -0.031, 0.0045, 0.003, 0.6, (0.35, 0.16, 0.12)),  # nostril
        (0.85, 0.0, -0.060, 0.026, 0.0095, 0.35, (0.62, 0.25, 0.24)),  # lips
        (0.80, 0.0, -0.059, 0.024, 0.0022, 0.5, (0.28, 0.08, 0.08)),
        (0.22, 0.0, -0.076, 0.018, 0.004, 0.8, (0.35, 0.20, 0.16)),
    ):
        # 1 inside an ellipse and 0 outside, with a soft border.
        away = jnp.sqrt(((x - left) / half_width) ** 2 + ((y - up) / half_height) ** 2)
        inside = share * front * jnp.clip((1 - away) / soft + 0.5, 0, 1)
        colour = colour + inside[:, None] * (jnp.array(paint) - colour)
    return colour
