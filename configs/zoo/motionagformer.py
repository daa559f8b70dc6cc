"""MotionAGFormer-B on Human3.6M (Mehraban et al., WACV 2024): 243 frames, 11.7 million parameters.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose train --config=motionagformer --workdir=runs/motionagformer

Stacked-hourglass keypoints with their confidence, 2.5D labels relative to the root, evaluated by
MotionBERT's protocol, which this family shares. The authors' losses: MPJPE + 0.5 N-MPJPE + 20
velocity.

The paper's result, MPJPE in mm (the paper's, not ours; clips of 243 frames, without their tails
and three misaligned videos): 38.4.

Nothing of the authors' recipe is left out.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply


def _size(name: str, doc: str, **changes: dict[str, int]) -> Variant:
    return Variant(name, ("size", "frames"), doc, changes)


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
    zoo.tiny(frames=27, width=32, depth=3, heads=4, representation=128),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.stacked_hourglass(
        "motionagformer",
        frames=243,
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
