"""Procedural human motion: activities as key poses and gait curves, animated by `body.joints`.

An activity is a function `(person, t, rng) -> Controls` of the time `t` in seconds. It starts from
`_stand` and changes the controls of the activity; `generate` adds small variations to every take.
Arms are given as (shoulder flexion, abduction, external rotation, elbow flexion) and bends as
(forward, to the left, turned left), in degrees; lengths are metres of the mean body, scaled by
`Body.scale`.

All randomness is from the given generator: the same seed gives the same motion.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tfds_builders.mocap.face import place_face
from tfds_builders.synthetic_motion import body as body_lib
from tfds_builders.synthetic_motion.body import LEFT, RIGHT, SIGN, Body, Controls

FPS = 60.0
MARGIN = 1.5  # seconds before and after a take, so that every step in it has a neighbour
GRAVITY = 9.81

# Arms, as (flexion, abduction, external rotation, elbow).
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


def person(name: str, rng: np.random.Generator) -> Person:
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
        angles[:] = _smooth(angles)
    controls.root[:] = _smooth(controls.root)
    controls.ankles[:] = _smooth(controls.ankles, 0.02)

    taken = slice(margin, margin + frames)
    joints = body_lib.joints(who.body, controls)[taken]
    joints[..., [0, 2]] -= joints[:, :1, [0, 2]].mean(axis=0)
    turn = body_lib.turn(np.array(rng.uniform(0, 360)))
    joints = joints @ turn.T
    return joints, place_face(joints, turn @ body_lib.head_axes(controls)[taken])


# Tools of the activities.


def wander(
    rng: np.random.Generator, t: np.ndarray, shape: Sequence[int] = (), period: float = 2.5
) -> np.ndarray:
    """Smooth noise [t, *shape] of unit variance: sinusoids with periods about `period` seconds."""
    waves = 5
    frequency = rng.uniform(0.2, 1.6, (waves, *shape)) / period
    phase = rng.uniform(0, 2 * np.pi, (waves, *shape))
    t = t.reshape(-1, *[1] * (1 + len(shape)))
    return np.sqrt(2 / waves) * np.sin(2 * np.pi * frequency * t + phase).sum(axis=1)


def curve(x: np.ndarray, points, periodic: bool = False) -> np.ndarray:
    """Monotone cubic interpolation (Fritsch & Carlson, 1980): smooth and without overshoot.

    Args:
        x: [t] where to evaluate; beyond the points the end values hold.
        points: pairs (position, value), sorted; a value is a number or a tuple of [c] numbers.
        periodic: the curve repeats with period 1.

    Returns:
        [t] or [t, c] values.
    """
    at = np.array([position for position, _ in points], float)
    values = np.array([value for _, value in points], float)
    if periodic:
        x = x % 1
        at = np.concatenate([at - 1, at, at + 1])
        values = np.concatenate([values, values, values])
        at, first = np.unique(at, return_index=True)
        values = values[first]
    width = np.diff(at).reshape(-1, *[1] * (values.ndim - 1))
    secants = np.diff(values, axis=0) / width
    before, after = secants[:-1], secants[1:]
    same = before * after > 0
    total = np.where(same, before + after, 1)
    slopes = np.zeros_like(values)
    slopes[1:-1] = np.where(same, 2 * before * after / total, 0)  # harmonic mean
    return hermite(x, at, values, slopes)


def hermite(x: np.ndarray, at: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    """Cubic interpolation of `values` [n, ...] with `slopes` [n, ...] at positions `at` [n]."""
    x = np.clip(x, at[0], at[-1])
    k = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    trailing = [1] * (values.ndim - 1)
    width = np.diff(at)[k].reshape(-1, *trailing)
    u = (x - at[k]).reshape(-1, *trailing) / width
    blend = u * u * (3 - 2 * u)
    bend = u * (1 - u) * ((1 - u) * slopes[k] - u * slopes[k + 1])
    return values[k] * (1 - blend) + values[k + 1] * blend + width * bend


def repeats(
    rng: np.random.Generator, t: np.ndarray, period: float
) -> tuple[np.ndarray, Callable[[float, float], np.ndarray]]:
    """Splits the time into repetitions of about `period` seconds, no two of the same length.

    Returns:
        phase [t] in [0, 1) within the repetition, and `draw(low, high)`, which gives a random
        number [t] that is constant within a repetition.
    """
    count = int((t[-1] - t[0]) / (0.75 * period)) + 3
    starts = np.cumsum(period * rng.uniform(0.8, 1.2, count)) + t[0] - 1.2 * period
    index = np.searchsorted(starts, t, side="right")
    edges = np.concatenate([[t[0] - 2.4 * period], starts])
    duration = np.diff(edges, append=starts[-1] + period)[index]
    phase = (t - edges[index]) / duration

    def draw(low: float, high: float) -> np.ndarray:
        return rng.uniform(low, high, count + 1)[index]

    return phase, draw


def poses(rng: np.random.Generator, t: np.ndarray, choices, hold: tuple, move: tuple) -> np.ndarray:
    """Goes from one of the `choices` (tuples of [c] numbers) to another, holding each a while.

    Returns:
        [t, c] values.
    """
    choices = np.array(choices, float)
    points, now, last = [], t[0], -1
    while not points or now < t[-1]:
        pick = rng.choice([i for i in range(len(choices)) if i != last or len(choices) == 1])
        end = now + rng.uniform(*hold)
        points += [(now, choices[pick]), (end, choices[pick])]
        now, last = end + rng.uniform(*move), pick
    return curve(t, points)


def _smooth(x: np.ndarray, seconds: float = 0.03) -> np.ndarray:
    """Rounds the corners of `x` [t, ...] with a Gaussian of this standard deviation."""
    reach = int(3 * seconds * FPS) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / (seconds * FPS)) ** 2)
    padded = np.pad(x, [(reach, reach)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, len(kernel), axis=0)
    return windows @ (kernel / kernel.sum())


def _stand(who: Person, t: np.ndarray, rng: np.random.Generator, width: float = 1.0) -> Controls:
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


def _gestures(who: Person, t: np.ndarray, rng: np.random.Generator, rest: tuple) -> np.ndarray:
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


def _forward(heading: np.ndarray) -> np.ndarray:
    """The direction [t, 3] that a heading [t] in degrees faces."""
    angle = np.deg2rad(heading)
    return np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=-1)


# Activities on the move.


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


def _stride(
    who, t, rng, gait: Gait, rate, velocity, heading, spread
) -> tuple[Controls, np.ndarray]:
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
    c = _stand(who, t, rng)
    k = who.body.scale
    phase = rng.uniform(0, 1) + np.cumsum(rate) / FPS
    path = np.cumsum(velocity[:, None] * _forward(heading), axis=0) / FPS
    left = _forward(heading + 90)
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


def _swing_arms(who, c: Controls, phase, amount, mean, elbow, elbow_swing) -> None:
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
    c, phase = _stride(who, t, rng, WALK, rate, speed, heading, spread=rng.uniform(0.05, 0.08))
    beat = 2 * np.pi * phase
    bob = 0.02 * k * (speed / rate / (1.35 * k)) ** 2  # longer steps, lower at heel strike
    c.root[:, 1] += bob * np.cos(2 * (beat - 2 * np.pi * 0.28)) - 1.2 * bob - 0.01 * k
    sway = 0.022 * k * np.cos(beat - 2 * np.pi * 0.27)  # over the foot that stands
    c.root -= sway[:, None] * _forward(heading + 90)
    c.pelvis += np.stack([3 + 0 * beat, 3 * np.sin(beat - 0.5), 6 * np.cos(beat)], axis=-1)
    c.trunk += np.stack([2 - np.cos(2 * beat), -3 * np.sin(beat - 0.5), -12 * np.cos(beat)], -1)
    c.head[:, 2] += 5 * np.cos(beat)
    _swing_arms(who, c, phase, amount=rng.uniform(16, 26), mean=-2, elbow=22, elbow_swing=9)
    return c


def run(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Runs in circles at 2 to 3 m/s."""
    k = who.body.scale
    speed = k * rng.uniform(2.0, 2.8) * np.sqrt(who.tempo) * (1 + 0.04 * wander(rng, t, period=5))
    rate = rng.uniform(1.32, 1.45) * np.sqrt(speed / (2.4 * k)) / np.sqrt(k)
    curvature = rng.choice([-1, 1]) / rng.uniform(2.6, 3.4) + 0.04 * wander(rng, t, period=6)
    heading = np.rad2deg(np.cumsum(speed * curvature) / FPS)
    c, phase = _stride(who, t, rng, RUN, rate, speed, heading, spread=0.045)
    beat = 2 * np.pi * phase
    swing = beat + 0.4 * np.pi  # the thigh is in front well before the foot strikes
    c.root[:, 1] += -0.075 * k - 0.035 * k * np.cos(2 * (beat - 2 * np.pi * 0.17))
    c.pelvis += np.stack([5 + 0 * beat, 3 * np.sin(beat - 0.4), 8 * np.cos(swing)], axis=-1)
    c.trunk += np.stack([6 + 0 * beat, -3 * np.sin(beat - 0.4), -20 * np.cos(swing)], axis=-1)
    c.head[:, 2] += 10 * np.cos(swing)
    c.head[:, 0] -= 8
    c.arms[..., 1] += 8
    c.arms[..., 2] = -22
    _swing_arms(who, c, phase + 0.2, amount=rng.uniform(30, 40), mean=-8, elbow=92, elbow_swing=12)
    return c


