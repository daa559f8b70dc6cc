"""Accuracy of weights on prepared test splits and on a recording with two cameras."""
