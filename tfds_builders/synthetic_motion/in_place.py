"""Activities in place: key poses from standing, in repetitions."""

from __future__ import annotations

import numpy as np

from tfds_builders.synthetic_motion.body import LEFT, RIGHT, SIGN, Controls
from tfds_builders.synthetic_motion.curves import FPS, curve, hermite, poses, repeats, wander
from tfds_builders.synthetic_motion.gait import GRAVITY
from tfds_builders.synthetic_motion.person import (
    FRONT,
    GUARD,
    HANG,
    HIP,
    LAP,
    Person,
    gestures,
    stand,
)


def sit_down(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Sits down on a chair and stands up again."""
    c, k = stand(who, t, rng, width=1.1), who.body.scale
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
    c, k = stand(who, t, rng), who.body.scale
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
    c.arms = gestures(who, t, rng, rest=LAP)
    c.splay += 6
    return c


def squat(who: Person, t: np.ndarray, rng: np.random.Generator) -> Controls:
    """Squats, the arms held out in front or hanging between the knees."""
    c, k = stand(who, t, rng, width=rng.uniform(1.4, 2.0)), who.body.scale
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
    c, k = stand(who, t, rng), who.body.scale
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
    c, k = stand(who, t, rng), who.body.scale
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
    c = stand(who, t, rng)
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
    c, k = stand(who, t, rng, width=1.3), who.body.scale
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
    c, k = stand(who, t, rng, width=1.2), who.body.scale
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
    c, k = stand(who, t, rng), who.body.scale
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
    c, k = stand(who, t, rng, width=rng.uniform(1.2, 1.8)), who.body.scale
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
    c, k = stand(who, t, rng), who.body.scale
    weight = poses(rng, t, [(-1,), (-0.3,), (0.4,), (1,)], (1, 3), (0.7, 1.3))[:, 0]
    c.root[:, 0] += 0.55 * who.stance * k * weight
    c.pelvis[:, 1] += 3.5 * weight
    c.trunk[:, 1] -= 5 * weight
    look = poses(rng, t, [(-30,), (-12,), (0,), (15,), (30,)], (0.8, 2.5), (0.4, 0.8))[:, 0]
    c.trunk[:, 2] += 0.35 * look
    c.head[:, 2] += 0.65 * look
    c.head[:, 0] += 5 * wander(rng, t, period=1)
    c.arms = gestures(who, t, rng, rest=HANG)
    return c
