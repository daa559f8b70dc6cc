"""Activities on the move: feet along a path, placed by the curves of a gait."""

from __future__ import annotations

import dataclasses

import numpy as np

from tfds_builders.synthetic_motion.body import LEFT, RIGHT, SIGN, Controls
from tfds_builders.synthetic_motion.curves import FPS, curve, poses, smooth, wander
from tfds_builders.synthetic_motion.person import EAR, HANG, Person, gestures, stand

GRAVITY = 9.81
"""m/s²."""


@dataclasses.dataclass(frozen=True)
class Gait:
    """Position of the ankle over one gait cycle, from heel strike to heel strike.

    Attributes:
        passing: phase at which the pelvis passes over the foot.
        height: (phase, metres above the standing ankle).
        progress: (phase, fraction of the way from this footprint to the next).
    """

    passing: float
    height: tuple
    progress: tuple


# The foot is flat until heel-off at about 40 % of the cycle, leaves the ground at about 60 %, and
# the ankle is highest just after, as in recorded gait (Winter, "Biomechanics and Motor Control of
# Human Movement"); running has its toe-off before 40 %, and both feet in the air in between.
WALK = Gait(
    passing=0.25,
    height=(
        (0, 0.02),
        (0.08, 0),
        (0.38, 0.005),
        (0.5, 0.04),
        (0.6, 0.12),
        (0.68, 0.155),
        (0.78, 0.1),
        (0.88, 0.035),
        (0.95, 0.025),
    ),
    progress=(
        (0, 0),
        (0.42, 0),
        (0.52, 0.015),
        (0.61, 0.075),
        (0.72, 0.29),
        (0.82, 0.61),
        (0.92, 0.91),
        (1, 1),
    ),
)
RUN = Gait(
    passing=0.14,
    height=(
        (0, 0.03),
        (0.1, 0),
        (0.22, 0.01),
        (0.36, 0.12),
        (0.48, 0.3),
        (0.57, 0.36),
        (0.72, 0.22),
        (0.88, 0.06),
        (0.95, 0.04),
    ),
    progress=(
        (0, 0),
        (0.25, 0),
        (0.36, 0.06),
        (0.48, 0.22),
        (0.6, 0.45),
        (0.75, 0.72),
        (0.88, 0.925),
        (0.95, 0.99),
        (1, 1),
    ),
)
SHUFFLE = Gait(
    passing=0.3,
    height=((0, 0), (0.55, 0), (0.65, 0.04), (0.78, 0.08), (0.9, 0.03)),
    progress=((0, 0), (0.58, 0), (0.68, 0.1), (0.78, 0.5), (0.88, 0.9), (1, 1)),
)


def stride(who, t, rng, gait: Gait, rate, velocity, heading, spread) -> tuple[Controls, np.ndarray]:
    """Moves along a path, placing the feet beside it.

    Args:
        who: the subject.
        t: [t] seconds.
        rng: source of variation.
        gait: how the feet move.
        rate: [t] strides (two steps) per second.
        velocity: [t] metres per second along the heading.
        heading: [t] degrees.
        spread: half the width between the footprints, metres.

    Returns:
        Controls, and the phase [t] of the gait: whole numbers are heel strikes of the right foot.
    """
    c = stand(who, t, rng)
    k = who.body.scale
    phase = rng.uniform(0, 1) + np.cumsum(rate) / FPS
    path = np.cumsum(velocity[:, None] * forward(heading), axis=0) / FPS
    left = forward(heading + 90)
    c.heading = heading
    c.root[:, [0, 2]] += path[:, [0, 2]]
    for side, offset in ((RIGHT, 0.0), (LEFT, 0.5)):
        cycle, within = np.divmod(phase + offset, 1)
        # Footprints: where the pelvis passes over them, to the side of it.
        prints = np.arange(cycle[0] - 1, cycle[-1] + 3)
        when = np.interp(prints + gait.passing, phase + offset, np.arange(len(t)))
        when = when.round().astype(int)
        where = path[when] + SIGN[side] * spread * k * left[when]
        where[:, [0, 2]] += 0.008 * rng.normal(size=(len(prints), 2))
        index = (cycle - prints[0]).astype(int)
        ahead = curve(within, gait.progress)[:, None]
        c.ankles[:, side] = where[index] * (1 - ahead) + where[index + 1] * ahead
        lift = curve(within, gait.height, periodic=True)
        c.ankles[:, side, 1] = who.body.ankle_height + k * lift
    # Lean into curves: the feet stay out, the body goes in.
    turning = np.deg2rad(np.gradient(heading) * FPS)
    lean = np.arctan(velocity * turning / GRAVITY)
    c.root += (0.6 * who.body.standing * np.tan(lean))[:, None] * left
    c.pelvis[:, 1] += 0.6 * np.rad2deg(lean)
    c.head[:, 2] += 0.3 * np.clip(np.rad2deg(turning), -60, 60)
    return c, phase


def swing_arms(who, c: Controls, phase, amount, mean, elbow, elbow_swing) -> None:
    """Arms against legs: when the right foot strikes in front, the left arm is in front."""
    wave = np.cos(2 * np.pi * (phase[:, None] - np.array([0.5, 0.0]) - 0.03))  # [t, 2]
    gain = who.amplitude * (1 + who.asymmetry * SIGN)
    c.arms[..., 0] = mean + amount * gain * wave
    c.arms[..., 3] = elbow + elbow_swing * gain * wave


