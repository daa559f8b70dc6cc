"""Evaluation: metrics, protocols, tables and pictures."""
