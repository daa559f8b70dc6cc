"""Detectors of 2D poses in the frames of videos."""
