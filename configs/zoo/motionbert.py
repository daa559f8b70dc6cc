"""MotionBERT on Human3.6M, from scratch (Zhu et al., ICCV 2023): 243 frames, 42.5M parameters.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose train --config=motionbert --workdir=runs/motionbert

Stacked-hourglass keypoints with their confidence, 2.5D labels relative to the root, evaluated by
MotionBERT's own protocol. The authors' losses: MPJPE + 0.5 N-MPJPE + 20 velocity.

`lite` has the learning rate at which the authors fine-tune that model; they give no recipe of it
from scratch.

The paper's results, MPJPE in mm (the paper's, not ours; clips of 243 frames, without their tails
and three misaligned videos): 39.2 from scratch, 37.2 fine-tuned.

Not reproduced: the pre-training on AMASS, PoseTrack and InstaVariety that `finetune` starts from.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply

VARIANTS = zoo.variants(
    Variant(
        "lite",
        ("size",),
        "RePOSE's sizes, 16.0 million parameters, with the rate of the authors' fine-tuning",
        {"model": {"width": 256, "mlp_ratio": 4}, "optim": {"lr": 5e-4}},
    ),
    Variant(
        "finetune",
        ("schedule",),
        "half the epochs, for --config.init_from=WORKDIR",
        {"train": {"epochs": 60}},
    ),
    zoo.tiny(frames=27, width=64, depth=1, heads=2, mlp_ratio=2, representation=128),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.stacked_hourglass(
        "motionbert",
        frames=243,
        width=512,
        depth=5,
        heads=8,
        mlp_ratio=2,
        representation=512,
        dropout=0.0,
        attention_dropout=0.0,
        stochastic_depth=0.0,
        remat=False,
    )
    config.data.update({"frames": 243, "stride": 81})
    config.objective.weights.update({"n_mpjpe": 0.5, "velocity": 20.0})
    config.optim.update({"name": "adamw", "lr": 2e-4, "decay": 0.99, "weight_decay": 0.01})
    config.train.update({"epochs": 120, "batch_size": 32})
    return apply(config, variant, VARIANTS, of=__name__)
