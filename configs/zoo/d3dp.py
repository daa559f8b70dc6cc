r"""D3DP on Human3.6M (Shan et al., ICCV 2023): 243 frames, 34.8 million parameters, diffusion.

    repose prepare human36m --source=data --config=camera_cpn_ft_h36m_dbb
    repose train --config=d3dp --workdir=runs/d3dp

CPN keypoints, joints in camera space in metres, every frame evaluated. A training clip is denoised
from a random step of the diffusion; the authors' loss: MPJPE. While it trains a test clip is lifted
in one pass; of many hypotheses:

    repose eval --config=d3dp --workdir=runs/d3dp \
        --config.eval.hypotheses=20 --config.eval.sampling_steps=10

The paper's result, MPJPE in mm (the paper's, not ours; every frame, every video; 20 hypotheses, 10
steps): 39.5, with the hypothesis of each joint chosen by its reprojection with the true root and
camera. The best hypothesis of each joint, chosen by the truth: 35.4.

`3dhp` trains and tests on MPI-INF-3DHP: metric ground truth, keypoints of the ground truth.

Not reproduced: clips are centred in a video there and repeat its edge frames; ours start at its
first frame, and the last one is moved back to end at its last.
"""

from ml_collections import ConfigDict

from configs import zoo
from configs.mpi_inf_3dhp import METRIC
from configs.variants import Variant, apply
from configs.zoo import mixste


def _mpi_inf_3dhp(config: ConfigDict) -> None:
    config.data.update(METRIC.change["data"])
    config.eval.protocol = "mpi_inf_3dhp"


VARIANTS = zoo.variants(
    *mixste.SIZES,
    Variant("3dhp", ("data", "inputs"), "MPI-INF-3DHP instead of Human3.6M", _mpi_inf_3dhp),
)


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = mixste.base("d3dp")
    config.optim.update({"name": "adamw", "lr": 6e-5, "decay": 0.993, "weight_decay": 0.1})
    config.optim.scale_by_loss = True
    config.train.epochs = 400
    return apply(config, variant, VARIANTS, of=__name__)
