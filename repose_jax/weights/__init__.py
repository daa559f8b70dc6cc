"""Models as single files with their configuration, and those that ship in this folder."""
