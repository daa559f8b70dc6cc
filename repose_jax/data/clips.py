"""Clips: windows of one length into sequences, and the batches of training and evaluation.

A training batch is a pure function of (clips, seed, step), so that a run resumes without state.
"""

import dataclasses
import functools
import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from repose_jax.config import (
    DEPTH_REFERENCES,
    INPUTS,
    NORMALISATIONS,
    PARTIAL_CLIPS,
    UNITS,
    DataConfig,
)
from repose_jax.data import cameras
from repose_jax.data.normalise import mirror_inputs, to_image_frame, to_person_frame
from repose_jax.data.sequences import Sequences
from repose_jax.runtime.names import unknown
from repose_jax.skeleton import HUMAN36M, flip


@dataclasses.dataclass(frozen=True)
class Windows:
    """Windows into concatenated sequences.

    Attributes:
        sequence: `[n]` index of the sequence.
        start: `[n]` row of the first frame in the concatenated arrays.
        length: `[n]` frames that exist; a window into a shorter sequence repeats its last frame.
        new: `[n]` how many of the last existing frames no earlier window covers.
    """

    sequence: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " n"]
    length: Int[np.ndarray, " n"]
    new: Int[np.ndarray, " n"]


def windows(
    offsets: Int[np.ndarray, " starts"], frames: int, stride: int, partial_clips: str = "cover"
) -> Windows:
    """Lays windows of `frames` frames every `stride` frames over each sequence.

    Args:
        offsets: first row of each sequence, and the number of rows.
        frames: frames in a window.
        stride: frames between the starts of two windows.
        partial_clips: what to do with the last frames of a sequence if they do not fill a window:
            "cover" them by a window that ends with the sequence, so that every frame is in one, or
            "drop" them, as the authors' clips of Human3.6M do. A sequence shorter than `frames`
            gives one window in either case.
    """
    if partial_clips not in PARTIAL_CLIPS:
        raise ValueError(f"partial_clips is {partial_clips!r}; choose from {PARTIAL_CLIPS}.")
    if not 1 <= stride <= frames:
        raise ValueError(f"stride must be 1 to {frames} (the clip length), found {stride}.")
    rows: list[tuple[int, ...]] = []
    for sequence, (begin, end) in enumerate(itertools.pairwise(offsets.tolist())):
        covered = begin
        last = max(end - frames, begin)
        starts = range(begin, last + 1, stride)
        for start in starts if partial_clips == "drop" else sorted({*starts, last}):
            stop = min(start + frames, end)
            rows.append((sequence, start, stop - start, stop - covered))
            covered = stop
    return Windows(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


@dataclasses.dataclass(frozen=True)
class Clips:
    """Windows into sequences, with the model's input and target for every frame.

    Attributes:
        sequences: the sequences that the clips are cut from.
        windows: their windows.
        frames: frames in a clip.
        inputs: `[n, j, 3]` image coordinates and confidence; normalised, or px if they are
            normalised clip by clip.
        joints: `[n, j, 3]` ground truth in the units of the model: metres or millimetres in camera
            space, or normalised image coordinates with depth in the same units (2.5D labels).
        mm_per_unit: `[n]` mm in such a unit in each frame, NaN if unknown.
        root_relative: whether targets are relative to the root.
        depth_reference: origin of depth: the root of each "frame", or of the "first_frame" of the
            clip.
        context: frames that the model needs before and after the clip; beyond the ends of a
            sequence its first and last frames repeat.
        normalise: frame of reference of the model's inputs, of the "image" or of the "person".
        known: what the model is given of the camera in the person's frame: "fps", "focal", "up".
        counted: `[j]` joints that count in losses and evaluations.
    """

    sequences: Sequences
    windows: Windows
    frames: int
    inputs: Float[np.ndarray, "n j 3"]
    joints: Float[np.ndarray, "n j 3"]
    mm_per_unit: Float[np.ndarray, " n"]
    root_relative: bool = True
    depth_reference: str = "frame"
    context: tuple[int, int] = (0, 0)
    normalise: str = "image"
    known: tuple[str, ...] = ("fps",)
    counted: Bool[np.ndarray, " j"] = dataclasses.field(default_factory=lambda: counted_joints(()))

    def __len__(self) -> int:
        return len(self.windows.start)


def cut(
    sequences: Sequences, data: DataConfig, *, frames: int, stride: int, context: tuple[int, int]
) -> Clips:
    """Cuts sequences into clips as an experiment configures; see `make`."""
    return make(
        sequences,
        frames=frames,
        stride=stride,
        partial_clips=data.partial_clips,
        inputs=data.inputs,
        root_relative=data.root_relative,
        depth_reference=data.depth_reference,
        unit=data.unit,
        context=context,
        normalise=data.normalise,
        known=data.known,
        dropped_joints=data.dropped_joints,
    )


def make(
    sequences: Sequences,
    *,
    frames: int,
    stride: int,
    partial_clips: str = "cover",
    inputs: str = "detected",
    root_relative: bool = True,
    depth_reference: str = "frame",
    unit: str = "metres",
    context: tuple[int, int] = (0, 0),
    normalise: str = "image",
    known: tuple[str, ...] = ("fps",),
    dropped_joints: tuple[str, ...] = (),
) -> Clips:
    """Cuts sequences into clips.

    Labels in camera space become metres or millimetres. 2.5D labels are normalised like the
    keypoints, and their depth by the same factor, as in the authors' code.

    Args:
        sequences: the sequences.
        frames: frames in a clip.
        stride: frames between the starts of two clips.
        partial_clips: "cover" or "drop" the last frames of a sequence; see `windows`.
        inputs: "detected" keypoints with their confidence, or "ground_truth": the projected labels
            with confidence 1.
        root_relative: make targets relative to the root; false, for 2.5D labels alone, keeps the
            position in the image, as the authors of RePOSE train.
        depth_reference: "frame" for depth relative to the root joint of the same frame, as in the
            authors' 2.5D labels, or "first_frame" for depth relative to the root of the clip's
            first frame, which keeps the motion towards the camera. The temporal depth loss compares
            depths over time, so it differs between the two.
        unit: of targets in camera space, "metres", "millimetres" or "1024mm".
        context: frames that the model needs before and after a clip.
        normalise: frame of reference of the inputs, of the "image" as in the papers, or of the
            "person"; see `repose_jax.data.normalise`.
        known: of the frame rate "fps", the "focal" length and the world's vertical, "up", those
            that the model is given where they are known; in the person's frame alone.
        dropped_joints: joints that do not count; see `counted_joints`.

    Raises:
        ValueError: an unknown option, an invalid stride, or an option that the labels exclude.
    """
    for name, value, choices in (
        ("depth_reference", depth_reference, DEPTH_REFERENCES),
        ("inputs", inputs, INPUTS),
        ("unit", unit, tuple(UNITS)),
        ("normalise", normalise, NORMALISATIONS),
    ):
        if value not in choices:
            raise ValueError(f"{name} is {value!r}; choose from {choices}.")
    in_image = sequences.mm_per_px is not None
    if in_image and depth_reference != "frame":
        raise ValueError(
            "2.5D labels have depth relative to the root of each frame only; "
            'use depth_reference="frame".'
        )
    if not in_image and not root_relative:
        raise ValueError("root_relative=False needs 2.5D labels; these are in camera space.")
    size = np.repeat(sequences.image_size, sequences.lengths, axis=0)
    if inputs == "detected":
        keypoints, confidence = sequences.keypoints_2d, sequences.confidence
    else:
        keypoints, confidence = true_keypoints(sequences), np.ones_like(sequences.confidence)
    if in_image:
        depth = sequences.joints_3d[..., 2:] / size[:, None, :1] * 2
        joints = np.concatenate(
            [to_image_frame(sequences.joints_3d[..., :2], size), depth], axis=-1
        )
        mm_per_unit = sequences.mm_per_px * size[:, 0] / 2
    else:
        joints, mm_per_unit = sequences.joints_3d * UNITS[unit], np.full(len(size), 1 / UNITS[unit])
    if normalise == "image":
        keypoints = to_image_frame(keypoints, size)
    return Clips(
        sequences=sequences,
        windows=windows(sequences.offsets, frames, stride, partial_clips),
        frames=frames,
        inputs=np.concatenate([keypoints, confidence[..., None]], axis=-1),
        joints=joints.astype(np.float32),
        mm_per_unit=mm_per_unit.astype(np.float32),
        root_relative=root_relative,
        depth_reference=depth_reference,
        context=context,
        normalise=normalise,
        known=known,
        counted=counted_joints(dropped_joints),
    )


def counted_joints(dropped: tuple[str, ...]) -> Bool[np.ndarray, " j"]:
    """Returns which joints count in losses and evaluations: all but the dropped ones.

    Raises:
        ValueError: there is no such joint, or it is the root, to which poses are relative.
    """
    joints = [joint for j, joint in enumerate(HUMAN36M.joints) if j != HUMAN36M.root]
    for joint in dropped:
        if joint not in joints:
            raise ValueError(unknown("config.data.dropped_joints", joint, joints))
    return ~np.isin(HUMAN36M.joints, dropped)


def true_keypoints(sequences: Sequences) -> Float[np.ndarray, "n j 2"]:
    """Returns the true joints in the image, px.

    Raises:
        ValueError: the labels are in camera space, and the camera of a sequence is unknown.
    """
    if sequences.mm_per_px is not None:
        return sequences.joints_3d[..., :2]
    keypoints = np.empty_like(sequences.keypoints_2d)
    for sequence, (begin, end) in enumerate(itertools.pairwise(sequences.offsets)):
        camera = sequences.intrinsics[sequence], sequences.distortion[sequence]
        if not all(np.isfinite(part).all() for part in camera):
            raise ValueError(
                f"{sequences.names[sequence]}: its camera is unknown, so the true joints cannot "
                'be projected into the image. Use inputs="detected" (those of MPI-INF-3DHP are the '
                "ground truth already)."
            )
        keypoints[begin:end] = cameras.project(sequences.joints_3d[begin:end], *camera)
    return keypoints


def rows(
    clips: Clips, index: Int[np.ndarray, " b"], context: tuple[int, int] = (0, 0)
) -> Int[np.ndarray, "b n"]:
    """Returns the rows of clips in the concatenated arrays, with frames around them.

    Beyond the ends of a sequence its first and last rows repeat.
    """
    offsets, sequence = clips.sequences.offsets, clips.windows.sequence[index, None]
    frame = np.arange(-context[0], clips.frames + context[1])
    start = clips.windows.start[index, None]
    return np.clip(start + frame, offsets[sequence], offsets[sequence + 1] - 1)


def covered(clips: Clips) -> Bool[np.ndarray, " n"]:
    """Returns which frames are in a clip: all, unless partial clips are dropped."""
    found = np.zeros(len(clips.joints), bool)
    found[rows(clips, np.arange(len(clips)))] = True
    return found


def new_frames(clips: Clips, index: Int[np.ndarray, " b"]) -> Bool[np.ndarray, "b t"]:
    """Returns which frames of clips exist and are in no earlier clip."""
    length, frame = clips.windows.length[index, None], np.arange(clips.frames)
    return (frame >= length - clips.windows.new[index, None]) & (frame < length)


def mean_pose(clips: Clips) -> Float[np.ndarray, "j 3"]:
    """Returns the mean pose of all frames, in the units of the model."""
    joints = clips.joints
    if clips.root_relative:
        joints = joints - joints[:, HUMAN36M.root, None]
    return joints.mean(axis=0, dtype=np.float64).astype(np.float32)


def gather(clips: Clips, index: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
    """Reads clips as arrays, of their t frames and the context around them.

    Returns:
        `inputs` `[b, before + t + after, j, 3]`; `targets` `[b, before + t + after, j, 3]` in the
        units of the model, relative to the root unless `root_relative` is false; `mask`
        `[b, before + t + after, 1]` true for frames that exist, or `[..., j]` with the joints that
        count in them, if some do not.
    """
    before, after = clips.context
    taken = rows(clips, index, clips.context)
    targets = clips.joints[taken]
    if clips.root_relative:
        root = targets[:, :, HUMAN36M.root, None].copy()
        if clips.depth_reference == "first_frame":
            root[..., 2] = root[:, :1, :, 2]
        targets -= root
    frame = clips.windows.start[index, None] + np.arange(-before, clips.frames + after)
    mask = (frame == taken)[..., None]
    if not clips.counted.all():
        mask = mask & clips.counted
    return {"inputs": model_inputs(clips, index), "targets": targets, "mask": mask}


def occluded(clips: Clips, index: Int[np.ndarray, " b"]) -> Bool[np.ndarray, "b n j"]:
    """Returns which joints of clips and their context are known to be occluded."""
    return clips.sequences.visibility[rows(clips, index, clips.context)] == 0


def model_inputs(clips: Clips, index: Int[np.ndarray, " b"]) -> Float[np.ndarray, "b n j c"]:
    """Returns the inputs of a model for clips with the context around them.

    Three channels in the frame of the image, `normalise.PERSON_CHANNELS` in that of the person.
    """
    inputs = clips.inputs[rows(clips, index, clips.context)]
    if clips.normalise == "image":
        return inputs
    sequences, sequence = clips.sequences, clips.windows.sequence[index]
    unknown = np.full(len(sequences.fps), np.nan, np.float32)
    up = sequences.up if sequences.up is not None else np.stack([unknown] * 3, axis=-1)
    fps, focal, up = (
        values[sequence] if name in clips.known else np.full_like(values[sequence], np.nan)
        for name, values in (
            ("fps", sequences.fps),
            ("focal", sequences.intrinsics[:, 0, 0]),
            ("up", up),
        )
    )
    size = sequences.image_size[sequence]
    return to_person_frame(inputs[..., :2], inputs[..., 2], size, focal, fps, up)


@functools.lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def batch_index(count: int, batch_size: int, seed: int, step: int) -> Int[np.ndarray, " b"]:
    """Returns the clips in the batch of a step.

    Every epoch has its own order of the clips and leaves out those after its last whole batch.
    Fewer clips than a batch are repeated.
    """
    steps = max(count // batch_size, 1)
    order = _permutation(count, seed, step // steps)
    first = step % steps * batch_size
    if count < batch_size:
        order = np.resize(order, batch_size)
    return order[first : first + batch_size]


def train_batch(
    clips: Clips,
    batch_size: int,
    *,
    seed: int,
    step: int,
    flip_share: float = 0.5,
    rows: slice = slice(None),
    with_occluded: bool = False,
) -> dict[str, np.ndarray]:
    """Returns the training batch of a step, a pure function of its arguments.

    Args:
        clips: training clips.
        batch_size: clips in the whole batch, over all processes.
        seed: seed of the order and of the flips.
        step: the training step.
        flip_share: share of the clips that are mirrored.
        rows: the rows of the batch that this process takes.
        with_occluded: return which joints are occluded, too.

    Returns:
        `inputs`, `targets` and `mask` as from `gather`, and `occluded` as from `occluded`.
    """
    index = batch_index(len(clips), batch_size, seed, step)[rows]
    mirrored = np.random.default_rng([seed, 1, step]).random(batch_size)[rows] < flip_share
    batch = gather(clips, index)
    batch["inputs"][mirrored] = mirror_inputs(batch["inputs"][mirrored])
    batch["targets"][mirrored] = flip(batch["targets"][mirrored])
    if with_occluded:
        batch["occluded"] = occluded(clips, index)
        batch["occluded"][mirrored] = batch["occluded"][mirrored][..., list(HUMAN36M.flip)]
    return batch


def eval_batches(
    clips: Clips, batch_size: int
) -> list[tuple[Int[np.ndarray, " b"], Bool[np.ndarray, "b t"]]]:
    """Returns all clips in order, in batches of one size: their index and their new frames.

    The last batch is padded with repeats of the last clip, which have no new frames.
    """
    batches = []
    for first in range(0, len(clips), batch_size):
        wanted = np.arange(first, first + batch_size)
        index = np.minimum(wanted, len(clips) - 1)
        batches.append((index, new_frames(clips, index) & (wanted < len(clips))[:, None]))
    return batches
