import numpy as np
import pytest
from flax import nnx
from golden_files import load

from repose_jax import convert, models


@pytest.mark.parametrize("name", ["motionbert_tiny", "motionbert_full_t27"])
def test_reproduces_the_published_model(name):
    arrays, weights, sizes = load(name)
    model = convert.from_torch("motionbert", weights, **sizes)
    assert models.parameter_count(model) == arrays["params"]
    out = nnx.jit(lambda model, x: model(x))(model, arrays["x"])
    scale = np.abs(arrays["y0"]).max()
    np.testing.assert_allclose(out, arrays["y0"], rtol=0, atol=1e-5 * scale)
