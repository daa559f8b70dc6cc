"""VideoPose3D on Human3.6M (Pavllo et al., CVPR 2019): 243 frames, 17.0 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=videopose3d --workdir=runs/videopose3d

CPN keypoints, joints in camera space in metres; single frames out of the 243 around them. The
authors' loss: MPJPE. The momentum of the batch norms falls from 0.1 to 0.001.

The authors' results, MPJPE in mm (theirs, not ours; every frame, every video): 46.8; `:81` 47.7;
`:27` 48.8.

Not reproduced: the semi-supervised training on videos without labels.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply

VARIANTS = zoo.variants(
    zoo.frames(27, model={"filter_widths": (3,) * 3}),
    zoo.frames(81, model={"filter_widths": (3,) * 4}),
    Variant(
        "causal",
        ("direction of time",),
        "the frames up to the one that is lifted, instead of as many on both sides",
        {"model": {"causal": True}},
    ),
    zoo.CLIPS,
    zoo.tiny(filter_widths=(3, 3, 3), width=128),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "videopose3d",
        filter_widths=(3, 3, 3, 3, 3),
        width=1024,
        causal=False,
        in_channels=2,
        dropout=0.25,
    )
    zoo.single_frames(config, test=243)
    config.optim.update({"name": "amsgrad", "lr": 1e-3, "decay": 0.95, "weight_decay": 0.0})
    config.optim.update({"batch_norm_momentum": 0.1, "batch_norm_momentum_end": 0.001})
    config.train.update({"epochs": 80, "batch_size": 1024})
    return apply(config, variant, VARIANTS, of=__name__)
