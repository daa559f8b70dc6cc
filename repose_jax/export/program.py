"""A model as one function of named arrays, for any number of clips: what an export holds.

It has two forms. "keypoints" lifts 2D joints in px to 3D joints in mm, with the frame of reference,
the test-time augmentation and the units of the model's run inside. "normalised" is the network
alone.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

import repose_jax
from repose_jax import models
from repose_jax.config import UNITS, Experiment
from repose_jax.data.normalise import PERSON_CHANNELS, to_image_frame, to_person_frame
from repose_jax.data.sequences import has_25d_labels
from repose_jax.evaluation import predict, protocols
from repose_jax.evaluation.evaluator import centre_window, clip_context
from repose_jax.models import kernels
from repose_jax.models.lifter import Lifter
from repose_jax.skeleton import HUMAN36M
from repose_jax.weights import file

FORMS = ("keypoints", "normalised")
BATCH = "b"
"""Name of the free axis, of clips."""
OUTPUT = "joints"
KEYPOINTS = {
    "keypoints": "2D joints in Human3.6M's order, px from the upper left corner of the image",
    "confidence": "confidence of the detector, 0 for a missing joint",
    "image_size": "width and height of the image, px",
    "fps": "frames per second; NaN if unknown",
    "focal_length": "focal length, px; NaN if unknown",
    "up": "the world's vertical in camera axes (x right, y down, z away), of length 1; NaN if "
    "unknown",
}
"""Inputs of the form "keypoints" and their meaning; the last three of the person's frame alone."""


@dataclasses.dataclass(frozen=True, eq=False)
class Program:
    """A model as one function of named arrays.

    Attributes:
        config: the experiment, with the clips of the program as its test clips.
        form: "keypoints" or "normalised".
        graphdef: the model's static half, which computes in float32 by the plain forms of kernels.
        variables: its parameters and statistics.
        inputs: name of an input to its shape without the first axis, of clips.
        about: values of JSON: the version, the model, the meaning of the inputs and of the output.
    """

    config: Experiment
    form: str
    graphdef: nnx.GraphDef[Lifter]
    variables: tuple[nnx.State, ...]
    inputs: Mapping[str, tuple[int, ...]]
    about: Mapping[str, Any]

    def __call__(
        self, variables: tuple[nnx.State, ...], inputs: Mapping[str, Float[Array, "b ..."]]
    ) -> Float[Array, "b k j 3"]:
        """Computes the joints; to be traced.

        Args:
            variables: the parameters and statistics, of any floating-point type.
            inputs: the arrays by name.

        Returns:
            `[b, k, j, 3]`, as `about` describes them.
        """
        variables = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), variables)
        run = functools.partial(predict.predict, self.graphdef, variables)
        with kernels.plain_forms(), jax.default_matmul_precision("highest"):
            if self.form == "normalised":
                return run(inputs["normalised"], flip=False)
            window = centre_window(self.config)
            poses = run(_normalised(self.config, inputs), flip=self.config.eval.flip, window=window)
            return _relative(self.config, poses, inputs["image_size"])

    def specs(self, batch: Any) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of the inputs for a number of clips, which may be symbolic."""
        return {
            name: jax.ShapeDtypeStruct((batch, *shape), jnp.float32)
            for name, shape in self.inputs.items()
        }


def make(
    contents: file.Contents,
    *,
    form: str = "keypoints",
    frames: int | None = None,
    flip: bool | None = None,
) -> Program:
    """Makes the program of a model.

    Args:
        contents: the model.
        form: "keypoints" or "normalised".
        frames: poses of a clip; None for as many as in the evaluation of the model's run.
        flip: average with the prediction for the mirrored clip; None as in the evaluation of the
            run. The network alone is never averaged.

    Raises:
        ValueError: an unknown form, frames that the model does not take, or `flip` of the network
            alone.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; choose from {', '.join(FORMS)}.")
    if form == "normalised" and flip is not None:
        raise ValueError("flip: only keypoints are mirrored and averaged, not the network alone.")
    config = _with_clips(contents.config, form, frames, flip)
    model = _plain_model(config)
    before, after = clip_context(config, model, "eval")
    length = before + config.test_frames + after
    joints, channels = model.config.joints, model.config.in_channels
    if form == "normalised":
        inputs = {"normalised": (length, joints, channels)}
    else:
        inputs = {"keypoints": (length, joints, 2)}
        inputs |= {"confidence": (length, joints)} if channels > 2 else {}
        inputs |= {"image_size": (2,)}
        if config.data.normalise == "person":
            inputs |= {"fps": (), "focal_length": (), "up": (3,)}
    graphdef, *_ = nnx.split(model, nnx.Param, nnx.BatchStat)
    about = _about(config, form, inputs, (before, after), contents.notes)
    return Program(config, form, graphdef, contents.variables, inputs, about)