def turn(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Turns on the spot with small steps, one way and the other, looking ahead of the turn."""
    choices = [(-160.0,), (-90.0,), (0.0,), (90.0,), (170.0,)]
    heading = _smooth(poses(rng, t, choices, (0.1, 0.5), (1.6, 2.8))[:, 0], 0.25)
    rate = 0.9 * who.tempo + 0.08 * wander(rng, t)
    speed = 0.05 * wander(rng, t)
    c, phase = _stride(who, t, rng, SHUFFLE, rate, speed, heading, spread=who.stance)
    beat = 2 * np.pi * phase
    c.root[:, 1] -= 0.015
    sway = 0.03 * np.cos(beat - 2 * np.pi * 0.3)
    c.root -= sway[:, None] * _forward(heading + 90)
    c.pelvis[:, 1] += 2 * np.sin(beat)
    c.trunk[:, 1] -= 2 * np.sin(beat)
    turning = np.gradient(heading) * FPS
    c.trunk[:, 2] += 0.1 * turning
    c.head[:, 2] += 0.25 * np.clip(turning, -100, 100)
    _swing_arms(who, c, phase, amount=6, mean=3, elbow=20, elbow_swing=4)
    return c


# Activities on the spot.


def sit_down(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Sits down on a chair and stands up again."""
    c, k = _stand(who, t, rng, width=1.1), who.body.scale
    phase, _ = repeats(rng, t, 5.5 / who.tempo)
    seat = k * rng.uniform(0.48, 0.56)
    sit = curve(phase, [(0.05, 0), (0.3, 1), (0.66, 1), (0.9, 0)])
    back = curve(phase, [(0.02, 0), (0.24, 1), (0.7, 1), (0.88, 0)])
    lean = curve(phase, [(0, 0), (0.2, 1), (0.36, 0), (0.6, 0), (0.73, 1.1), (0.93, 0), (1, 0)])
    c.root[:, 1] += sit * (seat - who.body.standing)
    c.root[:, 2] -= back * k * rng.uniform(0.38, 0.46)
    c.pelvis[:, 0] += 20 * lean - 8 * sit
    c.trunk[:, 0] += 24 * lean + 6 * sit
    c.head[:, 0] -= 22 * lean
    on_lap = rng.random() < 0.7
    target = np.array(LAP if on_lap else FRONT, float)
    c.arms += sit[:, None, None] * (target - HANG)
    c.arms[..., 0] += 30 * who.amplitude * lean[:, None]
    c.splay += 8 * sit[:, None]
    return c


def sit(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Sits on a chair, gesturing, leaning and shifting the feet."""
    c, k = _stand(who, t, rng), who.body.scale
    c.root[:, 1] = k * rng.uniform(0.48, 0.56)
    width = rng.uniform(0.06, 0.2)
    feet = [(width + x, z) for x, z in ((0, 0), (0.03, 0.12), (-0.02, -0.14), (0.06, 0.04))]
    for side in (RIGHT, LEFT):
        place = poses(rng, t, feet, (2, 5), (0.4, 0.7))
        moving = np.linalg.norm(np.gradient(place, axis=0), axis=-1) * FPS
        c.ankles[:, side, 0] = SIGN[side] * k * place[:, 0]
        c.ankles[:, side, 2] = k * (0.4 + place[:, 1])
        c.ankles[:, side, 1] += 0.08 * k * np.minimum(moving, 1)
    lean = poses(rng, t, [(0,), (-10,), (12,), (25,)], (1.5, 3), (0.8, 1.4))[:, 0]
    c.pelvis[:, 0] += -8 + 0.4 * lean
    c.trunk[:, 0] += 6 + 0.6 * lean
    c.trunk[:, 2] += 8 * wander(rng, t, period=5)
    c.head[:, 0] -= 0.5 * lean
    c.head[:, 2] += 12 * wander(rng, t)
    c.arms = _gestures(who, t, rng, rest=LAP)
    c.splay += 6
    return c


def squat(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Squats, the arms held out in front or hanging between the knees."""
    c, k = _stand(who, t, rng, width=rng.uniform(1.4, 2.0)), who.body.scale
    phase, draw = repeats(rng, t, 2.8 / who.tempo)
    depth = draw(0.38, 0.56) * k
    down = curve(phase, [(0.05, 0), (0.45, 1), (0.55, 1), (0.92, 0)])
    c.root[:, 1] -= down * depth
    c.root[:, 2] -= down * (0.04 + 0.3 * depth)
    c.pelvis[:, 0] += 28 * down
    c.trunk[:, 0] += 8 * down
    c.head[:, 0] -= 24 * down
    target = np.array((95, 12, -10, 12) if rng.random() < 0.6 else (60, 0, -60, 75), float)
    c.arms += down[:, None, None] * (target - HANG)
    c.splay += 12 + 10 * down[:, None]
    return c


def jump(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Crouches, jumps up with the arms and lands in the knees."""
    c, k = _stand(who, t, rng), who.body.scale
    toes = 0.09 * k  # take-off and landing are on the toes; between them is free flight
    heights, arms = [], []
    now = t[0] - rng.uniform(0, 2)
    while now < t[-1]:
        crouch, land = rng.uniform(0.22, 0.36, 2) * k * (1, 0.7)
        speed = np.sqrt(2 * GRAVITY * rng.uniform(0.08, 0.26))
        push, flight, give = np.array([crouch + toes, speed**2 / GRAVITY, land + toes]) * 2 / speed
        low = now + rng.uniform(0.45, 0.65) / who.tempo
        off = low + push
        down = off + flight
        rest = down + give + rng.uniform(0.5, 0.7) / who.tempo
        heights += [  # time, (pelvis, ankles), (their speeds)
            (now, (0, 0), (0, 0)),
            (low, (-crouch, 0), (0, 0)),
            (off - 0.1, (toes - 0.1 * speed + 0.03 * k, 0), (speed, 0)),
            (off, (toes, toes), (speed, speed)),
            (down, (toes, toes), (-speed, -speed)),
            (down + 0.1, (toes - 0.1 * speed + 0.02 * k, 0), (-0.8 * speed, 0)),
            (down + give, (-land, 0), (0, 0)),
            (rest, (0, 0), (0, 0)),
        ]
        up = rng.uniform(60, 160) * who.amplitude
        arms += [(now, HANG), (low - 0.05, (-48, 14, 0, 18)), (off, (up, 18, 0, 35))]
        arms += [(down, (0.6 * up, 22, 0, 40)), (down + give, (20, 16, 0, 45)), (rest, HANG)]
        now = rest + rng.uniform(0.1, 0.6)
    at, values, speeds = (np.array(x, float) for x in zip(*heights, strict=True))
    rise = hermite(t, at, values, speeds)
    c.root[:, 1] += rise[:, 0]
    c.ankles[..., 1] += rise[:, 1:]
    bent = np.clip(rise[:, 1] - rise[:, 0], 0, None) / k
    c.root[:, 2] -= 0.25 * bent * k
    c.pelvis[:, 0] += 70 * bent
    c.trunk[:, 0] += 35 * bent
    c.head[:, 0] -= 60 * bent
    c.arms += curve(t, arms)[:, None] - HANG
    c.splay += 5 + 20 * bent[:, None]
    return c


def kick(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Swings a leg back and kicks forward, low as at a ball or high."""
    c, k = _stand(who, t, rng), who.body.scale
    phase, draw = repeats(rng, t, 2.3 / who.tempo)
    foot, other = who.side, 1 - who.side
    high = draw(0.3, 0.85)
    back = curve(phase, [(0.08, 0), (0.32, 1), (0.48, 0)])
    swing = curve(phase, [(0.3, 0), (0.47, 1), (0.52, 1), (0.8, 0)])
    recoil = curve(phase, [(0.5, 0), (0.66, 1), (0.85, 0)])  # the knee bends on the way back
    c.ankles[:, foot, 1] += k * (0.3 * back + high * swing + 0.18 * recoil)
    ahead = np.sqrt(0.8**2 - (0.87 - high) ** 2) - 0.05  # nearly a straight leg from the hip
    c.ankles[:, foot, 2] += k * (-0.42 * back + ahead * swing - 0.12 * recoil)
    lifted = curve(phase, [(0, 0), (0.1, 1), (0.78, 1), (0.98, 0)])
    c.root[:, 0] += SIGN[other] * 0.8 * who.stance * k * lifted
    c.root[:, 1] -= 0.035 * k * lifted
    c.root[:, 2] -= 0.05 * k * swing
    c.ankles[:, foot, 0] += SIGN[other] * 0.05 * k * lifted
    c.pelvis[:, 0] += 10 * back - (4 + 14 * high) * swing
    c.pelvis[:, 2] += SIGN[foot] * (10 * back - 12 * swing) * -1
    c.trunk[:, 0] += 6 * back + 10 * swing
    c.trunk[:, 2] += SIGN[foot] * (14 * back - 22 * swing)
    c.head[:, 0] += 8 * lifted
    c.arms[:, foot] += back[:, None] * (12, 20, 0, 20) + swing[:, None] * (-38, 30, 0, 15)
    c.arms[:, other] += back[:, None] * (-25, 35, 0, 10) + swing[:, None] * (45, 20, 0, 30)
    return c


def wave(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Raises a hand, waves, lets it sink."""
    c = _stand(who, t, rng)
    phase, draw = repeats(rng, t, 4.0)
    up = curve(phase, [(0.08, 0), (0.24, 1), (0.8, 1), (0.95, 0)])
    hello = np.array([rng.uniform(5, 35), rng.uniform(70, 115), 88, rng.uniform(55, 95)])
    beat = np.sin(2 * np.pi * np.cumsum(rng.uniform(1.5, 2.3) * (1 + 0.1 * wander(rng, t))) / FPS)
    hand, other = who.side, 1 - who.side
    c.arms[:, hand] += up[:, None] * (hello - HANG)
    wag = np.array([0, 5, -6, 22]) * who.amplitude
    c.arms[:, hand] += np.where(up > 0.5, 2 * up - 1, 0)[:, None] ** 2 * beat[:, None] * wag
    if rng.random() < 0.4:
        c.arms[:, other] += np.array(HIP) - HANG
    c.trunk[:, 1] -= SIGN[hand] * 4 * up
    c.trunk[:, 2] += draw(-15, 15) * up
    c.head[:, 1] += SIGN[hand] * 4 * up
    shift = 0.35 * who.stance * wander(rng, t, period=5)
    c.root[:, 0] += shift
    c.pelvis[:, 1] += 40 * shift
    return c


def pick_up(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Picks something up from the floor, looks at it and puts it back."""
    c, k = _stand(who, t, rng, width=1.3), who.body.scale
    phase, _ = repeats(rng, t, 5.5 / who.tempo)
    knees = rng.uniform(0.3, 1)  # from a bent back to a deep squat
    down = curve(
        phase,
        [(0.04, 0), (0.24, 1), (0.3, 1), (0.46, 0), (0.6, 0), (0.76, 1), (0.8, 1), (0.96, 0)],
    )
    hold = curve(phase, [(0.28, 0), (0.46, 1), (0.6, 1), (0.76, 0)])
    depth = (0.2 + 0.3 * knees) * k
    c.root[:, 1] -= down * depth
    c.root[:, 2] -= down * (0.1 + 0.1 * knees) * k
    c.pelvis[:, 0] += (64 - 30 * knees) * down
    c.trunk[:, 0] += (44 - 14 * knees) * down + 4 * hold
    c.head[:, 0] += 4 * down + 18 * hold
    reach, carry = np.array((108 - 34 * knees, 4, -10, 8)), np.array((22, 6, -28, 88))
    c.arms += down[:, None, None] * (reach - HANG) + hold[:, None, None] * (carry - HANG)
    if rng.random() < 0.4:  # with one hand, the other on the knee
        free = 1 - who.side
        c.arms[:, free] += down[:, None] * np.array((-35, 10, 0, 35)) - hold[:, None] * (
            np.array(carry) - HANG
        )
    aside = rng.uniform(-18, 18)
    c.trunk[:, 2] += aside * down
    c.splay += 10 * down[:, None]
    return c


def box(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Boxes the air: guard, straight punches and hooks with either hand."""
    c, k = _stand(who, t, rng, width=1.2), who.body.scale
    rear, lead = who.side, 1 - who.side
    c.ankles[:, lead, 2] += 0.2 * k
    c.ankles[:, rear, 2] -= 0.2 * k
    bounce = np.sin(2 * np.pi * (1.6 * who.tempo * t + 0.15 * wander(rng, t)))
    c.root[:, 1] += -0.07 * k + 0.012 * k * bounce
    c.root[:, 2] += 0.03 * k * wander(rng, t, period=2)
    c.pelvis[:, 0] += 6
    c.pelvis[:, 2] -= SIGN[lead] * 22
    c.trunk[:, 0] += 12
    c.head[:, 2] += SIGN[lead] * 18
    c.head[:, 0] -= 4
    c.arms[:] = GUARD
    c.arms[..., :2] += 4 * wander(rng, t, (2, 2), period=1)
    phase, draw = repeats(rng, t, 1.0 / who.tempo)
    punch = curve(phase, [(0.15, 0), (0.4, 1), (0.45, 1), (0.75, 0)])
    hand, hook = draw(0, 1), draw(0, 1)
    for side in (RIGHT, LEFT):
        mine = punch * ((hand < 0.55) if side == lead else (hand >= 0.55))
        straight, hooked = mine * (hook < 0.7), mine * (hook >= 0.7)
        c.arms[:, side] += straight[:, None] * (np.array((84, 4, -25, 8)) - GUARD)
        c.arms[:, side] += hooked[:, None] * (np.array((62, 62, -20, 88)) - GUARD)
        twist = -SIGN[side] * (10 if side == lead else 22)
        c.pelvis[:, 2] += 0.8 * twist * mine
        c.trunk[:, 2] += 1.2 * twist * mine
        c.head[:, 2] -= 1.4 * twist * mine
        c.root[:, 2] += 0.05 * k * mine
    return c


def throw(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Throws overarm, stepping forward with the other foot."""
    c, k = _stand(who, t, rng), who.body.scale
    phase, _ = repeats(rng, t, 3.2 / who.tempo)
    hand, other = who.side, 1 - who.side
    s = SIGN[hand]
    power = rng.uniform(0.8, 1.15)
    wind = curve(phase, [(0.1, 0), (0.38, 1), (0.44, 1), (0.53, 0)])
    release = curve(phase, [(0.42, 0), (0.54, 1), (0.66, 0.8), (0.9, 0)])
    step = curve(phase, [(0.22, 0), (0.42, 1), (0.78, 1), (0.95, 0)])
    lift = curve(phase, [(0.2, 0), (0.31, 1), (0.42, 0), (0.78, 0), (0.86, 0.6), (0.95, 0)])
    c.ankles[:, other, 2] += 0.5 * k * power * step
    c.ankles[:, other, 1] += 0.15 * k * lift
    c.root[:, 2] += k * (-0.05 * wind + 0.3 * power * step)
    c.root[:, 0] += s * 0.8 * who.stance * lift * k
    c.root[:, 1] -= 0.03 * k * lift
    c.pelvis[:, 2] += -s * 35 * wind + s * 14 * release
    c.trunk[:, 2] += -s * 28 * wind + s * 24 * release
    c.trunk[:, 0] += -12 * wind + 26 * release * power
    c.pelvis[:, 0] += 10 * release
    c.head[:, 2] += s * 45 * wind - s * 28 * release
    c.head[:, 0] -= 20 * release
    cocked, thrown = np.array((0, 92, 85, 95)), np.array((105, 25, 10, 15))
    across = np.array((48, -18, -25, 30))
    points = [(0.08, HANG), (0.24, (45, 25, 0, 95)), (0.4, cocked), (0.45, cocked)]
    points += [(0.53, thrown), (0.63, across), (0.7, across), (0.92, HANG)]
    c.arms[:, hand] = curve(phase, points)
    front, tuck = np.array((60, 50, 0, 20)), np.array((-10, 25, 0, 80))
    points = [(0.08, HANG), (0.22, (45, 10, -20, 90)), (0.4, front), (0.54, tuck), (0.92, HANG)]
    c.arms[:, other] = curve(phase, points)
    return c


def stretch(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Stretches: arms overhead, bends to the sides, twists, reaches for the toes."""
    c, k = _stand(who, t, rng, width=rng.uniform(1.2, 1.8)), who.body.scale
    up, out, over, down = (168, 20, 0, 12), (0, 92, 10, 8), (20, 155, 60, 20), (80, 4, 0, 8)
    choices = [  # pelvis forward; trunk forward, left, turned left; right arm, left arm
        (0, 0, 0, 0, *HANG, *HANG),
        (-4, -10, 0, 0, *up, *up),
        (0, 0, 0, 0, *out, *out),
        (0, 0, 26, 0, *over, *HIP),
        (0, 0, -26, 0, *HIP, *over),
        (0, 0, 0, 36, *out, *out),
        (0, 0, 0, -36, *out, *out),
        (66, 48, 0, 0, *down, *down),
    ]
    pose = poses(rng, t, choices, (0.6, 1.5), (1.0, 1.6))
    c.pelvis[:, 0] += pose[:, 0]
    c.pelvis[:, 1] += 0.3 * pose[:, 2]
    c.pelvis[:, 2] += 0.3 * pose[:, 3]
    c.root[:, 0] -= 0.004 * k * pose[:, 2]
    c.root[:, 2] -= 0.0025 * k * pose[:, 0]
    c.trunk += pose[:, 1:4]
    c.head[:, 2] += 0.3 * pose[:, 3]
    c.arms = pose[:, 4:].reshape(-1, 2, 4)
    return c


def talk(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Stands and talks with the hands, shifting the weight from foot to foot."""
    c, k = _stand(who, t, rng), who.body.scale
    weight = poses(rng, t, [(-1,), (-0.3,), (0.4,), (1,)], (1, 3), (0.7, 1.3))[:, 0]
    c.root[:, 0] += 0.55 * who.stance * k * weight
    c.pelvis[:, 1] += 3.5 * weight
    c.trunk[:, 1] -= 5 * weight
    look = poses(rng, t, [(-30,), (-12,), (0,), (15,), (30,)], (0.8, 2.5), (0.4, 0.8))[:, 0]
    c.trunk[:, 2] += 0.35 * look
    c.head[:, 2] += 0.65 * look
    c.head[:, 0] += 5 * wander(rng, t, period=1)
    c.arms = _gestures(who, t, rng, rest=HANG)
    return c


def phone(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Telephones: a hand at the ear, the other moving, pacing slowly."""
    k = who.body.scale
    speed = 0.5 * k * np.exp(0.2 * wander(rng, t))
    rate = 0.55 * who.tempo + 0.25 * speed
    heading = 70 * wander(rng, t, period=7)
    c, phase = _stride(who, t, rng, SHUFFLE, rate, speed, heading, spread=0.08)
    c.root[:, 1] -= 0.02 * k
    sway = 0.025 * k * np.cos(2 * np.pi * (phase - 0.3))
    c.root -= sway[:, None] * _forward(heading + 90)
    c.pelvis[:, 2] += 3 * np.cos(2 * np.pi * phase)
    hand, other = who.side, 1 - who.side
    c.arms[:, other] = _gestures(who, t, rng, rest=HANG)[:, other]
    c.arms[:, hand] = EAR
    c.head[:, 0] += 6
    c.head[:, 1] += 6 * SIGN[hand]
    c.trunk[:, 0] += 3
    return c


ACTIVITIES: dict[str, Callable[[Person, np.ndarray, np.random.Generator], Controls]] = {
    "walk": walk,
    "run": run,
    "turn": turn,
    "sit_down": sit_down,
    "sit": sit,
    "squat": squat,
    "jump": jump,
    "kick": kick,
    "wave": wave,
    "pick_up": pick_up,
    "box": box,
    "throw": throw,
    "stretch": stretch,
    "talk": talk,
    "phone": phone,
}
