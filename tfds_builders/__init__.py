"""TFDS builders: each turns one source of motion into records of one schema, without importing `repose_jax`."""
