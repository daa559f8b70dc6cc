import pytest
from flax import nnx

from repose_jax import models

LITE = dict(width=256, mlp_ratio=4)


@pytest.mark.parametrize(
    ("name", "sizes", "count"),
    [
        ("repose", {}, 16_001_549),
        ("motionbert", {}, 42_466_317),
        ("motionbert", LITE, 16_001_549),
    ],
)
def test_has_the_published_parameter_count(name, sizes, count):
    assert models.parameter_count(nnx.eval_shape(lambda: models.create(name, **sizes))) == count


def test_the_lite_model_is_reposes():
    lite, repose = (
        nnx.eval_shape(lambda name=name, sizes=sizes: models.create(name, **sizes))
        for name, sizes in (("motionbert", LITE), ("repose", {}))
    )
    assert nnx.state(lite, nnx.Param) == nnx.state(repose, nnx.Param)
