"""CMU motion capture: some subjects train, others test.

    repose prepare cmu_mocap --source=allasfamc.zip
    repose train --config=cmu_mocap --workdir=runs/cmu_mocap

The paper's model and recipe on 243 frames at 30 frames per second.
"""

from ml_collections import ConfigDict

from configs import common
from configs.variants import apply

VARIANTS = common.VARIANTS


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment."""
    config = common.base()
    config.data.train = ("cmu_mocap/30fps:train",)
    config.data.test = ("cmu_mocap/30fps:test",)
    return apply(config, variant, VARIANTS, of=__name__)
