"""Pictures of results: stills and animations.

Poses are projected by ourselves into flat axes, without perspective, which is quicker and clearer
than the 3D axes of the plotting library. Blue is the left side of the person, orange the right,
grey the ground truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from repose_jax.data.clips import covered
from repose_jax.data.sequences import Sequences
from repose_jax.evaluation.predictions import Predictions
from repose_jax.skeleton import HUMAN36M, Skeleton

# Blue and vermilion stay apart for every kind of colour vision (Okabe and Ito).
LEFT, RIGHT, MIDDLE, TRUTH = "#0072B2", "#D55E00", "#3C3C46", "#B4B4BC"
PANEL, OUTSIDE, GRID, TEXT, FAINT = "#F7F7F9", "#E9E9EE", "#DDDDE5", "#26262E", "#73737F"

_ASPECT = 0.8  # width of a panel over its height
_GRID_MM = 500
_SECONDS = 3.0  # of a test sequence
_FPS = 25.0  # of a test sequence of unknown rate
_MAX_FRAMES = 60  # of an animation
_MAX_FPS = 30  # viewers slow down animations that are faster than about 50


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
    skeleton: Skeleton = HUMAN36M

    def __post_init__(self):
        if self.skeleton.root < 0:
            raise ValueError(f"{self.skeleton.name!r} has no root to centre 3D poses on")
        t, j = len(self.prediction), self.skeleton.size
        for name, shape in (
            ("keypoints_2d", (t, j, 2)),
            ("confidence", (t, j)),
            ("prediction", (t, j, 3)),
            ("target", (t, j, 3)),
            ("visibility", (t, j)),
        ):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ValueError(
                    f"{name} must be {shape} for {t} frames of {self.skeleton.name!r}, "
                    f"found {value.shape}"
                )
        for name in ("prediction", "target"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value).all():
                raise ValueError(f"{name} holds values that are not finite")
        if t == 0:
            raise ValueError("the clip has no frames")

    def centred(self, poses: Float[np.ndarray, "t j 3"]) -> Float[np.ndarray, "t j 3"]:
        """Poses relative to their roots."""
        return poses - poses[:, self.skeleton.root, None]

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


def still(path: str | Path, clip: Clip, *, frames: Sequence[int] | None = None, title: str = ""):
    """Writes a picture of a few frames: the input, and the result from two sides.

    One column for each frame. First row: the 2D input, cut out of the image around the person; the
    less confident the detector, the smaller and fainter the joint; occluded joints are hollow.
    Second row: prediction over ground truth as the camera sees them. Third row: the same from the
    right of the camera, where errors in depth show. Poses are aligned at the root.

    Args:
        path: file to write; the suffix chooses the format.
        clip: content of the picture.
        frames: which frames; None takes five, evenly spaced.
        title: heading; may be empty.

    Raises:
        ValueError: `frames` is empty or leaves the clip.
    """
    length = len(clip.prediction)
    if frames is None:
        frames = sorted({round((length - 1) * part / 4) for part in range(5)})
    if not frames or min(frames) < 0 or max(frames) >= length:
        raise ValueError(f"frames must lie in [0, {length}), found {list(frames)}")

    figure, panels = _sheet(3, len(frames), 0.62 if title else 0.32, clip)
    if title:
        _heading(figure, 0.5, title, ha="center", weight="bold", fontsize=12)
    rows = ("2D input", "camera view", "side view")
    for row, label in zip(panels, rows, strict=True):
        row[0].set_ylabel(label, color=TEXT, fontsize=10, labelpad=6)
    extent = _extent(clip, frames)
    size = max(_person(clip, [frame])[2] for frame in frames)
    for column, frame in zip(panels.T, frames, strict=True):
        x, y, _ = _person(clip, [frame])
        _InputPanel(column[0], clip, (x, y, size)).show(frame)
        for axes, azimuth in zip(column[1:], (0.0, 90.0), strict=True):
            _ResultPanel(axes, clip, extent).show(frame, azimuth)
        column[0].set_title(_caption(clip, frame), color=TEXT, fontsize=10, pad=5)
    _note(panels[2, 0], "◂ camera")
    _note(panels[1, 0], f"grid {_GRID_MM / 1000:g} m")
    figure.savefig(path, dpi=120)


def animation(path: str | Path, clip: Clip, *, fps: float | int, title: str = ""):
    """Writes an animated GIF of a clip that repeats for ever.

    Side by side: the 2D input, and prediction over ground truth as the camera sees them, from the
    right of the camera, and from a viewpoint that circles the person. Frames are left out evenly
    where the clip has more than 60 or is faster than 30 fps; time stays true.

    Args:
        path: file to write, "....gif".
        clip: content of the picture.
        fps: frames per second of the clip.
        title: heading; may be empty.

    Raises:
        ValueError: `fps` is not positive.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, found {fps}")
    length = len(clip.prediction)
    step = max(math.ceil(length / _MAX_FRAMES), math.ceil(fps / _MAX_FPS))
    shown = range(0, length, step)

    figure, panels = _sheet(1, 4, 0.62, clip)
    figure.set_dpi(80)
    margin = 0.1 / figure.get_figwidth()
    _heading(figure, margin, title, ha="left", weight="bold", fontsize=11)
    caption = _heading(figure, 1 - margin, "", ha="right", fontsize=10)
    for axes, name in zip(
        panels[0], ("2D input", "camera view", "side view", "all round"), strict=True
    ):
        axes.set_title(name, color=TEXT, fontsize=10, pad=5)
    extent = _extent(clip, shown)
    given = _InputPanel(panels[0, 0], clip, _person(clip, shown))
    front, side = (_ResultPanel(axes, clip, extent) for axes in panels[0, 1:3])
    circling = _ResultPanel(panels[0, 3], clip, extent, floor=True)
    _note(panels[0, 1], f"grid {_GRID_MM / 1000:g} m")
    _note(panels[0, 2], "◂ camera")

    # Artists that do not move are drawn once.
    moving = [
        caption,
        *(artist for panel in (given, front, side, circling) for artist in panel.artists),
    ]
    for artist in moving:
        artist.set_animated(True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    still_part = canvas.copy_from_bbox(figure.bbox)
    images = []
    for number, frame in enumerate(shown):
        given.show(frame)
        front.show(frame, 0.0)
        side.show(frame, 90.0)
        circling.show(frame, 30 + 360 * number / len(shown), elevation=12.0)
        caption.set_text(f"{frame / fps:.2f} s   {_caption(clip, frame)}")
        canvas.restore_region(still_part)
        for artist in moving:
            artist.draw(canvas.get_renderer())
        images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    # One palette for all frames keeps the colours from flickering and the file small.
    palette = _palette()
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    # GIF counts in hundredths of a second: round the moments, not the durations.
    moments = np.round(np.arange(len(images) + 1) * step * 100 / fps).astype(int) * 10
    images[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=images[1:],
        duration=np.diff(moments).tolist(),
        loop=0,
    )


def draw_sequences(predictions: Predictions, directory: Path, count: int) -> list[Path]:
    """Draws the middle of some test sequences: stills and animations.

    Args:
        predictions: predicted and true poses.
        directory: folder of the pictures; created.
        count: sequences to draw, evenly spaced.

    Returns:
        The files that were written.
    """
    written = []
    sequences = predictions.clips.sequences
    lengths = np.add.reduceat(covered(predictions.clips), sequences.offsets[:-1], dtype=int)
    count = min(count, len(lengths))
    for number in np.linspace(0, len(lengths), count + 2).astype(int)[1:-1].tolist():
        rows = middle(sequences, number, int(lengths[number]))
        clip = excerpt(
            sequences, number, rows, predictions.poses[rows], target=predictions.truth[rows]
        )
        first = rows.start - int(sequences.offsets[number])
        name = sequences.names[number]
        title = f"{name} ({sequences.actions[number]}), frames from {first}"
        written += draw(directory, name, clip, fps=rate(sequences, number), title=title)
    return written


def middle(sequences: Sequences, number: int, length: int) -> slice:
    """Returns the rows of the middle three seconds of a sequence's first `length` frames."""
    frames = min(round(_SECONDS * rate(sequences, number)), length)
    start = int(sequences.offsets[number]) + (length - frames) // 2
    return slice(start, start + frames)


def rate(sequences: Sequences, number: int) -> float:
    """Returns the frames per second of a sequence; 25 if they are unknown."""
    fps = float(sequences.fps[number])
    return _FPS if np.isnan(fps) else fps


def excerpt(
    sequences: Sequences,
    number: int,
    rows: slice,
    prediction: Float[np.ndarray, "t j 3"],
    *,
    target: Float[np.ndarray, "t j 3"],
) -> Clip:
    """Returns rows of a sequence with predictions and ground truth for them, mm."""
    width, height = sequences.image_size[number].tolist()
    return Clip(
        keypoints_2d=sequences.keypoints_2d[rows],
        confidence=sequences.confidence[rows],
        prediction=prediction,
        image_size=(width, height),
        target=target,
        visibility=sequences.visibility[rows],
    )


def draw(
    directory: Path, name: str, clip: Clip, *, fps: float | int, title: str
) -> tuple[Path, Path]:
    """Writes a still and an animation of a sequence into a folder, which is created.

    Returns:
        The two files, named after the sequence.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stem = name.replace("/", "_")
    files = directory / f"{stem}.png", directory / f"{stem}.gif"
    still(files[0], clip, title=title)
    animation(files[1], clip, fps=fps, title=title)
    return files


def side_colors(skeleton: Skeleton) -> list[str]:
    """Returns the colour of each joint, by its side."""
    side = dict.fromkeys(skeleton.left, LEFT) | dict.fromkeys(skeleton.right, RIGHT)
    return [side.get(joint, MIDDLE) for joint in range(skeleton.size)]


def _caption(clip: Clip, frame: int) -> str:
    errors = clip.mpjpe
    return f"frame {frame}" + ("" if errors is None else f"   MPJPE {errors[frame]:.0f} mm")


def _note(axes: Axes, text: str):
    axes.text(0.03, 0.025, text, transform=axes.transAxes, color=FAINT, fontsize=8)


def _heading(figure: Figure, x: float, text: str, **style) -> Text:
    """Text on the first line of a figure."""
    y = 1 - 0.2 / figure.get_figheight()
    return figure.text(x, y, text, color=TEXT, va="center", **style)


def _sheet(rows: int, columns: int, top: float, clip: Clip) -> tuple[Figure, np.ndarray]:
    """A figure with `[rows, columns]` empty panels, `top` inches above them, a legend below."""
    width, gap, left, right = 2.1, 0.08, 0.36 if rows > 1 else 0.1, 0.1
    height = width / _ASPECT
    bottom = 0.42
    total = (
        left + columns * width + (columns - 1) * gap + right,
        bottom + rows * height + (rows - 1) * gap + top,
    )
    figure = Figure(figsize=total, facecolor="white")
    panels = np.empty((rows, columns), object)
    for row, column in np.ndindex(rows, columns):
        panels[row, column] = axes = figure.add_axes(
            (
                (left + column * (width + gap)) / total[0],
                (bottom + (rows - 1 - row) * (height + gap)) / total[1],
                width / total[0],
                height / total[1],
            )
        )
        axes.set(facecolor=PANEL, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)

    def entry(label: str, **style) -> Line2D:
        return Line2D([], [], label=label, **style)

    line = {"lw": 3, "solid_capstyle": "round"}
    dot = {"ls": "", "marker": "o", "markeredgecolor": MIDDLE, "markeredgewidth": 1.2}
    entries = [entry("left", color=LEFT, **line), entry("right", color=RIGHT, **line)]
    if clip.target is not None:
        entries.append(entry("ground truth", color=TRUTH, **line | {"lw": 5}))
    if clip.visibility is not None:
        entries.append(entry("occluded joint", markerfacecolor="white", ms=5, **dot))
    entries.append(entry("unsure detection", color=MIDDLE, alpha=0.4, **dot | {"ms": 3}))
    figure.legend(
        handles=entries, loc="lower center", ncols=len(entries), frameon=False, fontsize=9,
        labelcolor=TEXT, handlelength=1.4, columnspacing=2.2, borderaxespad=0.35,
    )  # fmt: skip
    return figure, panels


def _person(clip: Clip, frames: Sequence[int]) -> tuple[float, float, float]:
    """Centre and height, px, of the window around the detected joints of these frames."""
    frames = list(frames)
    points = clip.keypoints_2d[frames][clip.strength[frames] > 0]
    if not len(points):
        points = np.array([[0, 0], clip.image_size], float)
    low, high = points.min(axis=0), points.max(axis=0)
    x, y = (low + high) / 2
    width, height = high - low
    return float(x), float(y), 1.2 * float(max(height, width / _ASPECT, 1))


def _extent(clip: Clip, frames: Sequence[int]) -> tuple[float, float, float]:
    """Middle height, half height (of the window) and floor, mm, y up, over these frames."""
    poses = [pose for pose in (clip.prediction, clip.target) if pose is not None]
    points = np.concatenate([clip.centred(pose)[list(frames)].reshape(-1, 3) for pose in poses])
    low, high = -points[:, 1].max(), -points[:, 1].min()
    reach = np.hypot(points[:, 0], points[:, 2]).max()  # stays inside from every azimuth
    return float(low + high) / 2, 1.1 * float(max((high - low) / 2, reach / _ASPECT)), float(low)


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


def _palette() -> Image.Image:
    """Palette image of the inks and of the blends that smooth their edges."""
    paper = np.array([_rgb(color) for color in (PANEL, TRUTH, "#FFFFFF")])
    inks = np.array([_rgb(color) for color in (LEFT, RIGHT, MIDDLE, TEXT, FAINT, TRUTH, GRID)])
    blend = np.linspace(0, 1, 12)[:, None]
    colors = paper[:, None, None] * (1 - blend) + inks[:, None] * blend
    colors = np.vstack([colors.reshape(-1, 3), [_rgb(OUTSIDE)]])
    image = Image.new("P", (1, 1))
    image.putpalette((255 * colors).round().astype(np.uint8).tobytes())
    return image


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))


class _Stick:
    """A stick figure whose pose can be replaced."""

    def __init__(
        self, axes: Axes, skeleton: Skeleton, colors: Sequence[str], width: float, dots: float
    ):
        self.bones = np.array(skeleton.bones)
        self.colors = np.array([_rgb(color) for color in colors])
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


class _InputPanel:
    """The 2D input of a frame in a window of the image, centre and height in px."""

    def __init__(self, axes: Axes, clip: Clip, window: tuple[float, float, float]):
        x, y, height = window
        self.clip, width = clip, height * _ASPECT
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
        seen = self.clip.visibility
        self.stick.show(
            self.clip.keypoints_2d[frame],
            strength=self.clip.strength[frame],
            hollow=None if seen is None else seen[frame] == 0,
        )


class _ResultPanel:
    """Prediction over ground truth; `extent` as of `_extent`."""

    def __init__(
        self, axes: Axes, clip: Clip, extent: tuple[float, float, float], floor: bool = False
    ):
        middle, half, low = extent
        self.tiles = None
        if floor:
            # Tiles on the floor turn with the person; seen from above, they reach below the feet.
            middle, half = middle - 0.08 * half, 1.08 * half
            reach = np.arange(-2, 3) * _GRID_MM
            ends = reach[[0, -1]]
            along = np.stack(np.broadcast_arrays(reach[:, None], -low, ends), axis=-1)
            self.tiles = np.concatenate([along, along[..., ::-1]])
            lines = np.empty((0, 2, 2))
        else:
            steps = np.arange(-20, 21) * _GRID_MM
            ends = steps[[0, -1]]
            along = np.stack(np.broadcast_arrays(steps[:, None], ends), axis=-1)
            lines = np.concatenate([along, along[..., ::-1]]) + np.array([0, low])
        axes.set(xlim=(-half * _ASPECT, half * _ASPECT), ylim=(middle - half, middle + half))
        self.grid = LineCollection(list(lines), colors=GRID, linewidths=0.8, zorder=0.5)
        axes.add_collection(self.grid, autolim=False)
        self.poses = []
        if clip.target is not None:
            truth = _Stick(axes, clip.skeleton, [TRUTH] * clip.skeleton.size, 4.5, 5.0)
            self.poses.append((truth, clip.centred(clip.target)))
        result = _Stick(axes, clip.skeleton, side_colors(clip.skeleton), 2.2, 4.2)
        self.poses.append((result, clip.centred(clip.prediction)))
        self.artists = [self.grid] if floor else []
        self.artists += [artist for stick, _ in self.poses for artist in (stick.lines, stick.dots)]

    def show(self, frame: int, azimuth: float, elevation: float = 0.0):
        for stick, poses in self.poses:
            seen = _view(poses[frame], azimuth, elevation)
            stick.show(seen[:, :2], away=seen[:, 2])
        if self.tiles is not None:
            self.grid.set_segments(list(_view(self.tiles, azimuth, elevation)[..., :2]))
