"""SemGCN on Human3.6M (Zhao et al., CVPR 2019): single frames, 16 joints, 0.4 million parameters.

    repose prepare human36m --source=data --config=camera_sh_ft_h36m
    repose train --config=semgcn --workdir=runs/semgcn

Stacked-hourglass keypoints fine-tuned on Human3.6M, joints in camera space in metres without the
neck; every frame is trained on and lifted alone, and the predicted root is subtracted. The authors'
loss: mean squared error. They mirror neither in training nor in the evaluation.

The authors' results, MPJPE / PA-MPJPE in mm (theirs, not ours; every frame, every video, 16
joints): 61.2 / 47.7; `:gt2d` 40.8 / 31.5; `:gt2d,local` 42.1 / 33.5.

`:gt2d,modulated` is Modulated GCN (Zou and Tang, ICCV 2021) as its authors train it on ground
truth: 38.3 / 30.1 (theirs, not ours).

Not reproduced: the authors lower the learning rate every 100,000 steps, here it falls after every
fourth epoch, which are 97,484.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.variants import Variant, apply


def _local(config: ConfigDict) -> None:
    config.model.non_local = False
    if config.data.inputs == "ground_truth":
        config.train.epochs = 50


def _modulated(config: ConfigDict) -> None:
    _local(config)
    config.model.modulated = True
    config.objective.weights.update({"mse": 0.9, "mae": 0.1})


def _neck(config: ConfigDict) -> None:
    _local(config)
    config.model.dropped_joints = config.data.dropped_joints = ()


VARIANTS = zoo.variants(
    Variant(
        "gt2d",
        ("inputs",),
        "ground-truth keypoints as input, for the authors' number of epochs with them",
        {"data": {"inputs": "ground_truth"}, "train": {"epochs": 30}},
    ),
    Variant("local", ("size",), "without the non-local layers", _local),
    Variant("modulated", ("size",), "Modulated GCN's recipe, without non-local layers", _modulated),
    Variant("neck", ("size",), "all 17 joints, without the non-local layers", _neck),
    zoo.CLIPS,
    zoo.tiny(width=96, non_local=False, dropped_joints=()),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = zoo.cpn(
        "semgcn",
        width=128,
        depth=4,
        in_channels=2,
        dropped_joints=("neck",),
        non_local=True,
        modulated=False,
    )
    zoo.single_frames(config, test=243)
    config.data.update(
        {
            "train": ("human36m/camera_sh_ft_h36m:train",),
            "test": ("human36m/camera_sh_ft_h36m:test",),
            "dropped_joints": ("neck",),
            "flip_share": 0.0,
        }
    )
    config.objective.weights.update({"mpjpe": 0.0, "mse": 1.0})
    config.optim.update({"name": "adam", "lr": 1e-3, "decay": 1.0, "weight_decay": 0.0})
    config.optim.update({"drop": 0.96, "drop_every": 4, "clip_norm": 1.0})
    config.train.update({"epochs": 100, "epoch_passes": 1, "batch_size": 64})
    config.eval.update({"protocol": "human36m_camera_root_subtracted", "flip": False})
    return apply(config, variant, VARIANTS, of=__name__)
