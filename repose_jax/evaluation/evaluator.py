"""A test set with its protocol: loads it, predicts it, scores predictions."""

import dataclasses
import functools

import jax
from flax import nnx
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data import prepare, sequences
from repose_jax.evaluation import predict, protocols
from repose_jax.evaluation.predict import Predictor, Variables
from repose_jax.evaluation.predictions import Predictions
from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.score import score
from repose_jax.evaluation.tally import Tally
from repose_jax.models.d3dp import D3dp
from repose_jax.models.lifter import Lifter
from repose_jax.runtime import devices
from repose_jax.runtime.progress import track
from repose_jax.skeleton import HUMAN36M


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """A test set with its protocol.

    Attributes:
        clips: test clips.
        protocol: how results are averaged.
        mesh: the devices.
        batch_size: clips in a batch, over all devices.
        flip: average with the prediction for the mirrored clip (test-time augmentation).
        window: take the centre frame of every window of so many frames; None to take the whole
            output of the model.
    """

    clips: clips_lib.Clips
    protocol: Protocol
    mesh: Mesh
    batch_size: int
    flip: bool
    window: int | None

    def predictor(self, graphdef: nnx.GraphDef[Lifter], variables: Variables) -> Predictor:
        """Returns the predictor of a model: its static half, its parameters and statistics."""
        return predict.model_predictor(graphdef, variables, flip=self.flip, window=self.window)

    def predict(self, predictor: Predictor) -> Predictions:
        """Predicts the test sequences, treating predictions as the protocol does."""
        protocol, clips = self.protocol, self.clips
        return predict.predict_sequences(
            predictor,
            clips,
            batch_size=self.batch_size,
            mesh=self.mesh,
            zero_root=protocol.zero_root and clips.root_relative,
            scale=protocol.scale(clips.sequences.image_size) if protocol.scale else None,
            progress=lambda batches: track(batches, total=len(batches), label="evaluation"),
        )

    def score(self, predictions: Predictions) -> Tally:
        """Scores predictions of the test sequences."""
        return score(predictions, batch_size=self.batch_size)

    def summary(self, predictor: Predictor) -> dict[str, float]:
        """Returns a predictor's mean of every metric, as the protocol averages."""
        return self.protocol.summary(self.score(self.predict(predictor)))


def load_evaluator(config: Experiment, mesh: Mesh) -> Evaluator:
    """Loads the test data of an experiment and checks its model against them.

    Raises:
        ValueError: an invalid configuration, or a model that does not take the test clips.
        FileNotFoundError: a dataset is not prepared.
    """
    context = check(config)
    frames = config.test_frames
    return Evaluator(
        clips=clips_lib.cut(
            load_splits(config.data.test, config.data.data_dir),
            config.data,
            frames=frames,
            stride=frames,
            context=context,
        ),
        protocol=protocols.get(config.eval.protocol),
        mesh=mesh,
        batch_size=config.eval.batch_size,
        flip=config.eval.flip,
        window=centre_window(config),
    )


def check(config: Experiment) -> tuple[int, int]:
    """Refuses an experiment that cannot be evaluated; needs no data.

    Returns:
        The frames before and after a test clip that the model needs.

    Raises:
        ValueError: no test data, an unknown protocol or model, a batch that cannot be split over
            the devices, or a model that does not take the test clips.
    """
    if not config.data.test:
        raise ValueError("config.data.test is empty; name the prepared splits to evaluate.")
    protocols.get(config.eval.protocol)
    devices.process_rows(config.eval.batch_size)
    model = abstract_model(config)
    if config.eval.hypotheses and not isinstance(model, D3dp):
        raise ValueError(
            f"config.eval.hypotheses is {config.eval.hypotheses}; it must be 0 for "
            f"{config.model['name']!r}, which makes one prediction. 'd3dp' makes several."
        )
    return clip_context(config, model, "eval")


def load_splits(specs: tuple[str, ...], data_dir: str | None) -> sequences.Sequences:
    """Loads prepared splits, and prepares those that need no files; see `sequences.load`."""
    if jax.process_index() == 0:
        prepare.prepare_embedded(specs, data_dir)
    multihost_utils.sync_global_devices("datasets are prepared")
    return sequences.load(specs, data_dir)


def abstract_model(config: Experiment) -> Lifter:
    """Returns the model of an experiment without values.

    Raises:
        ValueError: an unknown model, or sizes that it does not allow.
    """
    return nnx.eval_shape(functools.partial(models.create, **config.model_fields))


def centre_window(config: Experiment) -> int | None:
    """Returns the frames of the windows whose centre is taken; None for the whole output."""
    return config.data.frames if config.eval.output == "centre" else None


def clip_context(config: Experiment, model: Lifter, section: str) -> tuple[int, int]:
    """Checks that a model takes the clips of training or of evaluation.

    Args:
        config: the experiment.
        model: its model, with or without values.
        section: "data" for training clips, "eval" for test clips.

    Returns:
        The frames before and after a clip that the model needs.

    Raises:
        ValueError: the model does not take clips of that length, predicts other poses than those
            of the data, or has not all joints that count.
    """
    name, window = config.model["name"], centre_window(config)
    dropped = config.data.dropped_joints
    for size, wanted in (("joints", HUMAN36M.size), ("out_channels", 3)):
        if (found := getattr(model.config, size, wanted)) != wanted:
            raise ValueError(
                f"config.model.{size} is {found}; it must be {wanted}, as in the poses of the data."
            )
    if missing := [joint for joint in model.dropped_joints if joint not in dropped]:
        raise ValueError(
            f"config.data.dropped_joints is {dropped}; add {', '.join(missing)}, which {name!r} "
            "has not (config.model.dropped_joints)."
        )
    if isinstance(model, D3dp) and config.data.unit != "metres":
        raise ValueError(
            f"config.data.unit is {config.data.unit!r}; it must be 'metres' for {name!r}, whose "
            "noise has a deviation of 1."
        )
    if any(model.context):  # takes clips of any length, with their context
        if window is not None:
            raise ValueError(
                f'config.eval.output is "centre", but {name!r} predicts nothing else; leave it at '
                '"every".'
            )
        return model.context
    centred = section == "eval" and window is not None
    key, frames = ("eval", config.test_frames)
    if section == "data" or centred or config.eval.frames is None:
        key, frames = ("data", config.data.frames)
    most = model.config.frames
    if frames > most or (model.fixed_length and frames != most):
        raise ValueError(
            f"config.{key}.frames is {frames}, {'not' if model.fixed_length else 'more than'} "
            f"config.model.frames, {most}, which {name!r} takes."
        )
    return ((frames - 1) // 2, frames // 2) if centred else (0, 0)
