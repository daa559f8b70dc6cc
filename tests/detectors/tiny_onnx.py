"""ONNX models of some hundred bytes in the layouts of real detectors."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = list[int | str]


def save(
    path: pathlib.Path,
    nodes: list[onnx.NodeProto],
    size: tuple[int | str, int | str],
    outputs: dict[str, Shape],
    constants: dict[str, np.ndarray] | None = None,
    *,
    batch: int | str = "batch",
    input_type: int = TensorProto.FLOAT,
    output_type: int = TensorProto.FLOAT,
) -> pathlib.Path:
    """Writes a model of the input `image` `[batch, 3, *size]`."""
    types = {"labels": TensorProto.INT64}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", input_type, [batch, 3, *size])],
        [
            helper.make_tensor_value_info(name, types.get(name, output_type), shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def pose(
    path: pathlib.Path,
    joints: int = 26,
    size: tuple[int, int] = (256, 192),
    *,
    channel: int | None = None,
    gain: float = 0.5,
    batch: int | str = "batch",
) -> pathlib.Path:
    """Writes a SimCC model that finds the brightest column and row of the crop.

    Every joint has the mean over rows as its bins in x and the mean over columns in y, spread over
    the bins by linear interpolation. Black is below 0.

    Args:
        path: of the file.
        joints: number of joints.
        size: height and width of the crop.
        channel: the only channel that it reads; None for the mean of all.
        gain: factor from means to scores.
        batch: first dimension of the input.
    """
    height, width = size
    constants = {
        "rows": np.full((1, height), gain / height, np.float32),
        "columns": np.full((width, 1), gain / width, np.float32),
        "to_x": _spread(width),
        "to_y": _spread(height).T.copy(),
        "shape_x": np.array([0, 1, 2 * width]),
        "shape_y": np.array([0, 1, 2 * height]),
        "times": np.array([1, joints, 1]),
        "channel": np.array([0 if channel is None else channel]),
        "black": np.array(-1.8, np.float32),  # of the brightest channel, normalised
    }
    chosen = (
        helper.make_node("ReduceMean", ["image"], ["chosen"], axes=[1], keepdims=1)
        if channel is None
        else helper.make_node("Gather", ["image", "channel"], ["chosen"], axis=1)
    )
    nodes = [
        chosen,
        helper.make_node("Sub", ["chosen", "black"], ["grey"]),
        helper.make_node("MatMul", ["rows", "grey"], ["mean_x"]),  # [n, 1, 1, w]
        helper.make_node("MatMul", ["mean_x", "to_x"], ["wide_x"]),
        helper.make_node("Reshape", ["wide_x", "shape_x"], ["one_x"]),
        helper.make_node("Tile", ["one_x", "times"], ["simcc_x"]),
        helper.make_node("MatMul", ["grey", "columns"], ["mean_y"]),  # [n, 1, h, 1]
        helper.make_node("MatMul", ["to_y", "mean_y"], ["wide_y"]),
        helper.make_node("Reshape", ["wide_y", "shape_y"], ["one_y"]),
        helper.make_node("Tile", ["one_y", "times"], ["simcc_y"]),
    ]
    outputs: dict[str, Shape] = {
        "simcc_x": [batch, joints, 2 * width],
        "simcc_y": [batch, joints, 2 * height],
    }
    return save(path, nodes, size, outputs, constants, batch=batch)


def constant(
    path: pathlib.Path,
    size: tuple[int | str, int | str],
    outputs: dict[str, np.ndarray],
    **how,
) -> pathlib.Path:
    """Writes a model whose outputs do not depend on the image."""
    nodes = [helper.make_node("Identity", [f"{name}_is"], [name]) for name in outputs]
    return save(
        path,
        nodes,
        size,
        {name: list(values.shape) for name, values in outputs.items()},
        {f"{name}_is": values for name, values in outputs.items()},
        **{"batch": 1, **how},
    )


def people(
    path: pathlib.Path, boxes: list[list[float]], size: tuple[int, int] = (64, 64)
) -> pathlib.Path:
    """Writes a YOLOX with suppression inside: boxes with scores, in px of its image."""
    return constant(path, size, {"dets": np.array(boxes, np.float32).reshape(1, -1, 5)})


def _spread(length: int) -> np.ndarray:
    """Returns the map from px to bins of half a px."""
    matrix = np.zeros((length, 2 * length), np.float32)
    px = np.arange(length)
    matrix[px, 2 * px] = 1
    matrix[px, 2 * px + 1] += 0.5
    matrix[px[1:], 2 * px[1:] - 1] += 0.5
    return matrix
