"""The forms of the relational losses, and the trainings that compare them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from benchmarks import runs
from repose_jax import config
from repose_jax.cli import arguments
from repose_jax.config import Experiment
from repose_jax.objectives.losses import LOSSES


@dataclasses.dataclass(frozen=True)
class Form:
    """A form of the relational losses, or another loss to compare them with.

    Attributes:
        kind: of the losses `spatial_KIND` and `temporal_KIND`, or the name of one loss.
        weights: of its losses, with which they pull a third as hard as MPJPE at the predicted
            depths of a trained probe (`gradients`).
        options: of `config.objective`.
    """

    kind: str
    weights: tuple[float, ...] = (1.0, 1.0)
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def losses(self) -> tuple[str, ...]:
        """The names of its losses."""
        if self.kind in LOSSES:
            return (self.kind,)
        return f"spatial_{self.kind}", f"temporal_{self.kind}"

    def objective(self, *weights: float, labels: str = "all") -> dict[str, Any]:
        """Returns `config.objective` with weights of its losses, or with 1 for each.

        Args:
            weights: of its losses.
            labels: what is known of the depths, in `LABELS`.
        """
        losses = dict(zip(self.losses, weights or [1.0] * len(self.losses), strict=True))
        return {"weights": {LABELS[labels]: 1.0, **losses}, **self.options}


LABELS = {"all": "mpjpe", "visible": "mpjpe_of_visible_depth"}
"""The loss beside the relational ones: of all depths, or of those of visible joints."""


FORMS = {
    "hinge": Form("depth", (1.4, 0.69)),
    "hinge, margin 3 cm": Form("depth", (1.1, 0.54), options={"margin": 0.03}),
    "hinge, true gap": Form("depth", (0.48, 0.47), options={"margin": 10.0}),
    "hinge, gaps above 5 cm": Form("depth", (1.8, 1.7), options={"closest": 0.05}),
    "hinge, occluded pairs": Form(
        "depth", (0.5, 0.17), options={"pairs": "occluded", "reduction": "ordered"}
    ),
    "difference": Form("difference", (0.41, 0.42)),
    "logistic, tau 2 cm": Form("order", (1.4, 0.83), options={"tau": 0.02}),
    "logistic, tau 5 cm": Form("order", (1.5, 0.87)),
    "logistic, tau 10 cm": Form("order", (1.4, 0.88), options={"tau": 0.1}),
    "logistic, tau by joint": Form("order", (1.4, 0.87), options={"tau_by_joint": True}),
    "logistic, learned tau": Form("order", (1.5, 0.87), options={"learn_tau": True}),
    "logistic, gaps above 5 cm": Form("order", (1.8, 1.8), options={"closest": 0.05}),
    "logistic, occluded pairs": Form(
        "order", (0.52, 0.21), options={"pairs": "occluded", "reduction": "ordered"}
    ),
    "logistic, occluded pairs, gaps above 10 cm": Form(
        "order",
        (0.52, 0.21),
        options={"pairs": "occluded", "reduction": "ordered", "closest": 0.1},
    ),
    "logistic, occluded pairs, tau 3 cm": Form(
        "order",
        (0.52, 0.21),
        options={"pairs": "occluded", "reduction": "ordered", "tau": 0.03},
    ),
    "logistic, occluded pairs, learned tau": Form(
        "order",
        (0.52, 0.21),
        options={"pairs": "occluded", "reduction": "ordered", "learn_tau": True},
    ),
    # What is not of the order, to compare: the same pairs and their true gaps; the same joints.
    "difference, occluded pairs": Form(
        "difference", (0.14, 0.1), options={"pairs": "occluded", "reduction": "ordered"}
    ),
    "MPJPE of occluded joints": Form("occluded_mpjpe", (0.145,)),
}
"""Forms by name; the paper's first."""

WHICH = {"S": (1.0, 0.0), "T": (0.0, 1.0), "S + T": (1.0, 1.0)}
"""Shares of the spatial and of the temporal weight."""

