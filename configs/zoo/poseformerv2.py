"""PoseFormerV2 on Human3.6M (Zhao et al., CVPR 2023): 243 frames, 14.4 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=poseformerv2 --workdir=runs/poseformerv2

CPN keypoints, joints in camera space in metres; single frames out of the 243 around them, of which
27 are input directly and all of them as 27 coefficients. The authors' loss: MPJPE.

The authors' results, MPJPE in mm (theirs, not ours; every frame, every video): 45.2; `:81` 46.0;
`:27` 47.9.

Learning rate, epochs and batch are the defaults of the authors' code. Nothing of it is left out.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import apply

VARIANTS = zoo.variants(
    zoo.frames(27, model={"frames": 27, "kept_frames": 3, "kept_coefficients": 3}),
    zoo.frames(81, model={"frames": 81, "kept_frames": 9, "kept_coefficients": 9}),
    zoo.CLIPS,
    zoo.tiny(frames=27, kept_frames=3, kept_coefficients=3, width=6, depth=1, heads=2),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "poseformerv2",
        frames=243,
        kept_frames=27,
        kept_coefficients=27,
        width=32,
        depth=4,
        heads=8,
        mlp_ratio=2,
        in_channels=2,
        stochastic_depth=0.1,
    )
    zoo.single_frames(config, test=27)
    config.optim.update({"name": "adamw", "lr": 1e-4, "decay": 0.99, "weight_decay": 0.1})
    config.train.update({"epochs": 200, "batch_size": 1024})
    config.eval.batch_size = 8
    return apply(config, variant, VARIANTS, of=__name__)
