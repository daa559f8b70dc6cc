"""The experiment: every setting with its default and the values that it may have; without JAX."""

import contextlib
import dataclasses
import difflib
import math
import numbers
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class Frozen(Mapping[str, Any]):
    """A mapping that does not change; hashable, and equal to a dict with the same items."""

    def __init__(self, items: Mapping[str, Any]):
        self._items = {key: _frozen(value) for key, value in items.items()}

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)


def _frozen(value: Any) -> Any:
    """Returns lists as tuples, dicts as `Frozen`, and NumPy's values and fractions as Python's."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, numbers.Rational) and not isinstance(value, int):
        return float(value)
    if isinstance(value, list | tuple):
        return tuple(map(_frozen, value))
    return Frozen(value) if isinstance(value, Mapping) else value


EQUATION_4 = Frozen({"mpjpe": 1.0, "spatial_depth": 1.0, "temporal_depth": 1.0})
"""Weights of the losses in equation 4 of the paper, which leaves λ_S and λ_T open."""
LOGISTIC = "spatial_order", "temporal_order"
"""The relational losses with a temperature."""
HINGE = "spatial_depth", "temporal_depth"
"""The relational losses of the paper, and with a margin."""
RELATIONAL = (*HINGE, *LOGISTIC, "spatial_difference", "temporal_difference")
"""The losses of pairs, to which all of `objective` but `weights` applies."""
REDUCTIONS = "mean", "sum", "ordered"
PAIRS = "all", "occluded"
TAU = 0.05
"""Temperature of the logistic losses: metres, or half widths of the image for 2.5D labels."""
UNITS = {"metres": 1e-3, "millimetres": 1.0, "1024mm": 1 / 1024}
"""Units of targets in camera space, per mm."""
PARTIAL_CLIPS = "cover", "drop"
INPUTS = "detected", "ground_truth"
DEPTH_REFERENCES = "frame", "first_frame"
NORMALISATIONS = "image", "person"
SCHEDULES = "epochs", "cosine"
KNOWN = "fps", "focal", "up"
PERSON_CHANNELS = 11  # of a joint in the person's frame
OPTIMIZERS = "adamw", "amsgrad", "adam"


@dataclasses.dataclass(frozen=True)
class Rule:
    """The values that a setting may have.

    Attributes:
        kind: their type.
        allowed: the values in words, for messages.
        holds: true for the values of that type that are allowed.
        item: returns the rule of a mapping's item by its name.
    """

    kind: type
    allowed: str
    holds: Callable[[Any], bool] = lambda value: True
    item: Callable[[str], "Rule"] = lambda name: ANY

    def check(self, key: str, value: Any, *, optional: bool = False) -> Any:
        """Returns an allowed value: frozen, and an integer as float where numbers are allowed.

        Args:
            key: the setting, for the message.
            value: its value.
            optional: allow None too.

        Raises:
            ValueError: the value is not allowed.
        """
        if optional and value is None:
            return None
        found = _frozen(value)
        if self.kind is float and type(found) is int:
            with contextlib.suppress(OverflowError):  # remains an integer, which is refused
                found = float(found)
        # A bool is an int in Python, and no number here.
        is_bool_for_number = isinstance(found, bool) and self.kind in (int, float)
        if is_bool_for_number or not (isinstance(found, self.kind) and self.holds(found)):
            allowed = f"None or {self.allowed}" if optional else self.allowed
            raise ValueError(f"{key} is {value!r}; it must be {allowed}.")
        if not isinstance(found, Frozen):
            return found
        return Frozen({k: self.item(k).check(f"{key}.{k}", v) for k, v in found.items()})


ANY = Rule(object, "anything")
POSITIVE = Rule(float, "a number above 0", lambda x: 0 < x < math.inf)
NOT_NEGATIVE = Rule(float, "a number of at least 0", lambda x: 0 <= x < math.inf)
SHARE = Rule(float, "a number from 0 to 1", lambda x: 0 <= x <= 1)
FACTOR = Rule(float, "a number above 0 and at most 1", lambda x: 0 < x <= 1)
RATE = Rule(float, "a number of at least 0 and below 1", lambda x: 0 <= x < 1)
COUNT = Rule(int, "an integer of at least 1", lambda x: x >= 1)
COUNT_OR_0 = Rule(int, "an integer of at least 0", lambda x: x >= 0)
SEED = Rule(int, "an integer of at least 0 and below 2**32", lambda x: 0 <= x < 2**32)
FLAG = Rule(bool, "True or False")
TEXT = Rule(str, "a string that is not empty", bool)
WEIGHTS = Rule(Frozen, "a mapping of names to numbers", item=lambda name: NOT_NEGATIVE)
DATASETS = Rule(
    tuple,
    "a list of prepared splits, each a string dataset/config:split (cmu_mocap/30fps:train)",
    lambda x: all(isinstance(s, str) and re.fullmatch(r"[^/:]+/[^/:]+:[^/]+", s) for s in x),
)

JOINTS = Rule(
    tuple,
    'a list of names of joints, such as ("neck",)',
    lambda x: all(isinstance(joint, str) for joint in x),
)
HINTS = Rule(
    tuple,
    "a list of some of " + ", ".join(f'"{word}"' for word in KNOWN),
    lambda x: all(isinstance(word, str) and word in KNOWN for word in x),
)
RANGE = Rule(
    tuple,
    "two numbers above 0, the smaller first",
    lambda x: len(x) == 2 and all(map(POSITIVE.holds, x)) and x[0] <= x[1],
)


def choice(*words: str) -> Rule:
    """Returns the rule of a setting that is one of some strings."""
    *others, last = (f'"{word}"' for word in words)
    return Rule(str, f"{', '.join(others)} or {last}", words.__contains__)


def setting(default: Any, rule: Rule) -> Any:
    """Returns a dataclass field with its rule; one whose default is None may be None."""
    return dataclasses.field(default=default, metadata={"rule": rule})


def _checked(cls: type, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values of a dataclass's fields, checked by the rules of those that have one."""
    checked = dict(values)
    for field in dataclasses.fields(cls):
        if field.name in values and "rule" in field.metadata:
            checked[field.name] = field.metadata["rule"].check(
                f"{path}.{field.name}", values[field.name], optional=field.default is None
            )
    return checked


