"""Machinery of every room: devices, checkpoints, logs, signals."""
