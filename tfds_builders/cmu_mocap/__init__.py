"""The CMU Graphics Lab Motion Capture Database."""
