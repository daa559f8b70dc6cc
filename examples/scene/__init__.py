"""A synthetic person in a synthetic room, and pictures of them."""
