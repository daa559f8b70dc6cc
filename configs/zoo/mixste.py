"""MixSTE on Human3.6M (Zhang et al., CVPR 2022): 243 frames, 33.8 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=mixste --workdir=runs/mixste

CPN keypoints, joints in camera space, every frame evaluated. The authors' losses: MPJPE with a
weight for each joint + 0.5 temporal consistency + 2 velocity, in metres.

The paper's result, MPJPE in mm (the paper's, not ours; every frame, every video): 40.9.

Not reproduced: the authors' code starts the backward pass with the loss in place of 1, so that the
gradient of a batch is scaled by its loss; AdamW undoes a constant scale, but batches of a larger
loss count more there (`--config.optim.scale_by_loss=True` does so here). Its clips are centred in a
video and repeat its edge frames; ours start at its first frame, and the last one is moved back to
end at its last.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import apply

SIZES = (
    *(
        zoo.frames(
            count,
            model={"frames": count},
            data={"frames": count, "stride": count},
            train={"batch_size": 1024 // count},
        )
        for count in (27, 81)
    ),
    zoo.tiny(frames=27, width=64, depth=2, heads=4),
)
VARIANTS = zoo.variants(*SIZES)


def base(name: str) -> ConfigDict:
    """Returns the experiment of a network with the sizes of MixSTE."""
    config = zoo.cpn(
        name,
        frames=243,
        width=512,
        depth=8,
        heads=8,
        mlp_ratio=2,
        in_channels=2,
        dropout=0.0,
        attention_dropout=0.0,
        stochastic_depth=0.1,
    )
    config.data.update({"frames": 243, "stride": 243})
    config.train.batch_size = 4  # clips with 1,024 frames, rounded down
    return config


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = base("mixste")
    config.objective.weights.update(
        {"mpjpe": 0.0, "weighted_mpjpe": 1.0, "temporal_consistency": 0.5, "velocity": 2.0}
    )
    config.optim.update({"name": "adamw", "lr": 4e-5, "decay": 0.99, "weight_decay": 0.1})
    config.train.epochs = 120
    return apply(config, variant, VARIANTS, of=__name__)
