"""P-STMO-S on Human3.6M (Shan et al., ECCV 2022): 243 frames, 6.5 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=pstmo --workdir=runs/pstmo

CPN keypoints, joints in camera space in metres; single frames out of the 243 around them. The
authors' losses: MPJPE of every frame after the first transformer + MPJPE of the centre frame.

The authors' training starts from encoders that a first stage trains to predict masked poses:

    repose pretrain --config=pstmo:masked --workdir=runs/stage1
    repose train --config=pstmo --workdir=runs/pstmo --config.init_from=runs/stage1/lifter

With `full` it hides other shares (`--hidden_frames=0.6 --hidden_joints=3`), with `gt2d` more joints
(`--hidden_joints=7`).

The paper's results, MPJPE in mm (the paper's, not ours; every frame, every video; pre-trained):
43.0; `:full` 42.8, and 42.1 with the refinement below.

Not reproduced: the third stage, a refinement that knows the camera and the true distance of the
person (`docs/zoo.md`); and the frames of a window are every second of the video's there.
"""

from ml_collections import ConfigDict

from configs import common, zoo
from configs.variants import Variant, apply

VARIANTS = zoo.variants(
    Variant(
        "full",
        ("size",),
        "P-STMO instead of P-STMO-S: four layers in the first transformer",
        {"model": {"depth": 4}, "optim": {"lr": 1e-3}},
    ),
    Variant(
        "gt2d",
        ("inputs",),
        "ground-truth keypoints as input, at the authors' learning rate for them",
        {"data": {"inputs": "ground_truth"}, "optim": {"lr": 1e-3}},
    ),
    Variant(
        "masked", ("stage",), "the first stage, for `repose pretrain`", {"optim": {"lr": 1e-4}}
    ),
    zoo.frames(27, model={"frames": 27}),
    zoo.frames(81, model={"frames": 81}),
    # The first transformer gives every frame of the window, so these need no longer clips.
    common.TEMPORAL,
    Variant(
        "relational",
        common.BOTH_LOSSES,
        "add both relational losses",
        {"objective": {"weights": {"spatial_depth": 1.0, "temporal_depth": 1.0}}},
    ),
    Variant(
        "tiny",
        ("size", "frames"),
        "0.15 million parameters on 27 frames",
        {
            "model": {"frames": 27, "width": 48, "depth": 1, "heads": 4},
            "eval": {"frames": 27},
        },
    ),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "pstmo",
        frames=243,
        width=256,
        depth=3,
        heads=8,
        mlp_ratio=2,
        in_channels=2,
        dropout=0.1,
    )
    zoo.single_frames(config, test=27)
    config.optim.update({"name": "amsgrad", "lr": 7e-4, "decay": 0.97, "weight_decay": 0.0})
    config.optim.update({"drop": 0.5, "drop_every": 80})  # never in the 79 epochs
    config.train.update({"epochs": 79, "batch_size": 160})
    config.eval.batch_size = 4
    return apply(config, variant, VARIANTS, of=__name__)