def walk(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Walks a winding way at 0.9 to 1.6 m/s."""
    k = who.body.scale
    speed = k * who.tempo * rng.uniform(1.0, 1.4) * (1 + 0.06 * wander(rng, t, period=5))
    rate = 0.97 * (speed / (1.3 * k)) ** 0.6 / np.sqrt(k)
    curvature = rng.choice([-1, 1]) / rng.uniform(1.8, 2.8) + 0.15 * wander(rng, t, period=6)
    heading = np.rad2deg(np.cumsum(speed * curvature) / FPS)
    c, phase = stride(who, t, rng, WALK, rate, speed, heading, spread=rng.uniform(0.05, 0.08))
    beat = 2 * np.pi * phase
    bob = 0.02 * k * (speed / rate / (1.35 * k)) ** 2  # longer steps, lower at heel strike
    c.root[:, 1] += bob * np.cos(2 * (beat - 2 * np.pi * 0.28)) - 1.2 * bob - 0.01 * k
    sway = 0.022 * k * np.cos(beat - 2 * np.pi * 0.27)  # over the foot that stands
    c.root -= sway[:, None] * forward(heading + 90)
    c.pelvis += np.stack([3 + 0 * beat, 3 * np.sin(beat - 0.5), 6 * np.cos(beat)], axis=-1)
    c.trunk += np.stack([2 - np.cos(2 * beat), -3 * np.sin(beat - 0.5), -12 * np.cos(beat)], -1)
    c.head[:, 2] += 5 * np.cos(beat)
    swing_arms(who, c, phase, amount=rng.uniform(16, 26), mean=-2, elbow=22, elbow_swing=9)
    return c


def run(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Runs in circles at 2 to 3 m/s."""
    k = who.body.scale
    speed = k * rng.uniform(2.0, 2.8) * np.sqrt(who.tempo) * (1 + 0.04 * wander(rng, t, period=5))
    rate = rng.uniform(1.32, 1.45) * np.sqrt(speed / (2.4 * k)) / np.sqrt(k)
    curvature = rng.choice([-1, 1]) / rng.uniform(2.6, 3.4) + 0.04 * wander(rng, t, period=6)
    heading = np.rad2deg(np.cumsum(speed * curvature) / FPS)
    c, phase = stride(who, t, rng, RUN, rate, speed, heading, spread=0.045)
    beat = 2 * np.pi * phase
    swing = beat + 0.4 * np.pi  # the thigh is in front well before the foot strikes
    c.root[:, 1] += -0.075 * k - 0.035 * k * np.cos(2 * (beat - 2 * np.pi * 0.17))
    c.pelvis += np.stack([5 + 0 * beat, 3 * np.sin(beat - 0.4), 8 * np.cos(swing)], axis=-1)
    c.trunk += np.stack([6 + 0 * beat, -3 * np.sin(beat - 0.4), -20 * np.cos(swing)], axis=-1)
    c.head[:, 2] += 10 * np.cos(swing)
    c.head[:, 0] -= 8
    c.arms[..., 1] += 8
    c.arms[..., 2] = -22
    swing_arms(who, c, phase + 0.2, amount=rng.uniform(30, 40), mean=-8, elbow=92, elbow_swing=12)
    return c


def turn(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Turns on the spot with small steps, one way and the other, looking ahead of the turn."""
    choices = [(-160.0,), (-90.0,), (0.0,), (90.0,), (170.0,)]
    heading = smooth(poses(rng, t, choices, (0.1, 0.5), (1.6, 2.8))[:, 0], 0.25)
    rate = 0.9 * who.tempo + 0.08 * wander(rng, t)
    speed = 0.05 * wander(rng, t)
    c, phase = stride(who, t, rng, SHUFFLE, rate, speed, heading, spread=who.stance)
    beat = 2 * np.pi * phase
    c.root[:, 1] -= 0.015
    sway = 0.03 * np.cos(beat - 2 * np.pi * 0.3)
    c.root -= sway[:, None] * forward(heading + 90)
    c.pelvis[:, 1] += 2 * np.sin(beat)
    c.trunk[:, 1] -= 2 * np.sin(beat)
    turning = np.gradient(heading) * FPS
    c.trunk[:, 2] += 0.1 * turning
    c.head[:, 2] += 0.25 * np.clip(turning, -100, 100)
    swing_arms(who, c, phase, amount=6, mean=3, elbow=20, elbow_swing=4)
    return c


def phone(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Telephones: a hand at the ear, the other moving, pacing slowly."""
    k = who.body.scale
    speed = 0.5 * k * np.exp(0.2 * wander(rng, t))
    rate = 0.55 * who.tempo + 0.25 * speed
    heading = 70 * wander(rng, t, period=7)
    c, phase = stride(who, t, rng, SHUFFLE, rate, speed, heading, spread=0.08)
    c.root[:, 1] -= 0.02 * k
    sway = 0.025 * k * np.cos(2 * np.pi * (phase - 0.3))
    c.root -= sway[:, None] * forward(heading + 90)
    c.pelvis[:, 2] += 3 * np.cos(2 * np.pi * phase)
    hand, other = who.side, 1 - who.side
    c.arms[:, other] = gestures(who, t, rng, rest=HANG)[:, other]
    c.arms[:, hand] = EAR
    c.head[:, 0] += 6
    c.head[:, 1] += 6 * SIGN[hand]
    c.trunk[:, 0] += 3
    return c


def forward(heading: np.ndarray) -> np.ndarray:
    """The direction [t, 3] that a heading [t] in degrees faces."""
    angle = np.deg2rad(heading)
    return np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=-1)
