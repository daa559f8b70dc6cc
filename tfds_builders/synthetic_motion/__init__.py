"""`synthetic_motion`: procedural human motion, generated, with nothing to download."""
