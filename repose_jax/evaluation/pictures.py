"""Pictures of results: stills and animations.

Blue is the left side of the person, orange the right, grey the ground truth.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from repose_jax.data.clips import covered
from repose_jax.data.sequences import Sequences
from repose_jax.evaluation.panels import (
    ASPECT,
    FAINT,
    GRID,
    GRID_MM,
    LEFT,
    MIDDLE,
    OUTSIDE,
    PANEL,
    RIGHT,
    TEXT,
    TRUTH,
    Clip,
    InputPanel,
    ResultPanel,
    rgb,
)
from repose_jax.evaluation.predictions import Lift, Predictions

_SECONDS = 3.0  # of a test sequence
_FPS = 25.0  # of a test sequence of unknown rate
_MAX_FRAMES = 60  # of an animation
_MAX_FPS = 30  # viewers slow down animations that are faster than about 50


Results = Mapping[str, Clip]
"""Results of several models for the same input, by name."""


def still(
    path: str | Path,
    clip: Clip | Results,
    *,
    frames: Sequence[int] | None = None,
    title: str = "",
):
    """Writes a picture of a few frames: the input, and the result from two sides.

    One column for each frame. First row: the 2D input, cut out of the image around the person; the
    less confident the detector, the smaller and fainter the joint; occluded joints are hollow.
    Second row: prediction over ground truth as the camera sees them. Third row: the same from the
    right of the camera, where errors in depth show. Poses are aligned at the root. Hypotheses are
    thin lines. Each further result has two more rows.

    Args:
        path: file to write; the suffix chooses the format.
        clip: content of the picture; results with names are drawn with these and their errors.
        frames: which frames; None takes five, evenly spaced.
        title: heading; may be empty.

    Raises:
        ValueError: `frames` is empty or leaves the clip.
    """
    results = {"": clip} if isinstance(clip, Clip) else clip
    first = next(iter(results.values()))
    length = len(first.prediction)
    if frames is None:
        frames = sorted({round((length - 1) * part / 4) for part in range(5)})
    if not frames or min(frames) < 0 or max(frames) >= length:
        raise ValueError(f"frames must lie in [0, {length}), found {list(frames)}")

    rows = [(name, view) for name in results for view in ("camera view", "side view")]
    size = 1 + len(rows), len(frames)
    left = 0.36 if "" in results else 0.54  # for one line or two
    figure, panels = _sheet(size, first, top=0.62 if title else 0.32, left=left)
    if title:
        _heading(figure, 0.5, title, ha="center", weight="bold", fontsize=12)
    _label(panels[0, 0], "2D input")
    height = max(_person(first, [frame])[2] for frame in frames)
    for axes, frame in zip(panels[0], frames, strict=True):
        x, y, _ = _person(first, [frame])
        InputPanel(axes, first, (x, y, height)).show(frame)
        axes.set_title(_caption(results, frame), color=TEXT, fontsize=10, pad=5)
    extent = _extent(results.values(), frames)
    for row, (name, view) in zip(panels[1:], rows, strict=True):
        _label(row[0], *filter(None, (_summary(name, results[name]), view)))
        for axes, frame in zip(row, frames, strict=True):
            azimuth = 0.0 if view == "camera view" else 90.0
            ResultPanel(axes, results[name], extent).show(frame, azimuth)
            if name and not azimuth:
                _note(axes, _error(results[name], frame).removeprefix("MPJPE "), y=0.93)
    _note(panels[2, 0], "◂ camera")
    _note(panels[1, 0], f"grid {GRID_MM / 1000:g} m")
    figure.savefig(path, dpi=120)


def animation(path: str | Path, clip: Clip | Results, *, fps: float | int, title: str = ""):
    """Writes an animated GIF of a clip that repeats for ever.

    Side by side: the 2D input, and prediction over ground truth as the camera sees them, from the
    right of the camera, and from a viewpoint that circles the person; a row for each result. Frames
    are left out evenly where the clip has more than 60 or is faster than 30 fps; time stays true.

    Args:
        path: file to write, "....gif".
        clip: content of the picture, as in `still`.
        fps: frames per second of the clip.
        title: heading; may be empty.

    Raises:
        ValueError: `fps` is not positive.
    """
    if not fps > 0:
        raise ValueError(f"fps must be positive, found {fps}")
    results = {"": clip} if isinstance(clip, Clip) else clip
    first = next(iter(results.values()))
    length = len(first.prediction)
    step = max(math.ceil(length / _MAX_FRAMES), math.ceil(fps / _MAX_FPS))
    shown = range(0, length, step)

    left = 0.1 if "" in results else 0.36
    figure, panels = _sheet((len(results), 4), first, top=0.62, left=left)
    figure.set_dpi(80)
    margin = 0.1 / figure.get_figwidth()
    _heading(figure, margin, title, ha="left", weight="bold", fontsize=11)
    caption = _heading(figure, 1 - margin, "", ha="right", fontsize=10)
    views = "2D input", "camera view", "side view", "all round"
    for axes, view in zip(panels[0], views, strict=True):
        axes.set_title(view, color=TEXT, fontsize=10, pad=5)
    _note(panels[0, 1], f"grid {GRID_MM / 1000:g} m")
    _note(panels[0, 2], "◂ camera")
    extent, window = _extent(results.values(), shown), _person(first, shown)
    rows = []
    for axes, (name, result) in zip(panels, results.items(), strict=True):
        _label(axes[0], _summary(name, result))
        given = InputPanel(axes[0], result, window)
        front, side = (ResultPanel(ax, result, extent) for ax in axes[1:3])
        rows.append((given, front, side, ResultPanel(axes[3], result, extent, floor=True)))

    # Artists that do not move are drawn once.
    moving = [caption, *(artist for row in rows for panel in row for artist in panel.artists)]
    for artist in moving:
        artist.set_animated(True)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    still_part = canvas.copy_from_bbox(figure.bbox)
    images = []
    for number, frame in enumerate(shown):
        for given, front, side, circling in rows:
            given.show(frame)
            front.show(frame, 0.0)
            side.show(frame, 90.0)
            circling.show(frame, 30 + 360 * number / len(shown), elevation=12.0)
        caption.set_text(f"{frame / fps:.2f} s   {_caption(results, frame)}")
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


def draw_sequences(
    predictions: Predictions, directory: Path, count: int, *, shipped: Lift | None = None
) -> list[Path]:
    """Draws the middle of some test sequences: stills and animations.

    Args:
        predictions: predicted and true poses.
        directory: folder of the pictures; created.
        count: sequences to draw, evenly spaced.
        shipped: the shipped weights, to draw what they make of the same detections below; None to
            leave them out. Where they fail, a line says why, and the picture is without them.

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
        results: Clip | Results = clip
        if shipped:
            try:
                other = replace(clip, prediction=shipped(sequences, number, rows))
                results = {"this run": clip, "shipped weights": other}
            except (ValueError, FileNotFoundError) as error:
                print(f"{name} is drawn without the shipped weights: {error}", flush=True)
        written += draw(directory, name, results, fps=rate(sequences, number), title=title)
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
    hypotheses: Float[np.ndarray, "t h j 3"] | None = None,
) -> Clip:
    """Returns rows of a sequence with predictions, hypotheses and ground truth for them, mm."""
    width, height = sequences.image_size[number].tolist()
    return Clip(
        keypoints_2d=sequences.keypoints_2d[rows],
        confidence=sequences.confidence[rows],
        prediction=prediction,
        image_size=(width, height),
        target=target,
        visibility=sequences.visibility[rows],
        hypotheses=hypotheses,
    )


