"""2D joints of people in videos: what detectors found, and the files that hold it."""