NONE = "none"
"""The training without a relational loss."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """The length of a training.

    Attributes:
        steps: their number, of as many clips as the configuration has in a batch.
        rate: learning rate, in shares of that of the backbone.
        optim: fields of `config.optim`.
    """

    steps: int
    rate: float = 1.0
    optim: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A model, and how it is trained.

    Attributes:
        rate: learning rate from scratch.
        model: `config.model`; empty for that of the configuration.
        config: the configuration, 16 clips of 27 frames in a batch of `lift:probe`.
        start: shipped weights that `tune` starts from; None for those that it trains with `base`.
        base: the budget of that.
        tune: the budget of `tune` from there.
        scratch: the budget of `scratch`.
        together: a GPU updates all its models at once; otherwise, one fills it.
    """

    rate: float
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    config: str = "lift:probe"
    start: str | None = None
    base: Budget = Budget(8000, 2 / 3, {"schedule": "epochs", "decay": 1.0})
    tune: Budget = Budget(600, 2 / 3, {"warmup_steps": 0})
    scratch: Budget = Budget(3000)
    together: bool = True


BACKBONES = {
    "mixer": Backbone(3e-3, {"name": "mixer", "frames": 27, "width": 256, "depth": 3}),
    "repose": Backbone(
        1e-3,
        {
            **{"name": "repose", "frames": 27, "width": 64, "depth": 2, "heads": 2},
            **{"mlp_ratio": 2, "representation": 128, "fused_attention": ()},
        },
    ),
    "semgcn": Backbone(
        1e-3, {"name": "semgcn", "dropped_joints": (), "non_local": False, "frames": 27}
    ),
    "shipped": Backbone(
        7e-4,
        config="lift",
        start="repose_lift",
        tune=Budget(1300, 0.4, {"warmup_steps": 50}),
        scratch=Budget(13000),
        together=False,
    ),
}
"""A mixer of frames, RePOSE, a graph, and the model that ships."""


def members(
    form: str, factors: Sequence[float], which: Sequence[str] = tuple(WHICH)
) -> dict[str, Float[np.ndarray, " l"]]:
    """Returns the settings of a form: name to the weights of MPJPE and of its two losses.

    Args:
        form: in `FORMS`, or `NONE`, which has one setting and the losses of the first.
        factors: the weights of the form are taken times each of these.
        which: of its losses, in `WHICH`, if they are two.
    """
    if form == NONE:
        return {NONE: np.array([1.0, 0.0, 0.0], np.float32)}
    if len(FORMS[form].losses) == 1:
        (weight,) = FORMS[form].weights
        return {f"{form} x {f:g}": np.array([1.0, f * weight], np.float32) for f in factors}
    spatial, temporal = FORMS[form].weights
    return {
        f"{form}, {name} x {factor:g}": np.array(
            [1.0, factor * s * spatial, factor * t * temporal], np.float32
        )
        for name, (s, t) in ((name, WHICH[name]) for name in which)
        for factor in factors
    }


def experiment(
    form: str,
    backbone: Backbone,
    budget: Budget,
    flags: Sequence[str],
    labels: str = "all",
) -> Experiment:
    """Returns the experiment of the members of a form, whose weights are 1 in it.

    Args:
        form: in `FORMS`, or `NONE`.
        backbone: the model.
        budget: its length.
        flags: of `repose train`, for all.
        labels: what is known of the depths, in `LABELS`.

    Raises:
        ValueError: a flag is of what is set here.
    """
    optim = {"lr": backbone.rate * budget.rate, **budget.optim}
    train = {"epochs": 1, "epoch_steps": budget.steps, "eval_every": 1}
    keys = [*(f"optim.{key}" for key in optim), *(f"train.{key}" for key in train), "objective"]
    runs.refuse(flags, [*keys, *(["model"] if backbone.model else [])])
    parser = arguments.Parser(prog="python -m benchmarks.relational")
    parser.add_config()
    values = arguments.parse(parser, [f"--config={backbone.config}", *flags]).experiment.to_dict()
    values["model"] = dict(backbone.model) or values["model"]
    values["optim"] |= optim
    values["train"] |= train
    values["objective"] = FORMS.get(form, FORMS["hinge"]).objective(labels=labels)
    return config.from_mapping(values)
