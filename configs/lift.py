"""The lifter that ships: trained on motion capture that is free for any use, in simulated views.

    repose prepare cmu_mocap --source=allasfamc.zip --views=0
    repose prepare cmu_mocap --source=allasfamc.zip --fps=30
    repose prepare bvh_motion --source=ARCHIVE --source=ARCHIVE --settings=cmu_archives --views=0
    repose train --config=lift:all_pairs --workdir=runs/lift
    repose export runs/lift --checkpoint=latest --out=lift.safetensors
    repose train --config=lift:finish --config.init_from=lift.safetensors --workdir=runs/finish_0
    # and into runs/finish_1, 2 and 3 with --config.train.seed=1, 2 and 3
    repose export runs/finish_? --checkpoint=latest --out=finish.safetensors
    repose train --config=lift:finish,hinge --config.init_from=finish.safetensors \
        --workdir=runs/hinge_0    # and 1, 2 and 3, likewise
    repose export runs/hinge_? --checkpoint=latest --out=repose_lift.safetensors

It is a recipe for a GPU: six minutes on an H200, and less than a minute for each of the eight.
`probe` is a small mixer of frames, trained in minutes on two CPU cores. The objective is MPJPE
alone but where a variant names others. What each part brought, and why the paper's losses are in
the last, is in docs/relational_losses.md.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import Variant, apply


def probe(config: ConfigDict) -> None:
    """Sets the model and the schedule of the probe."""
    config.model = {"name": "mixer", "frames": 27, "width": 256, "depth": 3}
    config.data.frames = config.data.stride = 27
    config.optim.lr = 3e-3
    config.train.update({"epochs": 12, "epoch_steps": 500, "batch_size": 16, "eval_every": 3})


def all_pairs(config: ConfigDict) -> None:
    """Sets the relational losses with which the weights that ship began."""
    config.objective = {"weights": {"mpjpe": 1.0, "spatial_order": 3.0, "temporal_order": 3.0}}


def hinge(config: ConfigDict) -> None:
    """Sets the paper's losses, at the weights with which the weights that ship ended."""
    config.objective = {"weights": {"mpjpe": 1.0, "spatial_depth": 1.4, "temporal_depth": 0.69}}


def occluded(config: ConfigDict) -> None:
    """Sets the relational losses that help a small RePOSE from scratch most."""
    config.objective = {
        "weights": {"mpjpe": 1.0, "spatial_difference": 0.42, "temporal_difference": 0.3},
        "pairs": "occluded",
        "reduction": "ordered",
    }


def finish(config: ConfigDict) -> None:
    """Sets the schedule with which the weights that ship ended."""
    config.optim.update({"lr": 2.8e-4, "warmup_steps": 50})
    config.train.update({"epochs": 13, "epoch_steps": 100, "eval_every": 13})


PROBE = Variant(
    "probe",
    ("size", "frames", "schedule"),
    "a small mixer of frames on 27 frames: 6,000 steps of 16 clips",
    probe,
)
ALL_PAIRS = Variant(
    "all_pairs",
    common.BOTH_LOSSES,
    "logistic losses of the order of all pairs, of joints and of frames",
    all_pairs,
)
HINGE = Variant(
    "hinge",
    common.BOTH_LOSSES,
    "the paper's losses, spatial x 1.4 and temporal x 0.69",
    hinge,
)
OCCLUDED = Variant(
    "occluded",
    common.BOTH_LOSSES,
    "losses of the true gaps of pairs with an occluded joint, for small networks",
    occluded,
)
FINISH = Variant(
    "finish",
    ("schedule",),
    "1,300 steps from trained weights (`--config.init_from`)",
    finish,
)
VARIANTS = (PROBE, ALL_PAIRS, HINGE, OCCLUDED, FINISH)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.data.train = (
        "cmu_mocap/60fps_motion:train",
        "bvh_motion/cmu_archives_60fps_motion:train",
        "synthetic_motion/60fps_motion:train",
    )
    config.data.test = ("cmu_mocap/30fps:test",)
    config.data.frames = config.data.stride = 81
    config.data.normalise = "person"
    config.simulation.errors = 0.85
    config.model = {
        "name": "repose",
        "frames": 81,
        "width": 160,
        "depth": 5,
        "heads": 5,
        "mlp_ratio": 3,
        "representation": 256,
        "dtype": "bfloat16",
    }
    config.objective.weights = {"mpjpe": 1.0}
    config.optim.update(
        {"schedule": "cosine", "lr": 7e-4, "warmup_steps": 500, "ema": 0.999, "weight_decay": 0.01}
    )
    config.train.update({"epochs": 27, "epoch_steps": 500, "batch_size": 32, "eval_every": 9})
    return apply(config, variant, VARIANTS, of=__name__)
