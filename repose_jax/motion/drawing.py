"""Skeletons in 2D and in 3D on a floor, drawn with OpenCV."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.motion import palette
from repose_jax.motion.motion import FILLED, MISSING, SEEN
from repose_jax.skeleton import HUMAN36M

Colour = tuple[int, int, int]
BACKGROUND, GRID, SHADOW = (243, 245, 248), (205, 212, 221), (216, 221, 228)
CAPTION = (102, 112, 128)
HEAD = HUMAN36M.joints.index("head")
FOCAL = 1.6  # focal length of a drawing, for a smaller side of 1
_SHIFT = 3  # OpenCV draws at fractions of 1 / 8 px
_NEAR_MM = 100.0
_RADIUS_MM = {"knee": 50, "ankle": 38, "elbow": 36, "wrist": 29, "hip": 50, "neck": 36}


@dataclasses.dataclass(frozen=True, eq=False)
class Figure:
    """A person in a frame.

    Attributes:
        number: of the person.
        colour: of the person: of the trunk and of the number.
        joints_mm: `[17, 3]` in the world, mm.
        status: `[17]` `SEEN`, `FILLED` or `MISSING`.
        keypoints_px: `[17, 2]` in the image, px; NaN where nothing was detected.
        hypotheses_mm: `[h, 17, 3]` other poses that are likely, in the world, mm; None for none.
    """

    number: int
    colour: Colour
    joints_mm: Float[np.ndarray, "17 3"]
    status: UInt8[np.ndarray, "17"]
    keypoints_px: Float[np.ndarray, "17 2"]
    hypotheses_mm: Float[np.ndarray, "h 17 3"] | None = None

    def paint(self, joint: int) -> Colour:
        """Returns the colour of the bone that ends in a joint."""
        return palette.SIDES.get(joint, self.colour)


@dataclasses.dataclass(frozen=True, eq=False)
class Eye:
    """The point of view of a drawing.

    Attributes:
        axes: `[3, 3]` its axes in the world, as rows: right, down, ahead.
        position_mm: `[3]` where it stands, mm.
        focal_px: focal length, px.
        centre_px: `[2]` the point of the picture that it looks at, px.
    """

    axes: Float[np.ndarray, "3 3"]
    position_mm: Float[np.ndarray, "3"]
    focal_px: float
    centre_px: Float[np.ndarray, "2"]

    def project(
        self, points: Float[np.ndarray, "*b 3"]
    ) -> tuple[Float[np.ndarray, "*b 2"], Float[np.ndarray, "*b"]]:
        """Returns positions in the picture, px, and depths, mm; those behind it are too near."""
        seen = (points - self.position_mm) @ self.axes.T
        depth = seen[..., 2]
        scale = self.focal_px / np.maximum(depth, _NEAR_MM)
        return self.centre_px + scale[..., None] * seen[..., :2], depth


def orbit(
    target: Float[np.ndarray, "3"],
    yaw: float,
    pitch: float,
    distance: float,
    size: tuple[int, int],
) -> Eye:
    """Returns an eye at an angle about the vertical and one above the floor, in radians."""
    sin, cos = np.sin(yaw), np.cos(yaw)
    back = np.array([sin * np.cos(pitch), np.sin(pitch), cos * np.cos(pitch)])
    right = np.array([cos, 0, -sin])
    axes = np.stack([right, np.cross(right, back), -back])
    centre = np.array([size[0] / 2, size[1] / 2])
    return Eye(axes, target + distance * back, FOCAL * min(size), centre)


def draw_2d(cv2: Any, picture: np.ndarray, figures: list[Figure], scale: float) -> None:
    """Draws detected joints on a frame of the video, in place; `scale` is px of it per image px."""
    width = max(2, round(min(picture.shape[:2]) / 240))
    for figure in figures:
        found = np.isfinite(figure.keypoints_px[:, 0] + figure.keypoints_px[:, 1])
        points = _fixed(figure.keypoints_px * scale)
        bones = [(a, b) for a, b in HUMAN36M.bones if found[a] and found[b]]
        for a, b in bones:  # a dark rim, for bright backgrounds
            cv2.line(picture, points[a], points[b], (20, 24, 30), width + 3, cv2.LINE_AA, _SHIFT)
        for a, b in bones:
            cv2.line(picture, points[a], points[b], figure.paint(b), width, cv2.LINE_AA, _SHIFT)
        for joint in np.flatnonzero(found):
            radius = round((width * 0.8 + 0.6) * 2**_SHIFT)
            cv2.circle(picture, points[joint], radius, (255, 255, 255), -1, cv2.LINE_AA, _SHIFT)


def draw_3d(cv2: Any, picture: np.ndarray, figures: list[Figure], eye: Eye) -> None:
    """Draws people on a floor, in place, the farthest first."""
    cv2.rectangle(picture, (0, 0), picture.shape[1::-1], BACKGROUND, -1)
    _floor(cv2, picture, eye)
    limbs: list[_Limb] = []
    for figure in figures:
        points, depth = eye.project(np.stack([figure.joints_mm * [1, 0, 1], figure.joints_mm]))
        if depth.min() < _NEAR_MM:
            continue
        thickness = _thickness(90 * eye.focal_px / depth[0].mean())
        ground, body = _fixed(points)
        lines = ground[np.array(HUMAN36M.bones)]
        cv2.polylines(picture, lines, False, SHADOW, thickness, cv2.LINE_AA, _SHIFT)
        ends, away, status = body.tolist(), depth[1].tolist(), figure.status.tolist()
        for a, b in HUMAN36M.bones:
            depth_mm, worst = (away[a] + away[b]) / 2, max(status[a], status[b])
            scale = eye.focal_px / depth_mm
            limbs.append(_Limb(depth_mm, ends[a], ends[b], scale, b, figure.paint(b), worst))
    for limb in sorted(limbs, key=lambda limb: -limb.depth_mm):
        _draw_limb(cv2, picture, limb)
    _draw_hypotheses(cv2, picture, figures, eye)


def draw_numbers(
    cv2: Any, picture: np.ndarray, figures: list[Figure], heads: list[np.ndarray]
) -> None:
    """Draws the numbers of people above the places of their heads, px; NaN for none."""
    for figure, head in zip(figures, heads, strict=True):
        if not np.isfinite(head).all():
            continue
        text, font, size = str(figure.number), cv2.FONT_HERSHEY_SIMPLEX, 0.5
        (width, height), _ = cv2.getTextSize(text, font, size, 1)
        x, y = round(float(head[0])), round(float(head[1])) - 16
        cv2.circle(picture, (x, y), max(width, height) // 2 + 6, figure.colour, -1, cv2.LINE_AA)
        corner = (x - width // 2, y + height // 2)
        cv2.putText(picture, text, corner, font, size, (255, 255, 255), 1, cv2.LINE_AA)


def draw_caption(cv2: Any, picture: np.ndarray, text: str) -> None:
    """Draws a short text in ASCII in the lower right corner."""
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.55
    (width, _), _ = cv2.getTextSize(text, font, size, 1)
    corner = (picture.shape[1] - width - 14, picture.shape[0] - 14)
    cv2.putText(picture, text, corner, font, size, CAPTION, 1, cv2.LINE_AA)


def _floor(cv2: Any, picture: np.ndarray, eye: Eye) -> None:
    """Draws a grid of metres round the point that the eye looks at."""
    ahead = eye.axes[2]
    reach = eye.position_mm[1] / max(-ahead[1], 0.1)
    centre = np.round((eye.position_mm + reach * ahead) / 1000)
    cells = int(min(max(4, reach // 1000), 12))
    steps = np.arange(-cells, cells + 1)
    along, across = np.meshgrid(steps, steps, indexing="ij")
    corners = np.stack([centre[0] + along, 0 * along, centre[2] + across], -1) * 1000.0
    points, depth = eye.project(corners)
    fixed = _fixed(points)
    ahead_of_eye = depth > _NEAR_MM
    lines = [
        line[shown]
        for grid, seen in ((fixed, ahead_of_eye), (fixed.swapaxes(0, 1), ahead_of_eye.T))
        for line, shown in zip(grid, seen, strict=True)
    ]
    # A line in front of the eye is straight, so its ends draw it.
    lines = [line[[0, -1]] for line in lines if len(line) > 1]
    cv2.polylines(picture, lines, False, GRID, 1, cv2.LINE_AA, _SHIFT)


class _Limb(NamedTuple):
    """A bone in the picture: its ends in fixed-point numbers, px per mm, the joint at its end."""

    depth_mm: float
    start: list[int]
    end: list[int]
    scale: float
    joint: int
    colour: Colour
    status: int


def _draw_limb(cv2: Any, picture: np.ndarray, limb: _Limb) -> None:
    """Draws a bone, or the head; paler when filled, thin when missing."""
    a, b, colour = limb.start, limb.end, limb.colour
    if limb.status != SEEN:
        colour = _mix(colour, BACKGROUND, 0.55 if limb.status == FILLED else 0.35)
    if limb.joint == HEAD:
        radius = round(90 * limb.scale * 2**_SHIFT)
        middle = [(x + y) // 2 for x, y in zip(a, b, strict=True)]
        filled = 2 if limb.status == MISSING else -1
        cv2.circle(picture, middle, radius, colour, filled, cv2.LINE_AA, _SHIFT)
        return
    if limb.status == MISSING:
        cv2.line(picture, a, b, colour, 2, cv2.LINE_AA, _SHIFT)
        return
    name = HUMAN36M.joints[limb.joint].rpartition("_")[2]
    wide = _thickness(2 * _RADIUS_MM.get(name, 44) * limb.scale)
    cv2.line(picture, a, b, _mix(colour, (0, 0, 0), 0.3), wide + 2, cv2.LINE_AA, _SHIFT)
    cv2.line(picture, a, b, colour, wide, cv2.LINE_AA, _SHIFT)
    if wide > 5:  # light from above on the left
        up = round(0.16 * wide * 2**_SHIFT)
        shine = [[x - up for x in end] for end in (a, b)]
        light = _mix(colour, (255, 255, 255), 0.35)
        cv2.line(picture, shine[0], shine[1], light, wide // 3, cv2.LINE_AA, _SHIFT)


def _draw_hypotheses(cv2: Any, picture: np.ndarray, figures: list[Figure], eye: Eye) -> None:
    """Draws the hypotheses of people as thin lines that the rest shines through."""
    if all(figure.hypotheses_mm is None for figure in figures):
        return
    drawn = picture.copy()
    for figure in figures:
        if figure.hypotheses_mm is None:
            continue
        points, depth = eye.project(figure.hypotheses_mm)
        joints = _fixed(points[depth.min(-1) > _NEAR_MM]).swapaxes(0, 1)
        for a, b in HUMAN36M.bones:
            colour = _mix(figure.paint(b), (0, 0, 0), 0.3)
            lines = np.stack([joints[a], joints[b]], axis=1)
            cv2.polylines(drawn, lines, False, colour, 1, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(drawn, 0.6, picture, 0.4, 0, picture)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Returns positions, px, in the fixed-point numbers of OpenCV; NaN becomes 0."""
    return np.round(np.clip(np.nan_to_num(points), -30_000, 30_000) * 2**_SHIFT).astype(np.int32)


def _thickness(width: float) -> int:
    return min(max(round(width), 1), 200)


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (round(x + share * (y - x)) for x, y in zip(colour, other, strict=True))
    return r, g, b
