"""Procedural human motion: activities as key poses and gait curves, animated by `body.joints`.

An activity is a function `(person, t, rng) -> Controls` of the time `t` in seconds. It starts from
`person.stand` and changes the controls of the activity; `generate` adds small variations to every
take. Bends are given as (forward, to the left, turned left), in degrees; lengths are metres of the
mean body, scaled by `Body.scale`.

All randomness is from the given generator: the same seed gives the same motion.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfds_builders.mocap.face import place_face
from tfds_builders.synthetic_motion import body as body_lib
from tfds_builders.synthetic_motion import gait, in_place
from tfds_builders.synthetic_motion.body import Controls
from tfds_builders.synthetic_motion.curves import FPS, smooth, wander
from tfds_builders.synthetic_motion.person import Person

MARGIN = 1.5
"""Seconds before and after a take, so that every step in it has a neighbour."""

ACTIVITIES: dict[str, Callable[[Person, np.ndarray, np.random.Generator], Controls]] = {
    "walk": gait.walk,
    "run": gait.run,
    "turn": gait.turn,
    "sit_down": in_place.sit_down,
    "sit": in_place.sit,
    "squat": in_place.squat,
    "jump": in_place.jump,
    "kick": in_place.kick,
    "wave": in_place.wave,
    "pick_up": in_place.pick_up,
    "box": in_place.box,
    "throw": in_place.throw,
    "stretch": in_place.stretch,
    "talk": in_place.talk,
    "phone": gait.phone,
}


def generate(
    who: Person, activity: str, seconds: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Generates one take of a person doing an activity.

    Args:
        who: the subject.
        activity: a key of `ACTIVITIES`.
        seconds: length of the take.
        rng: random generator of all variation.

    Returns:
        [t, 17, 3] joints and [t, 3, 3] nose and ears at `FPS` frames per second, metres, world
        right-handed Y up, the ground at y = 0, the pelvis on average over the origin.

    Raises:
        ValueError: unknown activity.
    """
    if activity not in ACTIVITIES:
        raise ValueError(f"unknown activity {activity!r}; known: {', '.join(ACTIVITIES)}")
    margin = round(MARGIN * FPS)
    frames = round(seconds * FPS)
    t = (np.arange(frames + 2 * margin) - margin) / FPS
    controls = ACTIVITIES[activity](who, t, rng)

    controls.pelvis += 1.0 * wander(rng, t, (3,))
    controls.trunk += np.array([2.0, 1.2, 2.0]) * wander(rng, t, (3,))
    controls.trunk[:, 0] += who.slouch
    controls.head += np.array([4.0, 2.5, 8.0]) * wander(rng, t, (3,))
    controls.head[:, 0] -= 0.6 * who.slouch
    controls.arms += np.array([2.5, 2.0, 5.0, 4.0]) * wander(rng, t, (2, 4))
    controls.arms[..., 1] += who.elbows_out
    controls.splay += rng.uniform(2, 12, 2) + 1.5 * wander(rng, t, (2,))
    for angles in (controls.pelvis, controls.trunk, controls.head, controls.arms):
        angles[:] = smooth(angles)
    controls.root[:] = smooth(controls.root)
    controls.ankles[:] = smooth(controls.ankles, 0.02)

    taken = slice(margin, margin + frames)
    joints = body_lib.joints(who.body, controls)[taken]
    joints[..., [0, 2]] -= joints[:, :1, [0, 2]].mean(axis=0)
    turn = body_lib.turn(np.array(rng.uniform(0, 360)))
    joints = joints @ turn.T
    return joints, place_face(joints, turn @ body_lib.head_axes(controls)[taken])
