"""RePOSE in JAX: lifting 2D human joints to 3D with relational depth losses.

Shapes are written with one set of letters throughout: ``b`` clips in a batch, ``t`` frames, ``j``
joints, ``c`` channels, ``h`` attention heads. Positions are in millimetres in camera space (x
right, y down, z away from the camera) wherever a docstring does not say otherwise.
"""

__version__ = "0.1.0"