def _check(section: Any, path: str) -> None:
    for name, value in _checked(type(section), path, vars(section)).items():
        object.__setattr__(section, name, value)


def is_motion(spec: str) -> bool:
    """Returns whether a split holds motions without cameras, by the name of its config."""
    return re.search(r"_motion(_seed\d+)?:", spec) is not None


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Training and test data.

    Attributes:
        train: prepared splits to train on, each `dataset/config:split`.
        test: prepared splits to test on.
        data_dir: folder of the prepared datasets; TFDS's default if None.
        frames: frames of a clip for which poses are predicted; at most the model's. Lifters of the
            centre of a window get the frames around it too.
        stride: frames between the starts of two training clips; at most `frames`.
        partial_clips: "cover" the frames that the stride leaves of a sequence, or "drop" them; see
            `clips.windows`.
        inputs: "detected" keypoints or their "ground_truth"; see `clips.make`.
        root_relative: train on targets relative to the root; false for 2.5D labels as they are.
        depth_reference: depth is relative to the root of each "frame", or of the "first_frame" of
            the clip; see `clips.make`.
        unit: of targets in camera space and of the model's predictions: "metres", "millimetres" or
            "1024mm", MotionAGFormer's for MPI-INF-3DHP.
        flip_share: share of the training clips that are mirrored.
        normalise: frame of reference of the inputs, that of the "image" as in the papers, or of
            the "person"; see `repose_jax.data.normalise`.
        known: what a model in the person's frame is given of the test data's cameras, some of
            "fps", "focal" and "up"; see `clips.make`.
        dropped_joints: joints that count neither in the losses nor in the evaluation, ("neck",) for
            the 16 joints of SemGCN.
    """

    train: tuple[str, ...] = setting((), DATASETS)
    test: tuple[str, ...] = setting((), DATASETS)
    data_dir: str | None = setting(None, TEXT)
    frames: int = setting(243, COUNT)
    stride: int = setting(81, COUNT)
    partial_clips: str = setting("cover", choice(*PARTIAL_CLIPS))
    inputs: str = setting("detected", choice(*INPUTS))
    root_relative: bool = setting(True, FLAG)
    depth_reference: str = setting("frame", choice(*DEPTH_REFERENCES))
    unit: str = setting("metres", choice(*UNITS))
    flip_share: float = setting(0.5, SHARE)
    normalise: str = setting("image", choice(*NORMALISATIONS))
    known: tuple[str, ...] = setting(("fps",), HINTS)
    dropped_joints: tuple[str, ...] = setting((), JOINTS)

    def __post_init__(self):
        _check(self, "config.data")
        if self.stride > self.frames:
            raise ValueError(
                f"config.data.stride is {self.stride}; it must be at most config.data.frames, "
                f"{self.frames}."
            )


@dataclasses.dataclass(frozen=True)
class SimulationConfig:
    """Samples of cameras, bodies and detectors, where training data are motions.

    Datasets whose config ends in "_motion" hold motions without cameras; see
    `repose_jax.simulation`. All but the rates are shares of the clips, from 0 to 1.

    Attributes:
        rates: least and most frames per second of a clip.
        upper_body: clips with the upper body of another take.
        arms: clips with the arms of another take.
        handheld: clips of cameras as people hold them; the others are like those of Human3.6M.
        truncated: of those, clips in which parts of the body may leave the image.
        errors: factor on the size of the detector's errors.
        confidence_laws: clips whose confidence follows a law of its own; that of the others is
            exact.
        formats: clips of detectors of other formats than Human3.6M's.
        known_fps: clips whose frame rate the model is given.
        known_focal: clips whose focal length the model is given.
        known_up: clips whose vertical the model is given.
    """

    rates: tuple[float, float] = setting((15.0, 60.0), RANGE)
    upper_body: float = setting(0.5, SHARE)
    arms: float = setting(0.5, SHARE)
    handheld: float = setting(0.7, SHARE)
    truncated: float = setting(0.2, SHARE)
    errors: float = setting(1.0, NOT_NEGATIVE)
    confidence_laws: float = setting(0.85, SHARE)
    formats: float = setting(0.6, SHARE)
    known_fps: float = setting(0.85, SHARE)
    known_focal: float = setting(0.5, SHARE)
    known_up: float = setting(0.2, SHARE)

    def __post_init__(self):
        _check(self, "config.simulation")


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """The training objective: by default equation 4 of the paper.

    Attributes:
        weights: loss name to weight, at least 0; see `repose_jax.objectives.losses`.
        learn_weights: learn the weights of the relational losses together with the model.
        reduction: "mean" over all pairs as in the paper's algorithms, "sum" as in its equations, or
            the mean over the "ordered" pairs, those that `pairs` and `closest` leave.
        tau: temperature of `spatial_order` and `temporal_order`. This and the other lengths are in
            metres, also for a model that predicts millimetres; in half widths of the image for
            2.5D labels.
        tau_by_joint: a larger temperature for joints whose depth is less certain.
        learn_tau: learn the temperature together with the model.
        margin: gap that `spatial_depth` and `temporal_depth` want between two depths, at most the
            true one.
        closest: true gap of depth up to which a pair does not count.
        pairs: "all", or those of which at least one joint is "occluded".
    """

    weights: Mapping[str, float | int] = setting(EQUATION_4, WEIGHTS)
    learn_weights: bool = setting(False, FLAG)
    reduction: str = setting("mean", choice(*REDUCTIONS))
    tau: float = setting(TAU, POSITIVE)
    tau_by_joint: bool = setting(False, FLAG)
    learn_tau: bool = setting(False, FLAG)
    margin: float = setting(0.0, NOT_NEGATIVE)
    closest: float = setting(0.0, NOT_NEGATIVE)
    pairs: str = setting("all", choice(*PAIRS))

    def __post_init__(self):
        _check(self, "config.objective")


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """The optimiser and its schedule.

    Attributes:
        name: "adamw", "amsgrad" or "adam"; see `repose_jax.training.optim`.
        lr: peak learning rate.
        schedule: "epochs", a staircase of the factors below, or "cosine", from the peak to 0 at the
            end of the training.
        decay: factor on the learning rate after every epoch.
        drop: factor in place of `decay` after every `drop_every` epochs.
        drop_every: epochs from one such factor to the next; 0 for none.
        warmup_steps: steps over which the learning rate rises linearly from zero.
        weight_decay: decoupled weight decay of AdamW, on every parameter of the model as in
            PyTorch. The other optimisers have none: PyTorch's Adam takes it as a penalty in the
            loss, which no recipe uses, and decoupled it would make "adam" the same as "adamw".
        clip_norm: largest global norm of the gradient; 0 for no clipping.
        scale_by_loss: multiply the gradient of a batch by its loss, as the authors of MixSTE and
            D3DP do, so that batches with a larger loss count more.
        ema: decay of the moving average of the parameters that evaluation uses; 0 for none.
        batch_norm_momentum: weight of a batch's statistics in the running ones, at the start.
        batch_norm_momentum_end: the same at the end.
    """

    name: str = setting("adamw", choice(*OPTIMIZERS))
    lr: float = setting(5e-4, POSITIVE)
    schedule: str = setting("epochs", choice(*SCHEDULES))
    decay: float = setting(0.99, FACTOR)
    drop: float = setting(0.5, FACTOR)
    drop_every: int = setting(0, COUNT_OR_0)
    warmup_steps: int = setting(0, COUNT_OR_0)
    weight_decay: float = setting(0.01, NOT_NEGATIVE)
    clip_norm: float = setting(1.0, NOT_NEGATIVE)
    scale_by_loss: bool = setting(False, FLAG)
    ema: float = setting(0.0, RATE)
    batch_norm_momentum: float = setting(0.1, FACTOR)
    batch_norm_momentum_end: float = setting(0.1, FACTOR)

    def __post_init__(self):
        _check(self, "config.optim")
        if self.name != "adamw" and self.weight_decay:
            raise ValueError(
                f"config.optim.weight_decay is {self.weight_decay}; it must be 0 for "
                f'{self.name!r}, which has none (or set config.optim.name to "adamw").'
            )


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """The length of training, its batches, and how often it evaluates and logs.

    Attributes:
        epochs: epochs to train.
        epoch_passes: passes over the training clips in an epoch.
        epoch_steps: steps of an epoch; None for those of `epoch_passes`.
        batch_size: clips in a batch, over all devices.
        microbatch_size: clips of a batch, over all devices, that go through the model at a time; it
            divides the batch. It saves memory, and changes the result by rounding and by the random
            numbers of dropout only. None for all of them; on CPU for as many as have 243 frames,
            see `setup.microbatches_of`.
        steps_per_call: steps in one call of the device. It saves time where steps are short; a run
            stops for a signal only between two calls. None for 1; on CPU for up to 8 short ones,
            see `setup.steps_per_call_of`.
        seed: seed of the initialisation, the order of clips, flips and dropout.
        eval_every: epochs between two evaluations, each with a checkpoint.
        log_every: steps between two records of the training metrics.
        matmul_precision: "default", "high" or "highest" precision of float32 products on
            accelerators; evaluation always uses "highest".
    """

    epochs: int = setting(100, COUNT)
    epoch_passes: int = setting(1, COUNT)
    epoch_steps: int | None = setting(None, COUNT)
    batch_size: int = setting(32, COUNT)
    microbatch_size: int | None = setting(None, COUNT)
    steps_per_call: int | None = setting(None, COUNT)
    seed: int = setting(0, SEED)
    eval_every: int = setting(1, COUNT)
    log_every: int = setting(50, COUNT)
    matmul_precision: str = setting("default", choice("default", "high", "highest"))

    def __post_init__(self):
        _check(self, "config.train")


@dataclasses.dataclass(frozen=True)
class EvalConfig:
    """Evaluation.

    Attributes:
        batch_size: clips in a batch, over all devices.
        flip: average with the prediction for the mirrored clip (test-time augmentation).
        pictures: test sequences to draw at the end; `repose train` and `repose eval` also draw what
            the shipped weights make of the same detections.
        protocol: name of the protocol, such as "every_frame"; see
            `repose_jax.evaluation.protocols`.
        frames: frames of a test clip for which poses are predicted; None for those of a training
            clip.
        output: predict "every" frame of a clip, or the "centre" of a window of `data.frames` frames
            around each, as STCFormer and MHFormer are evaluated, although they predict every frame.
        hypotheses: of a model that makes several of a clip, how many `repose eval` compares beside
            its single prediction; 0 for none.
        sampling_steps: steps in which it makes them.
        as_published: count frames twice that two clips cover, and choose the best hypothesis for
            four clips at a time, as the authors of D3DP do.
    """

    batch_size: int = setting(32, COUNT)
    flip: bool = setting(True, FLAG)
    pictures: int = setting(1, COUNT_OR_0)
    protocol: str = setting("every_frame", TEXT)
    frames: int | None = setting(None, COUNT)
    output: str = setting("every", choice("every", "centre"))
    hypotheses: int = setting(0, COUNT_OR_0)
    sampling_steps: int = setting(10, COUNT)
    as_published: bool = setting(False, FLAG)

    def __post_init__(self):
        _check(self, "config.eval")


LIFTER: Mapping[str, Rule] = {
    "name": TEXT,
    **dict.fromkeys(("frames", "joints", "in_channels", "out_channels"), COUNT),
    **dict.fromkeys(("width", "depth", "heads", "mlp_ratio", "representation"), COUNT),
    **dict.fromkeys(("dropout", "attention_dropout", "part_dropout", "stochastic_depth"), RATE),
    "remat": FLAG,
    "dtype": choice("float32", "bfloat16"),
}
"""Rules of the fields that lifters share; each lifter checks its own."""
MODEL = Rule(
    Frozen,
    "a mapping with the name of a model",
    lambda model: "name" in model,
    lambda name: LIFTER.get(name, ANY),
)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A whole experiment: hashable, and the same after a round trip through JSON.

    Attributes:
        model: `name` of the model, and its fields that differ from the defaults.
        data: training and test data.
        simulation: cameras, bodies and detectors, where training data are motions.
        objective: the training objective.
        optim: the optimiser and its schedule.
        train: the length of training, its batches, and how often it evaluates and logs.
        eval: evaluation.
        init_from: weights to start from: the workdir of a run, trained or converted, a file that
            `repose export` wrote, or the name of shipped weights.
    """

    model: Mapping[str, Any] = setting(dataclasses.MISSING, MODEL)
    data: DataConfig = DataConfig()
    simulation: SimulationConfig = SimulationConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    eval: EvalConfig = EvalConfig()
    init_from: str | None = setting(None, TEXT)

    def __post_init__(self):
        _check(self, "config")
        channels = self.model.get("in_channels")
        if self.data.normalise == "person" and channels not in (None, PERSON_CHANNELS):
            raise ValueError(
                f"config.model.in_channels is {channels}; leave it out: inputs in the person's "
                f"frame have {PERSON_CHANNELS} channels."
            )
        if self.data.normalise == "image" and channels is not None and channels > 3:
            raise ValueError(
                f"config.model.in_channels is {channels}; it must be at most 3: inputs in the "
                "frame of the image are x, y and the confidence."
            )
        if self.optim.scale_by_loss and self.objective.learn_weights:
            raise ValueError(
                "config.optim.scale_by_loss is True; it must be False with "
                "config.objective.learn_weights, where the loss may be negative."
            )
        motions = [is_motion(spec) for spec in self.data.train]
        if any(motions) and not all(motions):
            raise ValueError(
                "config.data.train mixes motions (dataset/60fps_motion:train) with recorded views."
            )

    @property
    def from_motions(self) -> bool:
        """Whether training data are motions, of which views are simulated."""
        return any(map(is_motion, self.data.train))

    @property
    def model_fields(self) -> dict[str, Any]:
        """The model's name and fields, with the input channels that follow from the data."""
        person = self.data.normalise == "person"
        return {**self.model, **({"in_channels": PERSON_CHANNELS} if person else {})}

    @property
    def test_frames(self) -> int:
        """Frames in a test clip."""
        return self.data.frames if self.eval.frames is None else self.eval.frames

    def to_dict(self) -> dict[str, Any]:
        """Returns values that JSON can hold; `from_mapping` returns the experiment again."""
        return _plain(self)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, Mapping) else value