def draw(
    directory: Path, name: str, clip: Clip | Results, *, fps: float | int, title: str
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


def _caption(results: Results, frame: int) -> str:
    """Names a frame, and its error if that is of the one result without a name."""
    error = _error(results[""], frame) if "" in results else ""
    return "   ".join(filter(None, (f"frame {frame}", error)))


def _error(clip: Clip, frame: int | None = None) -> str:
    """Formats the error of a frame, or of all; empty without ground truth."""
    errors = clip.mpjpe
    if errors is None:
        return ""
    return f"MPJPE {errors.mean() if frame is None else errors[frame]:.0f} mm"


def _summary(name: str, clip: Clip) -> str:
    """Formats the name of a result with its error; empty without a name."""
    return name and ", ".join(filter(None, (name, _error(clip))))


def _label(axes: Axes, *lines: str):
    """Writes lines to the left of a panel."""
    axes.set_ylabel("\n".join(lines), color=TEXT, fontsize=10, labelpad=6)


def _note(axes: Axes, text: str, y: float = 0.025):
    axes.text(0.03, y, text, transform=axes.transAxes, color=FAINT, fontsize=8)


def _heading(figure: Figure, x: float, text: str, **style) -> Text:
    """Text on the first line of a figure."""
    y = 1 - 0.2 / figure.get_figheight()
    return figure.text(x, y, text, color=TEXT, va="center", **style)


def _sheet(
    size: tuple[int, int], clip: Clip, *, top: float, left: float
) -> tuple[Figure, np.ndarray]:
    """A figure with rows and columns of empty panels in margins, inches, and a legend below."""
    rows, columns = size
    width, gap, right = 2.1, 0.08, 0.1
    height = width / ASPECT
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
    if clip.hypotheses is not None:
        entries.append(entry("hypotheses", color=MIDDLE, lw=0.8))
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
    return float(x), float(y), 1.2 * float(max(height, width / ASPECT, 1))


def _extent(clips: Collection[Clip], frames: Sequence[int]) -> tuple[float, float, float]:
    """Middle height, half height (of the window) and floor, mm, y up, over these frames."""
    poses = [
        clip.centred(pose)[list(frames)].reshape(-1, 3)
        for clip in clips
        for pose in (clip.prediction, clip.target, clip.hypotheses)
        if pose is not None
    ]
    points = np.concatenate(poses)
    low, high = -points[:, 1].max(), -points[:, 1].min()
    reach = np.hypot(points[:, 0], points[:, 2]).max()  # stays inside from every azimuth
    return float(low + high) / 2, 1.1 * float(max((high - low) / 2, reach / ASPECT)), float(low)


def _palette() -> Image.Image:
    """Palette image of the inks and of the blends that smooth their edges."""
    paper = np.array([rgb(color) for color in (PANEL, TRUTH, "#FFFFFF")])
    inks = np.array([rgb(color) for color in (LEFT, RIGHT, MIDDLE, TEXT, FAINT, TRUTH, GRID)])
    blend = np.linspace(0, 1, 12)[:, None]
    colors = paper[:, None, None] * (1 - blend) + inks[:, None] * blend
    colors = np.vstack([colors.reshape(-1, 3), [rgb(OUTSIDE)]])
    image = Image.new("P", (1, 1))
    image.putpalette((255 * colors).round().astype(np.uint8).tobytes())
    return image
