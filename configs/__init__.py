"""Experiments: `--config=configs/NAME.py:VARIANT,...`."""
