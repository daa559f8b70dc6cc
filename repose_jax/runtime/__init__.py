"""What every room runs on: devices, checkpoints, logs, signals."""
