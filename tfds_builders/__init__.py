"""TFDS builders: each converts one source of motion to records of one schema.

They do not import `repose_jax`.
"""
