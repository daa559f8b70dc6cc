"""A program as serialised StableHLO, for CPU, CUDA and TPU.

JAX reads it, of this and of later releases, without `repose_jax`:

    import jax, pathlib

    program = jax.export.deserialize(bytearray(pathlib.Path("lift.stablehlo").read_bytes()))
    joints = jax.jit(program.call)({"keypoints": keypoints, ...})

`program.in_avals` and `program.in_tree` name the inputs and their shapes.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import export

from repose_jax.export.program import BATCH, Program
from repose_jax.weights import file

PLATFORMS = ("cpu", "cuda", "tpu")


def content(program: Program, dtype: str = "float32") -> bytes:
    """Returns the bytes of the file: the function of a dictionary of arrays, with its parameters.

    Args:
        program: the model.
        dtype: of the parameters in the file, "float16" or "float32"; it computes in float32.
    """
    structure = jax.tree.structure(program.variables)
    stored = file.arrays(program.variables, dtype).values()
    variables = jax.tree.unflatten(structure, map(jnp.asarray, stored))

    def lift(inputs: dict[str, Any]) -> Any:
        return program(variables, inputs)

    (batch,) = export.symbolic_shape(BATCH)
    exported = export.export(jax.jit(lift), platforms=PLATFORMS)(program.specs(batch))
    return bytes(exported.serialize())
