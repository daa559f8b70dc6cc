"""Readers of the files of detectors, one module for a family of formats."""