def _with_clips(config: Experiment, form: str, frames: int | None, flip: bool | None) -> Experiment:
    """Returns the experiment with the clips of a program as its test clips."""
    test = config.eval
    if form == "normalised" and test.output == "centre":  # the network takes whole windows
        test = dataclasses.replace(test, output="every", frames=None)
    if frames is not None:
        test = dataclasses.replace(test, frames=frames)
    if flip is not None:
        test = dataclasses.replace(test, flip=flip)
    return dataclasses.replace(config, eval=test)


def _plain_model(config: Experiment) -> Lifter:
    """Returns the model without values, in float32 and without attention of one device's."""
    name = config.model["name"]
    known = {field.name for field in dataclasses.fields(models.MODELS[name][1])}
    plain = {"dtype": "float32"} | ({"fused_attention": ()} if "fused_attention" in known else {})
    return nnx.eval_shape(functools.partial(models.create, **(config.model_fields | plain)))


def _normalised(
    config: Experiment, inputs: Mapping[str, Float[Array, "b ..."]]
) -> Float[Array, "b n j c"]:
    """Returns the inputs of the network for keypoints in px, as `data.clips.model_inputs` does."""
    keypoints, size = inputs["keypoints"], inputs["image_size"]
    if config.data.normalise == "person":
        return to_person_frame(
            keypoints,
            inputs["confidence"],
            size,
            *(inputs[n] for n in ("focal_length", "fps", "up")),
        )
    clips, frames = keypoints.shape[:2]
    size = jnp.broadcast_to(size[:, None], (clips, frames, 2))
    normalised = to_image_frame(keypoints, size)
    if "confidence" not in inputs:
        return normalised
    return jnp.concatenate([normalised, inputs["confidence"][..., None]], axis=-1)


def _relative(
    config: Experiment, poses: Float[Array, "b t j 3"], image_size: Float[Array, "b 2"]
) -> Float[Array, "b t j 3"]:
    """Returns poses relative to their root in mm, or in px, as `predict.root_relative_mm` does."""
    root = HUMAN36M.root
    if protocols.get(config.eval.protocol).zero_root and config.data.root_relative:
        poses = jnp.where(jnp.arange(HUMAN36M.size)[:, None] == root, 0, poses)
    else:
        poses = poses - poses[:, :, root : root + 1]
    if _unit(config) == "px":
        return poses * (image_size[:, 0] / 2)[:, None, None, None]
    return poses / UNITS[config.data.unit]


def _unit(config: Experiment) -> str:
    return "px" if any(map(has_25d_labels, config.data.train)) else "mm"


def _about(
    config: Experiment,
    form: str,
    inputs: Mapping[str, tuple[int, ...]],
    context: tuple[int, int],
    notes: Mapping[str, Any],
) -> dict[str, Any]:
    """Describes a program; a reader needs nothing else to call it."""
    if form == "keypoints":
        meaning = KEYPOINTS
        axes = "camera axes (x right, y down, z away)"
        output = f"joints relative to the pelvis in {axes}, {_unit(config)}"
    else:
        person = config.data.normalise == "person"
        channels = ", ".join(PERSON_CHANNELS if person else ("x", "y", "confidence"))
        meaning = {
            "normalised": f"2D joints in the frame of the {config.data.normalise}: {channels}"
        }
        output = "joints in the units and the frame of reference of the training targets"
    return {
        "version": repose_jax.__version__,
        "model": dict(config.model),
        "normalise": config.data.normalise,
        "unit": _unit(config) if form == "keypoints" else "of the training targets",
        "joints": list(HUMAN36M.joints),
        "inputs": {name: [[BATCH, *shape], meaning[name]] for name, shape in inputs.items()},
        "output": [[BATCH, config.test_frames, HUMAN36M.size, 3], output],
        "context": list(context),
        "notes": dict(notes),
    }
