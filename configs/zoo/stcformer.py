"""STCFormer on Human3.6M (Tang et al., CVPR 2023): 243 frames, 4.7 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=stcformer --workdir=runs/stcformer

CPN keypoints, joints in camera space in metres; trained on every frame of its clips, evaluated on
every frame of the videos as the centre of a clip. The authors' loss: MPJPE.

The authors' results, MPJPE in mm (theirs, not ours; every frame, every video): `:81` 41.7, `:27`
44.1; the best of the paper, of a larger model on 243 frames, is 40.5.

Not reproduced: the frames of a clip are every third of the video's there, so that a clip sees three
times as long; and it repeats the edge frames at the ends of a video, where ours stay inside.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import apply

VARIANTS = zoo.variants(
    zoo.frames(27, model={"frames": 27}, data={"frames": 27}),
    zoo.frames(81, model={"frames": 81}, data={"frames": 81}),
    zoo.tiny(frames=27, width=64, depth=3, heads=4),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "stcformer",
        frames=243,
        width=256,
        depth=6,
        heads=8,
        mlp_ratio=4,
        in_channels=2,
        part_dropout=0.5,
        dropout=0.1,
    )
    config.data.update({"frames": 243, "stride": 3})
    config.optim.update({"name": "amsgrad", "lr": 1e-3, "decay": 0.96, "weight_decay": 0.0})
    config.optim.update({"drop": 0.5, "drop_every": 80})  # never in the 79 epochs
    config.train.update({"epochs": 79, "batch_size": 128 // 3})
    config.eval.update({"frames": 27, "output": "centre", "batch_size": 4})
    return apply(config, variant, VARIANTS, of=__name__)
