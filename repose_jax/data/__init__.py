"""Datasets in memory, and the clips that a network reads."""
