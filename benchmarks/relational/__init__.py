"""The relational losses of depth compared: which help, by how much, at which weight."""
