"""The numbers that a source gives people: which of them are evidence."""

import numpy as np
from jaxtyping import Int

MOST_SHARED = 1 / 20
"""Share of its frames in which several poses may have a number, for it to count in the others."""


def unshared(
    frame: Int[np.ndarray, " n"], identity: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Returns the numbers of people, -1 where they are no evidence.

    A number that several poses of a frame share is none for them; one that is shared in more than
    `MOST_SHARED` of its frames is none at all.

    Args:
        frame: of each pose.
        identity: number of the person of each pose, negative if none.
    """
    pairs, where, count = np.unique(
        np.stack([frame, identity], 1), axis=0, return_inverse=True, return_counts=True
    )
    repeats = count > 1
    numbers, number_of, frames = np.unique(pairs[:, 1], return_inverse=True, return_counts=True)
    bad = np.bincount(number_of, repeats, len(numbers)) > frames * MOST_SHARED
    where = where.reshape(-1)
    return np.where((identity < 0) | repeats[where] | bad[number_of[where]], -1, identity)
