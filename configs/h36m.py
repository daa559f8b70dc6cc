"""Human3.6M as in the paper: 243 frames, 16.0 million parameters, AdamW, 100 epochs, flips.

    repose prepare human36m --source=h36m_sh_conf_cam_source_final.pkl
    repose train --config=h36m --workdir=runs/h36m

Stacked-hourglass keypoints with their confidence, and 2.5D labels; evaluated by the protocol of
MotionBERT, MotionAGFormer and RePOSE (`docs/protocols.md`).

Hardware: one GPU. On an NVIDIA H200 a step of 32 clips takes 0.12 s and 33 GB with
`--config.model.dtype=bfloat16` (`docs/performance.md`; float32 is not measured). On a generated
file of the full size: 17,768 training clips, 555 steps of 32 an epoch; on two CPU cores a step of
2 clips takes 9 to 13 s and the process 3.5 GB, which is enough to try it. Where memory is short:
`--config.train.microbatch_size=4`, which gives the same update, or `--config.model.dtype=bfloat16`.

`camera` takes VideoPose3D's files.

The paper's results, MPJPE / PA-MPJPE in mm (the paper's, not ours): 36.5 / 30.7; `:baseline`
37.9 / 32.5; `:spatial` 36.9; `:temporal` 37.2; `:gt2d` 15.7.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import Variant, apply

GT2D = Variant(
    "gt2d",
    ("inputs",),
    "ground-truth keypoints as input",
    {"data": {"inputs": "ground_truth"}},
)
CAMERA = Variant(
    "camera",
    ("data",),
    "CPN keypoints and joints in camera space, every frame evaluated, as VideoPose3D",
    {
        "data": {
            "train": ("human36m/camera_cpn_ft_h36m_dbb:train",),
            "test": ("human36m/camera_cpn_ft_h36m_dbb:test",),
            "partial_clips": "cover",
            "root_relative": True,
        },
        "eval": {"protocol": "human36m_camera"},
    },
)
VARIANTS = (*common.VARIANTS, GT2D, CAMERA)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.data.train = ("human36m/2.5d:train",)
    config.data.test = ("human36m/2.5d:test",)
    config.data.update({"partial_clips": "drop", "root_relative": False})
    config.eval.protocol = "human36m_2.5d"
    return apply(config, variant, VARIANTS, of=__name__)
