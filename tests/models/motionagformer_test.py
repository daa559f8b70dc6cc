import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import convert, models

NAMES = {  # of the sizes in the published code -> ours
    "n_frames": "frames",
    "num_joints": "joints",
    "dim_in": "in_channels",
    "dim_feat": "width",
    "dim_rep": "representation",
    "n_layers": "depth",
    "num_heads": "heads",
    "mlp_ratio": "mlp_ratio",
    "neighbour_num": "neighbours",
}


@pytest.mark.parametrize("name", ["motionagformer_tiny", "motionagformer_xs_t27"])
def test_reproduces_the_published_model(name):
    arrays, weights, sizes = load(name, NAMES)
    model = convert.from_torch("motionagformer", weights, **sizes)
    assert models.parameter_count(model) == arrays["params"]
    out = nnx.jit(lambda model, x: model(x))(model, arrays["x"])
    scale = np.abs(arrays["y0"]).max()
    np.testing.assert_allclose(out, arrays["y0"], rtol=0, atol=1e-5 * scale)
