"""Simulation of training data: what cameras and detectors would have seen of recorded motions."""
