"""A program as an ONNX model, which onnxruntime and others run without Python or JAX.

The function is traced by JAX for a symbolic number of clips, and its primitives become nodes
(`repose_jax.export.primitives`). The model's parameters are constants under their own names.
"""

import json
from typing import Any

import jax
import numpy as np
from jax import export

from repose_jax.export.graph import COUNT, Graph, Tensor, Value
from repose_jax.export.primitives import OPSET, convert
from repose_jax.export.program import BATCH, OUTPUT, Program
from repose_jax.weights import file


def content(program: Program, dtype: str = "float32") -> bytes:
    """Returns the bytes of the file.

    Its metadata are the entries of `Program.about`, as JSON.

    Args:
        program: the model.
        dtype: of the parameters in the file, "float16" or "float32"; it computes in float32.

    Raises:
        ImportError: the package of ONNX is not installed; names the extra.
        ValueError: the model has a primitive that is not known here.
    """
    (batch,) = export.symbolic_shape(BATCH)
    graph = Graph(batch)
    params = file.arrays(program.variables, dtype)
    shapes = jax.tree.unflatten(
        jax.tree.structure(program.variables),
        [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in params.values()],
    )
    specs = program.specs(batch)
    traced = jax.jit(program.__call__).trace(shapes, specs).jaxpr
    graph.initializers |= params
    args = [Tensor(name, array.shape) for name, array in params.items()]
    # JAX sorts the names of a dictionary.
    args += [Tensor(name, spec.shape) for name, spec in sorted(specs.items())]
    first = next(iter(specs))
    ends = {"start": 0, "end": 1}
    graph.nodes.append(graph.onnx.helper.make_node("Shape", [first], [COUNT], **ends))
    (result,) = convert(graph, traced.jaxpr, traced.consts, args)
    return _model(graph, program, result).SerializeToString()


def _model(graph: Graph, program: Program, result: Value) -> Any:
    """Returns the model of a graph, checked."""
    helper, onnx = graph.onnx.helper, graph.onnx
    graph.nodes.append(helper.make_node("Identity", [graph.name(result)], [OUTPUT]))
    kind = onnx.TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info(name, kind, [BATCH, *shape])
        for name, shape in program.inputs.items()
    ]
    shape, meaning = program.about["output"]
    used = {name for node in graph.nodes for name in node.input}
    initializers = [
        onnx.numpy_helper.from_array(np.asarray(array, order="C"), name)
        for name, array in graph.initializers.items()
        if name in used
    ]
    made = helper.make_graph(
        graph.nodes,
        str(program.about["model"]["name"]),
        inputs,
        [helper.make_tensor_value_info(OUTPUT, kind, shape)],
        initializers,
        doc_string=f"{OUTPUT}: {meaning}",
    )
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,  # of operator set 18; later ones are refused by older runtimes
        producer_name="repose_jax",
        producer_version=program.about["version"],
    )
    helper.set_model_props(
        model,
        {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in program.about.items()
        },
    )
    onnx.checker.check_model(model)
    return model
