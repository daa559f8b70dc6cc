"""Training: from a configuration to weights."""
