"""TFDS builders: each turns one source of motion into records of one schema.

They stand alone: none imports `repose_jax`.
"""
