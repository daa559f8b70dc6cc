"""MotionAGFormer-B on Human3.6M (Mehraban et al., WACV 2024): 243 frames, 11.7 million parameters.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose train --config=motionagformer --workdir=runs/motionagformer

Stacked-hourglass keypoints with their confidence, 2.5D labels relative to the root, evaluated by
MotionBERT's protocol, which this family shares. The authors' losses: MPJPE + 0.5 N-MPJPE + 20
velocity.

The paper's result, MPJPE in mm (the paper's, not ours; clips of 243 frames, without their tails
and three misaligned videos): 38.4.

`:3dhp` is the authors' recipe for MPI-INF-3DHP, in units of 1024 mm (half the width of its training
images). The paper's best result there, MPJPE in mm: 16.2.

Nothing of the authors' recipe for Human3.6M is left out. For MPI-INF-3DHP they stretch the short
clip at the end of a sequence to 81 frames; ours ends with the sequence.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply


def _size(name: str, doc: str, **changes: dict[str, int]) -> Variant:
    def change(config: ConfigDict) -> None:
        config.update(changes)
        if config.data.unit == DATA_3DHP["unit"]:
            config.data.stride = DATA_3DHP["stride"]

    return Variant(name, ("size", "frames"), doc, change)


DATA_3DHP = {
    "train": ("mpi_inf_3dhp/universal:train",),
    "test": ("mpi_inf_3dhp/universal:test",),
    "partial_clips": "cover",
    "unit": "1024mm",
    "frames": 81,
    "stride": 9,
}


VARIANTS = zoo.variants(
    _size(
        "xs",
        "2.2 million parameters on 27 frames",
        model={"frames": 27, "width": 64, "depth": 12},
        data={"frames": 27, "stride": 9},
    ),
    _size(
        "s",
        "4.8 million parameters on 81 frames",
        model={"frames": 81, "width": 64, "depth": 26},
        data={"frames": 81, "stride": 27},
    ),
    _size("l", "19.0 million parameters on 243 frames", model={"depth": 26}),
    Variant(
        "3dhp",
        ("data",),
        "MPI-INF-3DHP, 81 frames (27 with `xs`), with the authors' schedule for it",
        {
            "model": {"frames": 81, "joint_order": "mpi_inf_3dhp"},
            "data": DATA_3DHP,
            "optim": {"name": "amsgrad", "weight_decay": 0.0},
            "train": {"epochs": 90},
            "eval": {"protocol": "mpi_inf_3dhp", "frames": 27, "output": "centre"},
        },
    ),
    zoo.tiny(frames=27, width=32, depth=3, heads=4, representation=128),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.stacked_hourglass(
        "motionagformer",
        frames=243,
        joint_order="human36m",
        width=128,
        depth=16,
        heads=8,
        mlp_ratio=4,
        neighbours=2,
        representation=512,
        dropout=0.0,
        attention_dropout=0.0,
        stochastic_depth=0.0,
        remat=False,
    )
    config.data.update({"frames": 243, "stride": 81})
    config.objective.weights.update({"n_mpjpe": 0.5, "velocity": 20.0})
    config.optim.update({"name": "adamw", "lr": 5e-4, "decay": 0.99, "weight_decay": 0.01})
    config.train.update({"epochs": 60, "batch_size": 16})
    return apply(config, variant, VARIANTS, of=__name__)
