"""Evaluation: metrics, protocols, tables and pictures."""

from repose_jax.evaluation.metrics import metric as metric
