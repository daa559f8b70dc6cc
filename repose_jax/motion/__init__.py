"""The 3D motion of people: the result of lifting, and the files that it is written to."""