SECTION = Rule(Frozen, "a mapping of settings to values")
SECTIONS: dict[str, Any] = {
    "data": DataConfig,
    "simulation": SimulationConfig,
    "objective": ObjectiveConfig,
    "optim": OptimConfig,
    "train": TrainConfig,
    "eval": EvalConfig,
}

RENAMED = {
    "config.data.tails": "config.data.partial_clips",
    "config.train.clips_at_once": "config.train.microbatch_size",
    "config.train.steps_at_once": "config.train.steps_per_call",
    "config.eval.read": "config.eval.output",
}
"""Keys of earlier versions and their names now."""


def from_mapping(config: Mapping[str, Any]) -> Experiment:
    """Makes an experiment from the values of a ConfigDict or of `Experiment.to_dict`.

    Raises:
        ValueError: a key that does not exist, with the nearest one that does; or a value that is
            not allowed.
    """
    _check_keys("config", config, Experiment)
    values = _checked(Experiment, "config", {"model": {}, **config})
    for name, cls in SECTIONS.items():
        if name in values:
            section = SECTION.check(f"config.{name}", values[name])
            _check_keys(f"config.{name}", section, cls)
            values[name] = cls(**_checked(cls, f"config.{name}", section))
    return Experiment(**values)


def from_run(config: Mapping[str, Any]) -> Experiment:
    """Makes an experiment from the values in a run's `config.json`, of any version.

    Raises:
        ValueError: as from `from_mapping`, but keys of earlier versions are read.
    """
    values = dict(config)
    for old, new in RENAMED.items():
        _, section, name = old.split(".")
        if isinstance(values.get(section), Mapping) and name in values[section]:
            values[section] = dict(values[section])
            values[section][new.rpartition(".")[2]] = values[section].pop(name)
    return from_mapping(values)


def _check_keys(path: str, values: Mapping[str, Any], cls: type) -> None:
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise ValueError(no_such_key(path, key, known))


def no_such_key(path: str, key: str, known: Iterable[str]) -> str:
    """Returns the error message for a key that does not exist.

    Args:
        path: the keys above it, such as "config.optim".
        key: the unknown key.
        known: the keys beside it that exist.
    """
    if new := RENAMED.get(f"{path}.{key}"):
        return f"{path}.{key} has been renamed to {new}."
    known = list(known)
    close = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {path}.{close[0]}?" if close else ""
    return f"There is no key {path}.{key}.{hint} {path} has {', '.join(known)}."
