"""Subjects: a body and a manner of moving it; how they stand, and talk with their hands.

Arms are given as (shoulder flexion, abduction, external rotation, elbow flexion), in degrees.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from tfds_builders.synthetic_motion.body import LEFT, RIGHT, SIGN, Body, Controls
from tfds_builders.synthetic_motion.curves import poses, wander

HANG = (2, 8, 0, 14)
FRONT = (18, 8, -30, 80)
OPEN = (22, 18, 20, 75)
POINT = (75, 15, 0, 12)
HIP = (-18, 42, -68, 92)
FOLDED = (28, 8, -68, 105)
CHIN = (48, 4, -25, 138)
SHRUG = (8, 28, 35, 100)
EAR = (74, 34, 0, 144)
LAP = (24, 8, -18, 58)
GUARD = (50, 6, -6, 138)


@dataclasses.dataclass(frozen=True)
class Person:
    """One subject: a body and a manner of moving it."""

    name: str
    body: Body
    tempo: float  # speed of everything, 1 is usual
    amplitude: float  # size of gestures and arm swings, 1 is usual
    asymmetry: float  # in [-1, 1]: positive swings the left arm more
    slouch: float  # degrees that the upper trunk leans forward
    elbows_out: float  # degrees of abduction of hanging arms
    stance: float  # half the width between the feet, metres
    side: int  # the preferred hand and foot, RIGHT or LEFT


def sample(name: str, rng: np.random.Generator) -> Person:
    """Samples a subject: 1.7 m tall +- 10 %, with proportions that differ a little, and a style."""
    height = rng.uniform(0.9, 1.1)
    leg, trunk, arm = rng.uniform(0.96, 1.04, 3)
    width, skull = rng.uniform(0.93, 1.07, 2)
    mean = Body()
    body = Body(
        hip=mean.hip * height * width,
        thigh=mean.thigh * height * leg,
        shin=mean.shin * height * leg,
        spine=mean.spine * height * trunk,
        thorax=mean.thorax * height * trunk,
        neck=mean.neck * height * skull,
        head=mean.head * height * skull,
        clavicle=mean.clavicle * height * width,
        upper_arm=mean.upper_arm * height * arm,
        forearm=mean.forearm * height * arm,
    )
    return Person(
        name=name,
        body=body,
        tempo=rng.uniform(0.85, 1.15),
        amplitude=rng.uniform(0.8, 1.2),
        asymmetry=rng.uniform(-0.3, 0.3),
        slouch=rng.uniform(-2, 10),
        elbows_out=rng.uniform(-2, 6),
        stance=rng.uniform(0.09, 0.14),
        side=RIGHT if rng.random() < 0.75 else LEFT,
    )


def stand(who: Person, t: np.ndarray, rng: np.random.Generator, width: float = 1.0) -> Controls:
    """Stands at the origin, facing +Z, the arms hanging, swaying a little."""
    body, frames = who.body, len(t)
    ankles = np.empty((frames, 2, 3))
    ankles[..., 0] = SIGN * who.stance * width * body.scale
    ankles[..., 1] = body.ankle_height
    ankles[..., 2] = rng.uniform(-0.04, 0.02, 2)
    root = np.zeros((frames, 3))
    root[:, [0, 2]] = 0.012 * wander(rng, t, (2,), period=4)
    root[:, 1] = body.standing
    return Controls(
        heading=np.zeros(frames),
        root=root,
        pelvis=np.zeros((frames, 3)),
        trunk=np.zeros((frames, 3)),
        head=np.zeros((frames, 3)),
        arms=np.tile(np.array(HANG, float), (frames, 2, 1)),
        ankles=ankles,
        splay=np.zeros((frames, 2)),
    )


def gestures(who: Person, t: np.ndarray, rng: np.random.Generator, rest: tuple) -> np.ndarray:
    """Arms [t, 2, 4] of someone who talks: from pose to pose, with beats while the hands are up."""
    both = [(rest, rest), (FRONT, FRONT), (OPEN, OPEN), (FRONT, rest), (rest, OPEN)]
    both += [(SHRUG, SHRUG), (rest, CHIN), (POINT, rest), (HIP, HIP), (FRONT, OPEN)]
    if rng.random() < 0.4:
        both += [(FOLDED, FOLDED)]
    both = np.array(both, float)
    if who.side == RIGHT:
        both = both[:, ::-1]
    arms = poses(rng, t, both.reshape(len(both), 8), (0.3, 1.6), (0.5, 1.0)).reshape(-1, 2, 4)
    lively = np.clip((arms[..., 3:] - 50) / 40, 0, 1) * who.amplitude
    return arms + lively * np.array([5, 3, 8, 10]) * wander(rng, t, (2, 4), period=0.9)
