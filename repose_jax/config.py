"""The experiment: frozen dataclasses made from a ConfigDict, checked before anything starts."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from repose_jax.objectives.objective import EQUATION_4
from repose_jax.training.optim import OptimConfig

C = TypeVar("C")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What is trained and tested on.

    Attributes:
        train: prepared splits to train on, each `dataset/config:split`.
        test: prepared splits to test on.
        data_dir: where datasets were prepared; TFDS's default if None.
        frames: frames in a clip that poses are given for; at most the model's. Lifters of the
            centre of a window get the frames around besides.
        stride: frames between the starts of two training clips.
        partial_clips: "cover" what the stride leaves of a sequence, or "drop" it; see
            `clips.windows`.
        inputs: "detected" keypoints or their "ground_truth"; see `clips.make`.
        root_relative: train on targets relative to the root; false for 2.5D labels as they are.
        depth_reference: what depth is relative to, "frame" or "first_frame"; see `clips.make`.
        unit: of targets in camera space, "metres" or "millimetres"; what the model predicts.
        flip_share: share of the training clips that are mirrored.
    """

    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    data_dir: str | None = None
    frames: int = 243
    stride: int = 81
    partial_clips: str = "cover"
    inputs: str = "detected"
    root_relative: bool = True
    depth_reference: str = "frame"
    unit: str = "metres"
    flip_share: float = 0.5


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What is minimised: equation 4 of the paper unless told otherwise.

    Attributes:
        weights: loss name to weight; see `repose_jax.losses.LOSSES`.
        learn_weights: learn the weights of the relational losses together with the model.
        reduction: "mean" over pairs as in the paper's algorithms, or "sum" as in its equations.
    """

    weights: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(EQUATION_4))
    learn_weights: bool = False
    reduction: str = "mean"


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long, and how often to look.

    Attributes:
        epochs: how long to train.
        epoch_passes: passes over the training clips that count as an epoch.
        epoch_steps: steps that count as an epoch instead; None for those of the passes.
        batch_size: clips in a batch, over all devices.
        microbatch_size: clips of a batch, over all devices, that go through the model at a time. It
            saves memory, and changes the result by rounding and the draws of the drops only. None
            for all of them; on CPU for as many as have 243 frames, see `run.microbatches_of`.
        steps_per_call: steps that are handed to the device at a time. It saves time where steps are
            short, and a run stops for a signal between two such groups only. None for 1; on CPU for
            up to 8 of short ones, see `run.steps_per_call_of`. Pre-training takes one.
        seed: seed of initialisation, order of clips, flips and drops.
        eval_every: epochs between two evaluations, each with a checkpoint.
        log_every: steps between two records of the training metrics.
        matmul_precision: "default", "high" or "highest" precision of float32 products on
            accelerators; evaluation always uses "highest".
    """

    epochs: int = 100
    epoch_passes: int = 1
    epoch_steps: int | None = None
    batch_size: int = 32
    microbatch_size: int | None = None
    steps_per_call: int | None = None
    seed: int = 0
    eval_every: int = 1
    log_every: int = 50
    matmul_precision: str = "default"


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """How to evaluate.

    Attributes:
        batch_size: clips in a batch, over all devices.
        flip: average with the prediction for the mirrored clip (test-time augmentation).
        pictures: test sequences to draw at the end.
        protocol: how the numbers are counted; see `repose_jax.protocols`.
        frames: frames in a test clip that poses are given for; None for those of a training clip.
        output: "every" frame of a clip, or the "centre" of a window of `data.frames` frames around
            each, as STCFormer and MHFormer are evaluated, although they give every frame.
    """

    batch_size: int = 32
    flip: bool = True
    pictures: int = 1
    protocol: str = "every_frame"
    frames: int | None = None
    output: str = "every"


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A whole experiment.

    Attributes:
        model: `name` and the sizes that differ from the published ones.
        data: what is trained and tested on.
        objective: what is minimised.
        optim: the optimiser's recipe.
        train: how long, and how often to look.
        eval: how to evaluate.
        init_from: workdir of a run, trained or converted, whose weights to start from.
    """

    model: Mapping[str, Any]
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
    optim: OptimConfig = dataclasses.field(default_factory=OptimConfig)
    train: TrainConfig = dataclasses.field(default_factory=TrainConfig)
    eval: EvalConfig = dataclasses.field(default_factory=EvalConfig)
    init_from: str | None = None

    def __post_init__(self):
        if "name" not in self.model:
            raise ValueError('config.model has no "name".')
        for path, value, least in (
            ("train.epochs", self.train.epochs, 1),
            ("train.epoch_passes", self.train.epoch_passes, 1),
            ("train.batch_size", self.train.batch_size, 1),
            ("train.eval_every", self.train.eval_every, 1),
            ("train.log_every", self.train.log_every, 1),
            ("eval.batch_size", self.eval.batch_size, 1),
            ("data.frames", self.data.frames, 1),
            ("eval.frames", self.test_frames, 1),
        ):
            if value < least:
                raise ValueError(f"config.{path} must be at least {least}, found {value}.")

        if self.eval.output not in ("every", "centre"):
            raise ValueError(
                f'config.eval.output is {self.eval.output!r}; choose "every" or "centre".'
            )

    @property
    def test_frames(self) -> int:
        """Frames in a test clip."""
        return self.data.frames if self.eval.frames is None else self.eval.frames

    def to_dict(self) -> dict[str, Any]:
        """Returns plain JSON values; `from_mapping` gives the experiment back."""
        return dataclasses.asdict(self)


SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "objective": ObjectiveConfig,
    "optim": OptimConfig,
    "train": TrainConfig,
    "eval": EvalConfig,
}


def from_mapping(config: Mapping[str, Any]) -> Experiment:
    """Makes an experiment from a ConfigDict's or a JSON file's values.

    Raises:
        ValueError: a key that does not exist, with the nearest one that does.
    """
    known = ["model", *SECTIONS, "init_from"]
    _check_keys("config", config, known)
    sections = {
        name: _section(f"config.{name}", cls, config[name])
        for name, cls in SECTIONS.items()
        if name in config
    }
    model = dict(config.get("model", {}))
    return Experiment(model=model, init_from=config.get("init_from"), **sections)


RENAMED = {
    "config.data.tails": "partial_clips",
    "config.train.clips_at_once": "microbatch_size",
    "config.train.steps_at_once": "steps_per_call",
    "config.eval.read": "output",
}
"""Keys of earlier versions, which files of theirs may hold, and their names now."""


def _section(path: str, cls: type[C], values: Mapping[str, Any]) -> C:
    values = {RENAMED.get(f"{path}.{key}", key): value for key, value in values.items()}
    names = [field.name for field in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
    _check_keys(path, values, names)
    return cls(**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def _check_keys(path: str, values: Mapping[str, Any], known: list[str]) -> None:
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f" Did you mean {path}.{close[0]}?" if close else ""
            raise ValueError(f"There is no {path}.{key}.{hint} {path} has {', '.join(known)}.")
