"""From poses in single frames to people: tracks, left and right, outliers, gaps."""
