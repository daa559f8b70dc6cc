"""A room: a floor of boards with a rug, and a wall with a window, a picture and a sideboard."""

import dataclasses

import numpy as np

from examples.scene.view import View

WALL = -3.4
"""Place of the wall, m along Z."""
_SAMPLES = 3  # along each side of a pixel


@dataclasses.dataclass(frozen=True, eq=False)
class Room:
    """A picture of the room without a person.

    Attributes:
        image: `[h, w, 3]` linear light.
        place: `[h, w, 3]` the point of the room in each pixel, m.
        floor: `[h, w]` whether it is of the floor.
    """

    image: np.ndarray
    place: np.ndarray
    floor: np.ndarray


class _Canvas:
    """Colours of points on a plane, painted over one another."""

    def __init__(self, x: np.ndarray, y: np.ndarray, colour: np.ndarray):
        self.x, self.y, self.colour = x, y, colour

    def paint(self, where: np.ndarray, colour) -> None:
        """Paints some points in one colour, or all points in their own."""
        self.colour = np.where(where[..., None], np.asarray(colour), self.colour)

    def rectangle(self, left, right, low, high, colour) -> None:
        """Paints a rectangle."""
        inside = (self.x > left) & (self.x < right) & (self.y > low) & (self.y < high)
        self.paint(inside, colour)

    def ellipse(self, x, y, half_width, half_height, colour, turn=0.0) -> None:
        """Paints an ellipse, turned by an angle in radians."""
        across = (self.x - x) * np.cos(turn) - (self.y - y) * np.sin(turn)
        along = (self.x - x) * np.sin(turn) + (self.y - y) * np.cos(turn)
        self.paint((across / half_width) ** 2 + (along / half_height) ** 2 < 1, colour)


def room(view: View) -> Room:
    """Paints the room as a camera sees it."""
    y, x = np.mgrid[: view.height * _SAMPLES, : view.width * _SAMPLES] / _SAMPLES
    middle = (_SAMPLES - 1) / (2 * _SAMPLES)
    rays = view.rays(x - middle, y - middle)
    eye = np.array(view.eye)
    to_wall = (WALL - eye[2]) / rays[..., 2]
    to_floor = -eye[1] / np.minimum(rays[..., 1], -1e-6)
    floor = (rays[..., 1] < 0) & (to_floor < to_wall)
    place = eye + np.where(floor, to_floor, to_wall)[..., None] * rays
    colour = np.where(
        floor[..., None], _floor(place[..., 0], place[..., 2]), _wall(place[..., 0], place[..., 1])
    )
    # Corners get less light.
    corner = np.where(floor, (place[..., 2] - WALL) * 2.5, place[..., 1] * 3)
    colour = colour * (1 - 0.25 * np.exp(-(corner**2)))[..., None]
    image = colour.reshape(view.height, _SAMPLES, view.width, _SAMPLES, 3).mean((1, 3))
    grain = 1 + 0.012 * np.random.default_rng(3).standard_normal(image.shape[:2])
    centre = slice(_SAMPLES // 2, None, _SAMPLES)
    return Room(image * grain[..., None], place[centre, centre], floor[centre, centre])


def _floor(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Returns the colours of boards that lead away from the camera, with a rug on them."""
    board, across = np.divmod((x + 32) / 0.16, 1)
    board = np.clip(board, 0, 399).astype(int)
    rng = np.random.default_rng(7)
    tone, offset = rng.uniform(0.85, 1.1, 400)[board], rng.uniform(0, 2, 400)[board]
    grain = 1 + 0.04 * np.sin(90 * x + 3 * np.sin(2.1 * z + board))
    canvas = _Canvas(x, z, np.array([0.50, 0.33, 0.20]) * (tone * grain)[..., None])
    gap = (np.abs(across - 0.5) > 0.485) | (np.abs((z + offset) / 1.9 % 1 - 0.5) > 0.497)
    canvas.paint(gap, 0.5 * canvas.colour)
    weave = 1 + 0.03 * np.sin(60 * x) * np.sin(60 * z)
    canvas.ellipse(0, -0.1, 1.9, 1.5, (0.62, 0.57, 0.48))
    canvas.ellipse(0, -0.1, 1.75, 1.36, np.array([0.55, 0.50, 0.43]) * weave[..., None])
    return canvas.colour


def _wall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the colours of the wall and of what stands before it."""
    canvas = _Canvas(x, y, np.array([0.66, 0.66, 0.62]) * (1 - 0.02 * y)[..., None])
    canvas.rectangle(-9, 9, 0, 0.12, (0.85, 0.84, 0.80))
    # A window, with a bar in its middle.
    sky = np.stack([0.55 + 0.12 * (2.2 - y), 0.72 + 0.08 * (2.2 - y), 0.92 + 0 * y], -1)
    hills = y < 1.28 + 0.10 * np.sin(2.3 * x) + 0.05 * np.sin(5.1 * x)
    outside = np.where(hills[..., None], np.array([0.30, 0.42, 0.24]), sky)
    canvas.rectangle(-2.9, -1.2, 0.9, 2.3, (0.88, 0.88, 0.86))
    canvas.rectangle(-2.82, -2.08, 0.98, 2.22, outside)
    canvas.rectangle(-2.02, -1.28, 0.98, 2.22, outside)
    # A picture in a frame.
    canvas.rectangle(0.5, 1.3, 1.35, 1.95, (0.16, 0.11, 0.08))
    canvas.rectangle(0.54, 1.26, 1.39, 1.91, (0.82, 0.78, 0.70))
    canvas.rectangle(0.62, 1.18, 1.47, 1.83, (0.55, 0.38, 0.24))
    canvas.ellipse(0.9, 1.66, 0.16, 0.11, (0.80, 0.58, 0.22))
    # A sideboard with three doors, and a plant on it.
    canvas.rectangle(1.7, 3.6, 0.12, 0.85, (0.42, 0.28, 0.17))
    for left in (1.75, 2.38, 3.01):
        canvas.rectangle(left, left + 0.57, 0.20, 0.78, (0.50, 0.34, 0.21))
        canvas.rectangle(left + 0.26, left + 0.31, 0.62, 0.645, (0.80, 0.75, 0.60))
    canvas.rectangle(2.0, 2.28, 0.85, 1.12, (0.75, 0.35, 0.25))
    for leaf, turn in enumerate(np.linspace(-1.1, 1.1, 9)):
        tip = 2.14 + 0.2 * np.sin(turn), 1.1 + 0.2 * np.cos(turn)
        canvas.ellipse(*tip, 0.045, 0.22, (0.16, 0.36 + 0.02 * (leaf % 3), 0.15), turn)
    return canvas.colour
