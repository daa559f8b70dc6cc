"""Lifting of 2D joints that do not come from a prepared dataset."""
