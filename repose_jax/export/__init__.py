"""A trained model for other programs: StableHLO, ONNX, and the layout of the authors' PyTorch."""
