"""A trained lifter as a function of the 2D joints of a video; needs no dataset."""

import dataclasses
import functools
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float
from numpy.typing import ArrayLike

from repose_jax.config import KNOWN, Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data.sequences import Sequences, has_25d_labels
from repose_jax.evaluation import predict, protocols
from repose_jax.evaluation.evaluator import centre_window, clip_context
from repose_jax.lifting import blend, video
from repose_jax.lifting.bones import with_constant_lengths
from repose_jax.lifting.video import Video
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices
from repose_jax.training import stored

CPU_FRAMES = 81
"""Frames that a CPU predicts at a time, at least."""


@dataclasses.dataclass(frozen=True, repr=False)
class Predictor:
    """A lifter with its weights; called with the 2D joints of a person, it returns 3D joints.

    Attributes:
        config: the configuration of its run.
        graphdef: the model's static half.
        variables: its parameters and statistics.
        notes: values about it in its file of weights; empty for a run.
    """

    config: Experiment
    graphdef: nnx.GraphDef[Lifter]
    variables: predict.Variables
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Predictor(model={self.config.model['name']!r}, unit={self.unit!r})"

    @property
    def unit(self) -> str:
        """Unit of the model's output: "mm", or "px" if it was trained on 2.5D labels.

        The size of a person in mm cannot be inferred from a model that predicts px: its calls need
        `mm_per_px`.
        """
        return "px" if any(map(has_25d_labels, self.config.data.train)) else "mm"

    def __call__(
        self,
        keypoints_2d: ArrayLike,
        confidence: ArrayLike | None = None,
        image_size: Sequence[int] | None = None,
        *,
        fps: int | float | None = None,
        focal_length: int | float | None = None,
        up: ArrayLike | Sequence[int | float] | None = None,
        mm_per_px: int | float | ArrayLike | None = None,
        constant_bones: bool | None = None,
        flip: bool | None = None,
    ) -> Float[np.ndarray, "t 17 3"]:
        """Lifts the 2D joints of one person in a video of any length.

        A model in the frame of the image (`data.normalise`) predicts clips as in its run's
        evaluation, with its test-time augmentation: for the detections of a test sequence the
        result is that of the evaluation. `fps`, `focal_length` and `up` have no influence on it.

        A model in the frame of the person predicts clips that overlap by a quarter, and their
        predictions are blended, so that nothing jumps where a clip ends. A joint of confidence 0
        has no influence. Frames between two detections that are further apart than a clip are
        interpolated. If `fps` is above the rates that it was trained on, every second frame (third,
        ...) makes a video, and their results are interleaved.

        Args:
            keypoints_2d: `[t, 17, 2]` joints in Human3.6M's order (`HUMAN36M.joints`), px from the
                upper left corner of the image. A missing joint has confidence 0 and may be NaN;
                then it is interpolated in time.
            confidence: `[t, 17]` confidence of the detector, in [0, 1]; NaN is 0. None for 1, and 0
                for joints that are NaN.
            image_size: width and height, px; required.
            fps: frames per second, of a video; None if unknown.
            focal_length: of the camera, px, whose principal point is the middle of the image; None
                if unknown.
            up: direction of the world's vertical in camera axes (x right, y down, z away from the
                camera), of any length, (0, -1, 0) for a level camera; None if unknown.
            mm_per_px: size of a pixel at the person's depth, mm, for the video or for each frame;
                required by a model whose `unit` is "px". With 1 the result is in px.
            constant_bones: move joints so that every bone has one length in the whole video; None
                for models in the frame of the person alone.
            flip: average with the prediction of the mirrored clips, which takes twice the time;
                None as in the evaluation of its run.

        Returns:
            `[t, 17, 3]` joints relative to the pelvis in camera axes, mm.

        Raises:
            ValueError: an argument is missing, has another shape or a value outside its range.
        """
        whole = video.check(
            keypoints_2d,
            confidence,
            image_size,
            fps=fps,
            focal_length=focal_length,
            up=up,
            mm_per_px=self._mm_per_px(mm_per_px),
            missing_without_influence=self._in_person_frame,
        )
        flip = self.config.eval.flip if flip is None else flip
        if not self._in_person_frame:
            joints = self._lift(whole, flip)
            return with_constant_lengths(joints) if constant_bones else joints
        _, most = self.config.simulation.rates
        step = 1 if fps is None else min(math.ceil(fps / most), len(whole.confidence))
        joints = np.empty((*whole.confidence.shape, 3), np.float32)
        for first in range(step):
            joints[first::step] = self._lift(whole.every(step, first), flip)
        joints = blend.interpolate(joints)
        return joints if constant_bones is False else with_constant_lengths(joints)

    def compile(self, *, flip: bool) -> None:
        """Compiles the program of a clip, which the first call does otherwise.

        Nothing is done where the program depends on the number of clips, as on a GPU.
        """
        one, many = (
            batch_size(clips, self.config.test_frames, self.config.eval.batch_size)
            for clips in (1, 1_000_000)
        )
        if one == many and self.unit == "mm":
            anyone = np.arange(34.0).reshape(1, 17, 2)
            self(anyone, image_size=(34, 34), flip=flip)

    @property
    def _in_person_frame(self) -> bool:
        return self.config.data.normalise == "person"

    @functools.cached_property
    def _context(self) -> tuple[int, int]:
        """Frames before and after a clip that the model needs."""
        return clip_context(self.config, nnx.merge(self.graphdef, *self.variables), "eval")

    def _lift(self, part: Video, flip: bool) -> Float[np.ndarray, "t 17 3"]:
        """Predicts a video; NaN where a model in the person's frame has seen nothing."""
        config, overlapping = self.config, self._in_person_frame
        clips = self.clips(part)
        run = predict.model_predictor(
            self.graphdef, self.variables, flip=flip, window=centre_window(config)
        )
        size = batch_size(len(clips), clips.frames, config.eval.batch_size)
        predict_frames = blend.predict_blended if overlapping else predict.predict_frames
        poses = predict_frames(run, clips, batch_size=size, mesh=devices.data_mesh())
        zero_root = protocols.get(config.eval.protocol).zero_root and clips.root_relative
        return predict.root_relative_mm(poses, clips, zero_root=zero_root)

    def clips(self, part: Video) -> clips_lib.Clips:
        """Cuts a video into clips, which overlap by a quarter in the frame of the person."""
        data, frames = self.config.data, self.config.test_frames
        return clips_lib.cut(
            part.sequences(),
            # The caller decides what is known of the camera.
            dataclasses.replace(data, partial_clips="cover", inputs="detected", known=KNOWN),
            frames=frames,
            stride=max(frames - -(-frames // 4), 1) if self._in_person_frame else frames,
            context=self._context,
        )

    def _mm_per_px(self, mm_per_px: int | float | ArrayLike | None) -> np.ndarray | None:
        """Returns the argument as an array; raises if the model needs it or has no use for it."""
        if self.unit == "mm" and mm_per_px is not None:
            raise ValueError("mm_per_px: this model predicts mm; leave it out.")
        if self.unit == "px" and mm_per_px is None:
            raise ValueError(
                "mm_per_px: this model was trained on 2.5D labels and predicts px; give the size "
                "of a pixel at the person's depth in mm, or 1 for a result in px."
            )
        return None if mm_per_px is None else np.asarray(mm_per_px, np.float32)


def load(source: str | os.PathLike[str] | None = None, checkpoint: str | None = None) -> Predictor:
    """Loads a model: shipped weights, a file of weights, or a run; no dataset is needed.

    Args:
        source: None for the shipped weights that are the default; the name of shipped weights; a
            `.safetensors` file; or the workdir of a run, trained or converted. A folder with the
            name of shipped weights is read as `./NAME`.
        checkpoint: of a run, "best" (by its evaluations; the default) or "latest".

    Raises:
        ValueError: an unknown kind of checkpoint, or one for a file; a damaged file.
        FileNotFoundError: there is nothing of that name, no run, or no such checkpoint.
    """
    return Predictor(*stored.load(source, checkpoint))


def lift_sequence(
    model: Predictor, sequences: Sequences, number: int, rows: slice
) -> Float[np.ndarray, "t 17 3"]:
    """Lifts rows of a prepared sequence from their detections, as those of any video.

    Args:
        model: it predicts mm.
        sequences: prepared data.
        number: of the sequence that the rows belong to.
        rows: frames of `sequences`.

    Returns:
        `[t, 17, 3]` joints relative to the pelvis in camera axes, mm.

    Raises:
        ValueError: the model does not take these detections.
    """
    fps = float(sequences.fps[number])
    return model(
        sequences.keypoints_2d[rows],
        sequences.confidence[rows],
        image_size=sequences.image_size[number].tolist(),
        fps=fps if fps > 0 else None,  # NaN if it is unknown
    )


def batch_size(clips: int, frames: int, most: int) -> int:
    """Returns a batch size that the devices can split; one of few, as each is compiled.

    A CPU gains nothing from more than `CPU_FRAMES` or 8 clips at a time (clips of 81 frames of the
    shipped weights take 0.85 of the time of eight at a time), and computes the padding of the last
    batch as well.

    Args:
        clips: number of all clips.
        frames: of a clip.
        most: largest size.
    """
    count = jax.device_count()
    if jax.default_backend() == "cpu":
        most = min(most, count * min(-(-CPU_FRAMES // frames), 8))
    least = -(-clips // count)
    return count * min(1 << (least - 1).bit_length(), max(most // count, 1))
