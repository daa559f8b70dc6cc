"""Content of pictures of results, and the panels that show it.

Poses are projected by ourselves into flat axes, without perspective, which is quicker and clearer
than the 3D axes of the plotting library.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from repose_jax.skeleton import HUMAN36M, Skeleton

# Blue and vermilion stay apart for every kind of colour vision (Okabe and Ito).
LEFT, RIGHT, MIDDLE, TRUTH = "#0072B2", "#D55E00", "#3C3C46", "#B4B4BC"
PANEL, OUTSIDE, GRID, TEXT, FAINT = "#F7F7F9", "#E9E9EE", "#DDDDE5", "#26262E", "#73737F"

ASPECT = 0.8  # width of a panel over its height
GRID_MM = 500


@dataclass(frozen=True, eq=False)
class Clip:
    """Content of a picture of a result: the input, the prediction and, if known, the truth.

    Shapes are checked here, with a message, rather than by the annotations.

    Attributes:
        keypoints_2d: `[t, j, 2]` input, px, y down.
        confidence: `[t, j]` of the input; joints with 0 are not drawn.
        prediction: `[t, j, 3]` camera space, mm; only root-relative positions matter.
        image_size: width and height, px.
        target: `[t, j, 3]` ground truth, as `prediction`; None if there is none.
        visibility: `[t, j]` 1 visible, 0 occluded, -1 unknown; None if all are unknown.
        hypotheses: `[t, h, j, 3]` other poses that are likely, as `prediction`; None for none.
        skeleton: joint order of all of these; it must have a root.

    Raises:
        ValueError: shapes do not match, or a pose that must be finite is not.
    """

    keypoints_2d: Float[np.ndarray, "..."]
    confidence: Float[np.ndarray, "..."]
    prediction: Float[np.ndarray, "..."]
    image_size: tuple[int, int]
    target: Float[np.ndarray, "..."] | None = None
    visibility: Int[np.ndarray, "..."] | None = None
    hypotheses: Float[np.ndarray, "..."] | None = None
    skeleton: Skeleton = HUMAN36M

    def __post_init__(self):
        if self.skeleton.root < 0:
            raise ValueError(f"{self.skeleton.name!r} has no root to centre 3D poses on")
        t, j = len(self.prediction), self.skeleton.size
        h = () if self.hypotheses is None else self.hypotheses.shape[1:2]
        for name, shape in (
            ("keypoints_2d", (t, j, 2)),
            ("confidence", (t, j)),
            ("prediction", (t, j, 3)),
            ("target", (t, j, 3)),
            ("visibility", (t, j)),
            ("hypotheses", (t, *h, j, 3)),
        ):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"{name} must be {shape} for {t} frames of {self.skeleton.name!r}, "
                    f"found {value.shape}"
                )
        for name in ("prediction", "target", "hypotheses"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise ValueError(f"{name} holds values that are not finite")
        if t == 0:
            raise ValueError("the clip has no frames")

    def centred(self, poses: Float[np.ndarray, "*t j 3"]) -> Float[np.ndarray, "*t j 3"]:
        """Poses relative to their roots."""
        return poses - poses[..., self.skeleton.root, None, :]

    @property
    def mpjpe(self) -> Float[np.ndarray, " t"] | None:
        """Root-relative MPJPE of each frame, mm; None without ground truth."""
        if self.target is None:
            return None
        error = self.centred(self.prediction) - self.centred(self.target)
        return np.linalg.norm(error, axis=-1).mean(axis=-1)

    @property
    def strength(self) -> Float[np.ndarray, "t j"]:
        """Confidence in [0, 1], 0 where the input is not finite."""
        finite = np.isfinite(self.keypoints_2d).all(axis=-1) & np.isfinite(self.confidence)
        return np.where(finite, np.clip(self.confidence, 0, 1), 0)


def side_colors(skeleton: Skeleton) -> list[str]:
    """Returns the colour of each joint, by its side."""
    side = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    return [side.get(joint, MIDDLE) for joint in range(skeleton.size)]


class _Stick:
    """A stick figure whose pose can be replaced."""

    def __init__(
        self, axes: Axes, skeleton: Skeleton, colors: Sequence[str], width: float, dots: float
    ):
        self.bones = np.array(skeleton.bones)
        self.colors = np.array([rgb(color) for color in colors])
        self.size = dots
        self.lines = LineCollection([], linewidths=width, capstyle="round")
        axes.add_collection(self.lines, autolim=False)
        self.dots = axes.scatter([], [], linewidths=1.1, zorder=self.lines.zorder + 0.5)

    def show(
        self,
        points: np.ndarray,
        away: np.ndarray | None = None,
        strength: np.ndarray | None = None,
        hollow: np.ndarray | None = None,
    ):
        """Draws joints `[j, 2]`: near over far, weak ones faint and small, some hollow."""
        strength = np.ones(len(points)) if strength is None else strength
        order = np.arange(len(self.bones))
        if away is not None:
            order = np.argsort(-away[self.bones].sum(axis=-1))
        bones = self.bones[order]
        opacity = np.where(strength > 0, 0.2 + 0.8 * strength, 0)
        self.lines.set_segments(list(points[bones]))
        self.lines.set_color(
            list(np.column_stack([self.colors[bones[:, 1]], opacity[bones].min(axis=-1)]))
        )
        edges = np.column_stack([self.colors, opacity])
        faces = edges.copy()
        if hollow is not None:
            faces[hollow, :3] = 1
        self.dots.set_offsets(points)
        self.dots.set_facecolor(list(faces))
        self.dots.set_edgecolor(list(edges))
        self.dots.set_sizes((self.size * (1 + strength) / 2) ** 2)


class InputPanel:
    """The 2D input of a frame in a window of the image, centre and height in px."""

    def __init__(self, axes: Axes, clip: Clip, window: tuple[float, float, float]):
        x, y, height = window
        self.clip, width = clip, height * ASPECT
        axes.set(
            xlim=(x - width / 2, x + width / 2),
            ylim=(y + height / 2, y - height / 2),
            facecolor=OUTSIDE,
        )
        w, h = clip.image_size
        axes.fill([0, w, w, 0], [0, 0, h, h], color=PANEL, zorder=0)
        self.stick = _Stick(axes, clip.skeleton, side_colors(clip.skeleton), 2.2, 4.2)
        self.artists = [self.stick.lines, self.stick.dots]

    def show(self, frame: int):
        """Shows the joints of a frame."""
        seen = self.clip.visibility
        self.stick.show(
            self.clip.keypoints_2d[frame],
            strength=self.clip.strength[frame],
            hollow=None if seen is None else seen[frame] == 0,
        )


class ResultPanel:
    """Prediction over ground truth, hypotheses as thin lines; `extent` as of `_extent`."""

    def __init__(
        self, axes: Axes, clip: Clip, extent: tuple[float, float, float], floor: bool = False
    ):
        middle, half, low = extent
        self.tiles = None
        if floor:
            # Tiles on the floor turn with the person; seen from above, they reach below the feet.
            middle, half = middle - 0.08 * half, 1.08 * half
            reach = np.arange(-2, 3) * GRID_MM
            ends = reach[[0, -1]]
            along = np.stack(np.broadcast_arrays(reach[:, None], -low, ends), axis=-1)
            self.tiles = np.concatenate([along, along[..., ::-1]])
            lines = np.empty((0, 2, 2))
        else:
            steps = np.arange(-20, 21) * GRID_MM
            ends = steps[[0, -1]]
            along = np.stack(np.broadcast_arrays(steps[:, None], ends), axis=-1)
            lines = np.concatenate([along, along[..., ::-1]]) + np.array([0, low])
        axes.set(xlim=(-half * ASPECT, half * ASPECT), ylim=(middle - half, middle + half))
        self.grid = LineCollection(list(lines), colors=GRID, linewidths=0.8, zorder=0.5)
        axes.add_collection(self.grid, autolim=False)
        self.poses = []
        colors = side_colors(clip.skeleton)

        def add(poses: np.ndarray, colors: Sequence[str], width: float, dots: float):
            stick = _Stick(axes, clip.skeleton, colors, width, dots)
            self.poses.append((stick, clip.centred(poses)))

        if clip.target is not None:
            add(clip.target, [TRUTH] * clip.skeleton.size, 4.5, 5.0)
        add(clip.prediction, colors, 2.2, 4.2)
        if clip.hypotheses is not None:
            for one in clip.hypotheses.swapaxes(0, 1):
                add(one, colors, 0.5, 0.0)
        self.artists = [self.grid] if floor else []
        self.artists += [artist for stick, _ in self.poses for artist in (stick.lines, stick.dots)]

    def show(self, frame: int, azimuth: float, elevation: float = 0.0):
        """Shows the poses of a frame from an angle in degrees; see `_view`."""
        for stick, poses in self.poses:
            seen = _view(poses[frame], azimuth, elevation)
            stick.show(seen[:, :2], away=seen[:, 2])
        if self.tiles is not None:
            self.grid.set_segments(list(_view(self.tiles, azimuth, elevation)[..., :2]))


def _view(points: np.ndarray, azimuth: float, elevation: float = 0.0) -> np.ndarray:
    """Orthographic view: camera space `[*b, 3]` to (right, up, away from the viewer).

    Azimuth 0 is the camera's own view, 90 that from its right; elevation lifts the viewer. Degrees.
    """
    a, e = np.radians(azimuth), np.radians(elevation)
    x, up, z = points[..., 0], -points[..., 1], points[..., 2]
    right, away = x * np.cos(a) + z * np.sin(a), z * np.cos(a) - x * np.sin(a)
    return np.stack(
        [right, up * np.cos(e) + away * np.sin(e), away * np.cos(e) - up * np.sin(e)], axis=-1
    )


def rgb(color: str) -> tuple[float, ...]:
    """Returns red, green and blue of a colour "#RRGGBB", in [0, 1]."""
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
