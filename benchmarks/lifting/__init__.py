"""The whole of lifting, from a video or 2D joints to people in a world: accuracy and speed."""
