"""Colours of people and of their sides, as in docs/skeletons.md: red, green, blue of 255."""

from repose_jax.skeleton import HUMAN36M

LEFT, RIGHT, MIDDLE = (40, 120, 216), (238, 131, 34), (107, 118, 134)
# Neither blue nor orange: those are left and right.
PEOPLE = (
    (42, 157, 111),
    (184, 64, 159),
    (122, 91, 208),
    (21, 151, 165),
    (200, 66, 63),
    (138, 138, 31),
    (160, 101, 58),
    (91, 108, 140),
)
SIDES = {**dict.fromkeys(HUMAN36M.left, LEFT), **dict.fromkeys(HUMAN36M.right, RIGHT)}
"""Colour of each joint that has a side; others have that of the person."""


def of_people(count: int) -> list[tuple[int, int, int]]:
    """Returns a colour for each person; the neutral one if there is no other."""
    return [MIDDLE] if count == 1 else [PEOPLE[i % len(PEOPLE)] for i in range(count)]
