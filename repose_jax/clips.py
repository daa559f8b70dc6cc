"""Clips: fixed-length windows into sequences, and the batches that training and evaluation take.

A batch is a pure function of (clips, seed, step): nothing has to be remembered to resume.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Int8

from repose_jax.dataset import Motion
from repose_jax.skeleton import HUMAN36M

AnyArray = np.ndarray | jax.Array
METRES = 1e-3  # model targets are in metres, datasets and metrics in millimetres
DEPTH_REFERENCES = ("frame", "first_frame")


@dataclasses.dataclass(frozen=True)
class Windows:
    """Where clips lie.

    Attributes:
        sequence: `[n]` index of the clip's sequence.
        start: `[n]` row of its first frame in the concatenated arrays.
        length: `[n]` frames that exist; a clip of a shorter sequence repeats its last frame.
        counted: `[n]` how many of its last existing frames no earlier clip of the stride covers.
    """

    sequence: Int[np.ndarray, " n"]
    start: Int[np.ndarray, " n"]
    length: Int[np.ndarray, " n"]
    counted: Int[np.ndarray, " n"]


def windows(offsets: Int[np.ndarray, " starts"], frames: int, stride: int) -> Windows:
    """Lays windows of `frames` frames every `stride` frames over each sequence.

    Every frame is covered: where the stride leaves a tail, a last window ends with the sequence.
    A sequence shorter than `frames` gives one window.
    """
    if not 1 <= stride <= frames:
        raise ValueError(f"stride must be 1 to {frames} (the clip length), found {stride}.")
    rows: list[tuple[int, int, int, int]] = []
    for sequence, (begin, end) in enumerate(itertools.pairwise(offsets.tolist())):
        covered = begin
        for start in [*range(begin, max(end - frames, begin), stride), max(end - frames, begin)]:
            stop = min(start + frames, end)
            rows.append((sequence, start, stop - start, stop - covered))
            covered = stop
    return Windows(*(np.array(column, np.int64) for column in zip(*rows, strict=True)))


@dataclasses.dataclass(frozen=True)
class Clips:
    """Windows with the arrays they point into.

    Attributes:
        windows: where the clips lie.
        frames: their length.
        inputs: `[n, j, 3]` normalised image coordinates and confidence.
        joints: `[n, j, 3]` ground truth in camera space, metres.
        visibility: `[n, j]` 1 visible, 0 occluded, -1 not known.
        depth_reference: what depth is relative to: the root of each "frame", or of the
            "first_frame" of the clip.
    """

    windows: Windows
    frames: int
    inputs: Float[np.ndarray, "n j 3"]
    joints: Float[np.ndarray, "n j 3"]
    visibility: Int8[np.ndarray, "n j"]
    depth_reference: str

    def __len__(self) -> int:
        return len(self.windows.start)


def normalise(
    keypoints: Float[np.ndarray, "*n j 2"], image_size: Int[np.ndarray, "*n 2"]
) -> Float[np.ndarray, "*n j 2"]:
    """Maps pixels to [-1, 1] across the width, keeping the aspect: v / w * 2 - [1, h / w]."""
    width, height = np.moveaxis(image_size[..., None, :].astype(np.float32), -1, 0)
    centre = np.stack([np.ones_like(width), height / width], axis=-1)
    return (keypoints / width[..., None] * 2 - centre).astype(np.float32)


def make(motion: Motion, *, frames: int, stride: int, depth_reference: str = "frame") -> Clips:
    """Cuts sequences into clips.

    Args:
        motion: the sequences.
        frames: frames in a clip.
        stride: frames between the starts of two clips.
        depth_reference: "frame" for depths relative to the root joint of the same frame, as the
            published 2.5D labels have them, or "first_frame" for depths relative to the root of the
            clip's first frame, which keep how the body comes nearer or goes away. The temporal
            depth loss compares depths over time, so it means another thing in each: see there.

    Raises:
        ValueError: an unknown depth reference or an impossible stride.
    """
    if depth_reference not in DEPTH_REFERENCES:
        raise ValueError(f"depth_reference is {depth_reference!r}; choose from {DEPTH_REFERENCES}.")
    size = np.repeat(motion.image_size, motion.lengths, axis=0)
    return Clips(
        windows=windows(motion.offsets, frames, stride),
        frames=frames,
        inputs=np.concatenate(
            [normalise(motion.keypoints_2d, size), motion.confidence[..., None]], axis=-1
        ),
        joints=(motion.joints_3d * METRES).astype(np.float32),
        visibility=motion.visibility,
        depth_reference=depth_reference,
    )


def flip(x: Float[AnyArray, "*b j c"]) -> Float[AnyArray, "*b j c"]:
    """Mirrors 2D or 3D joints: negates x and exchanges left and right. NumPy or JAX arrays."""
    mirror = np.ones(x.shape[-1], np.float32)
    mirror[0] = -1
    return x[..., list(HUMAN36M.flip), :] * mirror


def gather(clips: Clips, index: Int[np.ndarray, " b"]) -> dict[str, np.ndarray]:
    """Reads clips as arrays.

    Returns:
        `inputs` `[b, t, j, 3]`; `targets` `[b, t, j, 3]` relative to the root, metres; `mask`
        `[b, t, 1]` true for frames that exist; `counted` `[b, t, 1]` true for those that no earlier
        clip covers; `visibility` `[b, t, j]`.
    """
    start, length = clips.windows.start[index], clips.windows.length[index]
    frame = np.arange(clips.frames)
    rows = start[:, None] + np.minimum(frame, length[:, None] - 1)
    joints = clips.joints[rows]
    root = joints[:, :, HUMAN36M.root, None].copy()
    if clips.depth_reference == "first_frame":
        root[..., 2] = root[:, :1, :, 2]
    exists = frame < length[:, None]
    fresh = frame >= (length - clips.windows.counted[index])[:, None]
    return {
        "inputs": clips.inputs[rows],
        "targets": joints - root,
        "mask": exists[..., None],
        "counted": (exists & fresh)[..., None],
        "visibility": clips.visibility[rows],
    }


@functools.lru_cache(maxsize=2)
def _permutation(count: int, seed: int, epoch: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng([seed, epoch]).permutation(count)


def batch_index(count: int, batch_size: int, seed: int, step: int) -> Int[np.ndarray, " b"]:
    """Returns which clips make the batch of a step.

    Every epoch visits the clips in an order of its own; what is left over after its last whole
    batch is left out of that epoch. Fewer clips than a batch are repeated.
    """
    steps = max(count // batch_size, 1)
    order = _permutation(count, seed, step // steps)
    first = step % steps * batch_size
    return np.resize(order, max(count, batch_size))[first : first + batch_size]


def train_batch(
    clips: Clips,
    batch_size: int,
    *,
    seed: int,
    step: int,
    flip_share: float = 0.5,
    rows: slice = slice(None),
) -> dict[str, np.ndarray]:
    """Returns the training batch of a step; the same arguments give the same arrays.

    Args:
        clips: what to train on.
        batch_size: clips in the whole batch, over all processes.
        seed: seed of the order and of the flips.
        step: the training step.
        flip_share: share of the clips that are mirrored.
        rows: the rows of the batch that this process takes.

    Returns:
        `inputs` `[b, t, j, 3]`, `targets` `[b, t, j, 3]`, `mask` `[b, t, 1]`.
    """
    index = batch_index(len(clips), batch_size, seed, step)[rows]
    mirrored = np.random.default_rng([seed, 1, step]).random(batch_size)[rows] < flip_share
    batch = gather(clips, index)
    for key in ("inputs", "targets"):
        batch[key][mirrored] = flip(batch[key][mirrored])
    return {key: batch[key] for key in ("inputs", "targets", "mask")}


def eval_batches(
    clips: Clips, batch_size: int
) -> Iterator[tuple[Int[np.ndarray, " b"], Bool[np.ndarray, " b"], dict[str, np.ndarray]]]:
    """Yields all clips in order, in batches of one size, as (index, real, arrays of `gather`).

    The last batch is filled up with repeats of the last clip, for which `real` is false.
    """
    for first in range(0, len(clips), batch_size):
        wanted = np.arange(first, first + batch_size)
        index = np.minimum(wanted, len(clips) - 1)
        yield index, wanted < len(clips), gather(clips, index)
