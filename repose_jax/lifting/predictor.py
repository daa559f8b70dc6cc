"""A trained lifter as a function of the 2D joints of a video; needs no dataset."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jaxtyping import Float
from numpy.typing import ArrayLike

from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data.sequences import Sequences, has_25d_labels
from repose_jax.evaluation import predict, protocols
from repose_jax.evaluation.evaluator import abstract_model, centre_window, clip_context
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices
from repose_jax.runtime.checkpoint import KINDS
from repose_jax.runtime.names import closest
from repose_jax.skeleton import HUMAN36M
from repose_jax.training.workdir import load_weights, read_config
from repose_jax.weights import file, shipped


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
        mm_per_px: int | float | ArrayLike | None = None,
    ) -> Float[np.ndarray, "t 17 3"]:
        """Lifts the 2D joints of one person in a video of any length.

        The video is cut into clips and predicted as in the run's evaluation, with its test-time
        augmentation: for the detections of a test sequence the result is that of the evaluation.

        Args:
            keypoints_2d: `[t, 17, 2]` joints in Human3.6M's order (`HUMAN36M.joints`), px from the
                upper left corner of the image; NaN for a missing joint of confidence 0, which is
                interpolated in time.
            confidence: `[t, 17]` confidence of the detector, in [0, 1]; None for 1.
            image_size: width and height, px; required.
            mm_per_px: size of a pixel at the person's depth, mm, for the video or for each frame;
                required by a model whose `unit` is "px". With 1 the result is in px.

        Returns:
            `[t, 17, 3]` joints relative to the pelvis in camera axes (x right, y down, z away from
            the camera), mm.

        Raises:
            ValueError: an argument is missing, has another shape or a value outside its range.
        """
        video = _video(keypoints_2d, confidence, image_size, self._mm_per_px(mm_per_px))
        config = self.config
        clips = clips_lib.cut(
            video,
            dataclasses.replace(config.data, partial_clips="cover", inputs="detected"),
            frames=config.test_frames,
            stride=config.test_frames,
            context=clip_context(config, abstract_model(config), "eval"),
        )
        run = predict.model_predictor(
            self.graphdef, self.variables, flip=config.eval.flip, window=centre_window(config)
        )
        size = _batch_size(len(clips), config.eval.batch_size)
        frames = predict.predict_frames(run, clips, batch_size=size, mesh=devices.data_mesh())
        zero_root = protocols.get(config.eval.protocol).zero_root and clips.root_relative
        return predict.root_relative_mm(frames, clips, zero_root=zero_root)

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
    if checkpoint not in (None, *KINDS):
        raise ValueError(f"checkpoint is {checkpoint!r}; choose from {', '.join(KINDS)}.")
    if source is None or source in shipped.SHIPPED:
        path = shipped.find(None if source is None else str(source))
    else:
        path = pathlib.Path(source).expanduser()
    if path.is_dir():
        config = read_config(path)
        weights = load_weights(config, path, checkpoint or "best")
        return Predictor(config, weights.graphdef, weights.variables)
    if path.suffix != file.SUFFIX:
        raise FileNotFoundError(_no_weights(str(source)))
    if checkpoint is not None:
        raise ValueError(f"checkpoint is {checkpoint!r}, but {path} holds one model; leave it out.")
    return Predictor(*file.read(path))


def _no_weights(name: str) -> str:
    """Returns the error message for a name of nothing."""
    names = ", ".join(shipped.SHIPPED)
    close = closest(name, shipped.SHIPPED)
    hint = f" Did you mean {close!r}?" if close else ""
    listed = f"the name of shipped ones ({names}), " if names else ""
    return (
        f"There are no weights {name!r}.{hint} Give {listed}a {file.SUFFIX} file, or the workdir "
        "of a run, trained or converted."
    )


def _batch_size(clips: int, most: int) -> int:
    """Returns a batch size that the devices can split; one of few, as each is compiled."""
    count = jax.device_count()
    least = -(-clips // count)
    return count * min(1 << (least - 1).bit_length(), max(most // count, 1))


def _video(
    keypoints_2d: ArrayLike,
    confidence: ArrayLike | None,
    image_size: Sequence[int] | None,
    mm_per_px: np.ndarray | None,
) -> Sequences:
    """Checks a video and returns it as a sequence without ground truth."""
    joints = HUMAN36M.size
    keypoints = np.array(keypoints_2d, np.float32)  # a copy, in which missing joints are filled
    if keypoints.ndim != 3 or keypoints.shape[1:] != (joints, 2) or not len(keypoints):
        raise ValueError(
            f"keypoints_2d has shape {keypoints.shape}; expected (frames, {joints}, 2)."
        )
    frames = len(keypoints)
    seen = np.ones((frames, joints), np.float32)
    if confidence is not None:
        seen = np.asarray(confidence, np.float32)
    if seen.shape != (frames, joints):
        raise ValueError(f"confidence has shape {seen.shape}; expected {(frames, joints)}.")
    if not ((seen >= -0.25) & (seen <= 1.25)).all():  # heat maps overshoot; false for NaN
        raise ValueError("confidence must be in [0, 1].")
    size = np.asarray(() if image_size is None else image_size)
    if size.shape != (2,) or size.dtype.kind not in "iuf" or not (size >= 1).all():
        raise ValueError(f"image_size is {image_size}; expected (width, height) of the image, px.")
    if mm_per_px is not None:
        positive = np.isfinite(mm_per_px).all() and (mm_per_px > 0).all()
        if mm_per_px.shape not in ((), (frames,)) or not positive:
            raise ValueError(
                f"mm_per_px must be a positive number, or one for each of the {frames} frames."
            )
        mm_per_px = np.broadcast_to(mm_per_px, frames)
    return Sequences(
        keypoints_2d=_filled(keypoints, seen),
        confidence=seen,
        joints_3d=np.full((frames, joints, 3), np.nan, np.float32),
        visibility=np.full((frames, joints), -1, np.int8),
        valid=np.ones(frames, bool),
        activity=np.zeros(frames, np.int8),
        offsets=np.array([0, frames]),
        image_size=size[None].astype(np.int64),
        intrinsics=np.full((1, 3, 3), np.nan, np.float32),
        distortion=np.full((1, 5), np.nan, np.float32),
        fps=np.full(1, np.nan, np.float32),
        names=("video",),
        actions=("",),
        subjects=("",),
        mm_per_px=mm_per_px,
    )


def _filled(
    keypoints: Float[np.ndarray, "t j 2"], confidence: Float[np.ndarray, "t j"]
) -> Float[np.ndarray, "t j 2"]:
    """Interpolates missing joints in time; one that is always missing is where the others are."""
    known = np.asarray(np.isfinite(keypoints).all(-1))
    wrong = ~known & (confidence > 0)
    if wrong.any():
        frame, joint = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"keypoints_2d: {HUMAN36M.joints[joint]} in frame {frame} is not finite and has "
            f"confidence {confidence[frame, joint]:g}; give a missing joint confidence 0."
        )
    if not known.any():
        raise ValueError("keypoints_2d: all joints are missing in all frames.")
    if np.abs(keypoints[known]).max() <= 2:
        raise ValueError(
            "keypoints_2d: all joints are within 2 px of the upper left corner; expected px, not "
            "normalised coordinates."
        )
    for joint in np.flatnonzero(known.any(0) & ~known.all(0)):
        there, gap = np.flatnonzero(known[:, joint]), np.flatnonzero(~known[:, joint])
        for values in keypoints[:, joint].T:
            values[gap] = np.interp(gap, there, values[there])
    never = ~known.any(0)
    keypoints[:, never] = keypoints[:, ~never].mean(1, keepdims=True)
    return keypoints
