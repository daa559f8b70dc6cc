"""What is minimised: losses, and their weighted sum."""
