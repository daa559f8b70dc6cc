"""Human3.6M as in the paper: 243 frames, 16.0 million parameters, AdamW, 100 epochs, flips.

    python main.py --config=configs/h36m.py --workdir=runs/h36m

The paper's results (the paper's, not ours): 36.5 mm MPJPE, 30.7 mm PA-MPJPE; `:baseline` 37.9 and
32.5, `:spatial` 36.9, `:temporal` 37.2. The dataset `human36m` is not among those that
`python -m repose_jax.prepare` can make yet.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(variant: str = "") -> ConfigDict:
    """Returns the experiment; variants are those of `configs.common`."""
    config = common.base()
    config.data.train = ("human36m/50fps:train",)
    config.data.test = ("human36m/50fps:test",)
    common.apply(config, variant)
    return config
