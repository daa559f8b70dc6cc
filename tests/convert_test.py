import numpy as np
import pytest
from golden_files import load

from repose_jax import convert

CONFIG = dict(frames=27, width=32, depth=2, heads=4, representation=64)


def test_names_may_carry_the_prefix_of_data_parallel_checkpoints():
    _, weights, _ = load("repose_tiny")
    plain = convert.from_torch("repose", weights, **CONFIG)
    prefixed = convert.from_torch(
        "repose", {f"module.{k}": v for k, v in weights.items()}, **CONFIG
    )
    np.testing.assert_array_equal(plain.head.kernel[...], prefixed.head.kernel[...])
    np.testing.assert_array_equal(plain.head.kernel[...], weights["head.weight"].T)


def test_every_tensor_must_be_used_and_every_parameter_filled():
    _, weights, _ = load("repose_tiny")
    weights["blocks_st.0.attn_s.extra"] = np.zeros(3)
    del weights["norm.bias"]
    weights["head.bias"] = np.zeros(4)
    with pytest.raises(ValueError, match="does not fit 'repose'") as error:
        convert.from_torch("repose", weights, **CONFIG)
    for part in ("unused tensor blocks_st.0.attn_s.extra", "nothing fills ('norm', 'bias')"):
        assert part in str(error.value)
    assert "head.bias gives (4,)" in str(error.value)
