"""PoseFormer on Human3.6M (Zheng et al., ICCV 2021): 81 frames, 9.6 million parameters.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    python main.py --config=configs/zoo/poseformer.py --workdir=runs/poseformer

CPN keypoints, joints in camera space in metres; single frames out of the 81 around them. The
published loss: MPJPE.

Variants after the colon, separated by commas: those of `configs.zoo`, and `27` frames.

The authors' results, MPJPE in mm (theirs, not ours; every frame, every video): 44.3; `:27` 47.0;
`:gt2d` 31.3.

Epochs and batch are the defaults of the published code. Nothing of it is left out.
"""

from ml_collections import ConfigDict

from configs import h36m, zoo


def gt2d(config: ConfigDict) -> None:
    """Takes the ground truth in the image as input, at the learning rate published for it."""
    h36m.gt2d(config)
    config.optim.lr = 4e-4


def of_27(config: ConfigDict) -> None:
    """27 instead of 81 frames."""
    config.model.frames = 27


def tiny(config: ConfigDict) -> None:
    """A model of 0.15 million parameters on 27 frames."""
    config.model.update({"frames": 27, "width": 8, "depth": 1, "heads": 4})
    zoo.clips(config, 27)
    zoo.tiny_data(config)


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
    own = {"gt2d": gt2d, "27": of_27, "clips": zoo.clips, "tiny": tiny}
    zoo.apply(config, variant, own)
    return config
