"""MHFormer on Human3.6M (Li et al., CVPR 2022): 351 frames, 31.5 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=mhformer --workdir=runs/mhformer

CPN keypoints, joints in camera space in metres; trained on every frame of its clips, evaluated on
every frame of the videos as the centre of a clip. The authors' loss: MPJPE.

The paper's result, MPJPE in mm (the paper's, not ours; every frame, every video): 43.0.

Not reproduced: training clips repeat the edge frames at the ends of a video there; ours stay
inside.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import apply

VARIANTS = zoo.variants(
    *(
        zoo.frames(
            count, model={"frames": count}, data={"frames": count}, train={"batch_size": 256}
        )
        for count in (27, 81, 243)
    ),
    zoo.tiny(frames=27, width=48, hidden=96, depth=2, heads=4, generator_depth=1),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "mhformer",
        frames=351,
        width=512,
        depth=3,
        heads=8,
        hidden=1024,
        generator_depth=4,
        generator_heads=9,
        in_channels=2,
        dropout=0.1,
        stochastic_depth=0.2,
    )
    config.data.update({"frames": 351, "stride": 1})
    config.optim.update({"name": "amsgrad", "lr": 1e-3, "decay": 0.95, "weight_decay": 0.0})
    config.optim.update({"drop": 0.5, "drop_every": 5})
    config.train.update({"epochs": 19, "batch_size": 128})
    config.eval.update({"frames": 27, "output": "centre", "batch_size": 4})
    return apply(config, variant, VARIANTS, of=__name__)
