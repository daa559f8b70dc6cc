"""PoseFormer on Human3.6M (Zheng et al., ICCV 2021): 81 frames, 9.6 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=poseformer --workdir=runs/poseformer

CPN keypoints, joints in camera space in metres; single frames out of the 81 around them. The
authors' loss: MPJPE.

The authors' results, MPJPE in mm (theirs, not ours; every frame, every video): 44.3; `:27` 47.0;
`:gt2d` 31.3.

Epochs and batch are the defaults of the authors' code. Nothing of it is left out.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply

VARIANTS = zoo.variants(
    Variant(
        "gt2d",
        ("inputs",),
        "ground-truth keypoints as input, at the authors' learning rate for them",
        {"data": {"inputs": "ground_truth"}, "optim": {"lr": 4e-4}},
    ),
    zoo.frames(27, model={"frames": 27}),
    zoo.CLIPS,
    zoo.tiny(frames=27, width=8, depth=1, heads=4),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "poseformer",
        frames=81,
        width=32,
        depth=4,
        heads=8,
        mlp_ratio=2,
        in_channels=2,
        stochastic_depth=0.1,
    )
    zoo.single_frames(config, test=27)
    config.optim.update({"name": "adamw", "lr": 4e-5, "decay": 0.99, "weight_decay": 0.1})
    config.train.update({"epochs": 200, "batch_size": 512})
    config.eval.batch_size = 8
    return apply(config, variant, VARIANTS, of=__name__)
