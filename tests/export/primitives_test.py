"""Single operations of JAX in onnxruntime."""

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from jax import export

from repose_jax.export import graph as graph_lib
from repose_jax.export.primitives import OPSET, convert

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def run(function, x=X):
    """Converts a function of an array `[b, 4, 5]` and runs it."""
    (batch,) = export.symbolic_shape("b")
    graph = graph_lib.Graph(batch)
    traced = jax.jit(function).trace(jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)).jaxpr
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph.nodes.append(helper.make_node("Shape", ["x"], [graph_lib.COUNT], start=0, end=1))
    tensor = graph_lib.Tensor("x", (batch, *x.shape[1:]))
    (result,) = convert(graph, traced.jaxpr, traced.consts, [tensor])
    graph.nodes.append(helper.make_node("Identity", [graph.name(result)], ["y"]))
    made = helper.make_graph(
        graph.nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, ["b", *x.shape[1:]])],
        [helper.make_tensor_value_info("y", kind, [None] * jax.eval_shape(function, x).ndim)],
        [onnx.numpy_helper.from_array(a, name) for name, a in graph.initializers.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.broadcast_to(jnp.arange(5.0), x.shape),
        lambda x: jnp.concatenate([x, jnp.ones((x.shape[0], 2, 5))], axis=1),
        lambda x: jnp.pad(x, ((0, 0), (1, 2), (0, 0)), constant_values=3),
        lambda x: x[:, ::-1][:, 1:4:2],
        lambda x: x[:, jnp.array([[0, 2], [1, 1]])],
        lambda x: x[..., jnp.array([4, 0])],
        lambda x: x[:, 2],
        lambda x: jnp.einsum("btc,bsc->bts", x, x),
        lambda x: jnp.einsum("btc,dct->bd", x, jnp.arange(40.0).reshape(2, 5, 4)),
        lambda x: jnp.einsum("st,btc->bsc", jnp.arange(8.0).reshape(2, 4), x),
        lambda x: jax.lax.top_k(x, 2)[0],
        lambda x: jnp.sort(x, axis=1),
        lambda x: jnp.where(x > 0, x, x.min(axis=-1, keepdims=True)),
        lambda x: jnp.isfinite(jnp.log(x)).astype(jnp.float32),
        lambda x: jnp.take_along_axis(x, jnp.argmax(x, axis=-1, keepdims=True), axis=-1),
        lambda x: jnp.stack([x, 2 * x], axis=2).reshape(2 * x.shape[0], 4, 5),
        lambda x: jnp.stack(jnp.unstack(x, axis=1)[::-1], axis=-1),
        lambda x: jax.nn.softmax(x, axis=1) * jax.scipy.special.erfc(x),
        lambda x: jnp.cumsum(x, axis=2, dtype=jnp.float32),
    ],
)
def test_an_operation_computes_the_same(function):
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(run(function), function(X), rtol=1e-5, atol=1e-5)


def test_an_unknown_operation_is_refused_by_its_name():
    with pytest.raises(ValueError, match="uses JAX's 'scan', which is not known here; --to=stab"):
        run(lambda x: jax.lax.scan(lambda a, b: (a + b, a), x[:, 0], x.swapaxes(0, 1))[0])
