"""Walking people as a `Motion`: bones of one length, feet that stand still, a pinhole camera."""

import dataclasses

import numpy as np

from repose_jax.motion.motion import FILLED, MISSING, SEEN, Camera, Motion, Person, World
from repose_jax.skeleton import HUMAN36M

JOINT = {name: number for number, name in enumerate(HUMAN36M.joints)}
PERIOD_S, STANCE, SPEED = 1.1, 0.6, 700.0  # of two steps; its share on the floor; mm/s
THIGH, SHIN, ANKLE = 450.0, 440.0, 80.0  # lengths, and the height of a standing ankle, mm
UP = np.array([0.0, 1, 0])


def small_motion(people: int = 2, frames: int = 60, *, fps: float = 30.0) -> Motion:
    """Returns people who walk in circles beside each other, each at a phase of their own.

    Those of even numbers come later and leave earlier than the first, and a forearm of theirs is
    filled, then missing.
    """
    camera = Camera(1000.0, np.array([640.0, 360.0]), (1280, 720), "given")
    pitch = np.deg2rad(8)  # the camera looks down
    turned = [[1, 0, 0], [0, -np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), -np.cos(pitch)]]
    world = World(np.array(turned), np.array([0.0, 700, 6000]), "synthetic")
    time = np.arange(frames) / fps
    return Motion(
        people=tuple(_person(number, time, camera, world) for number in range(1, people + 1)),
        time_s=time,
        camera=camera,
        world=world,
        name="walking",
        format="human36m",
        assumptions=("The people are 1.70 m tall.",),
        warnings=("A forearm is missing in some frames.",),
        settings={"height_m": 1.7},
    )


def with_hypotheses(motion: Motion, count: int = 3) -> Motion:
    """Returns the motion with hypotheses of the people, about 50 mm from their poses."""
    rng = np.random.default_rng(0)
    people = []
    for person in motion.people:
        apart = rng.normal(scale=50, size=(len(person.frame), count, 17, 3))
        made = person.raw_camera_mm[:, None] + apart
        spread = np.sqrt(made.var(1).sum(-1))
        people.append(dataclasses.replace(person, hypotheses_mm=made, spread_mm=spread))
    return dataclasses.replace(motion, people=tuple(people))


def _person(number: int, time: np.ndarray, camera: Camera, world: World) -> Person:
    rng = np.random.default_rng(number)
    late = number % 2 == 0
    frame = np.arange(len(time) // 6, len(time) - len(time) // 10) if late else np.arange(len(time))
    joints = _walk(number, time[frame])
    relative = (joints - joints[:, :1]) @ world.rotation
    root = joints[:, 0] @ world.rotation + world.origin_mm
    place = relative + root[:, None]
    pixels = camera.focal_px * place[..., :2] / place[..., 2:] + camera.centre_px
    confidence = rng.uniform(0.7, 0.95, joints.shape[:2])
    status = np.full(joints.shape[:2], SEEN, np.uint8)
    if late:
        third, forearm = len(frame) // 3, [JOINT["left_elbow"], JOINT["left_wrist"]]
        status[third : 2 * third, forearm] = FILLED
        status[third + third // 2 : 2 * third, forearm] = MISSING
    detected = np.concatenate([pixels + rng.normal(size=pixels.shape), confidence[..., None]], -1)
    detected[status != SEEN] = np.nan, np.nan, 0
    return Person(
        number=number,
        frame=frame,
        time_s=time[frame],
        joints_mm=joints,
        joints_camera_mm=relative,
        root_mm=root,
        raw_camera_mm=relative + rng.normal(scale=8, size=relative.shape),
        confidence=np.where(status == SEEN, confidence, 0.3 * (status == FILLED)),
        status=status,
        keypoints_px=detected,
    )


def _walk(number: int, time: np.ndarray) -> np.ndarray:
    """Returns joints in the world, mm; the first person's pelvis starts above the origin."""
    side_of_number = (number // 2) * (-1) ** number  # 0, 1, -1, 2, ...
    bend = 0.6 * (-1) ** number  # radians/s
    heading0 = np.pi / 2 + 0.9 * (number - 1)
    start = 900.0 * side_of_number * np.array([1, 0, 0]) - 500.0 * (number - 1) * np.eye(3)[2]

    def path(at: np.ndarray) -> np.ndarray:
        heading = heading0 + bend * at
        x, z = np.cos(heading0) - np.cos(heading), np.sin(heading) - np.sin(heading0)
        return start + SPEED / bend * np.stack([x, 0 * at, z], -1)

    def forward(at: np.ndarray) -> np.ndarray:
        heading = heading0 + bend * at
        return np.stack([np.sin(heading), 0 * at, np.cos(heading)], -1)

    cycle = time / PERIOD_S + 0.37 * (number - 1)
    ahead, left = forward(time), np.cross(UP, forward(time))
    joints = np.zeros((len(time), 17, 3))

    def put(name: str, parent: str, ahead_mm, left_mm, up_mm):
        amounts = (
            np.broadcast_to(value, len(time))[:, None] for value in (ahead_mm, left_mm, up_mm)
        )
        offset = sum(a * axis for a, axis in zip(amounts, (ahead, left, UP), strict=True))
        joints[:, JOINT[name]] = joints[:, JOINT[parent]] + offset

    joints[:, 0] = path(time) + (915 + 12 * np.cos(4 * np.pi * (cycle - STANCE / 2)))[:, None] * UP
    put("spine", "pelvis", 5, 0, 235)
    put("thorax", "spine", 15, 0, 245)
    put("neck", "thorax", 40, 0, 100)
    put("head", "neck", -10, 0, 115)
    for side, sign, offset in (("left", 1, 0.0), ("right", -1, 0.5)):
        put(f"{side}_hip", "pelvis", 0, 130 * sign, 0)
        ankle = _ankle(time, cycle + offset, path, forward, 95 * sign)
        hip = joints[:, JOINT[f"{side}_hip"]]
        joints[:, JOINT[f"{side}_knee"]] = _knee(hip, ankle, ahead)
        joints[:, JOINT[f"{side}_ankle"]] = ankle
        swing = -0.5 * np.cos(2 * np.pi * (cycle + offset))
        put(f"{side}_shoulder", "thorax", 0, 175 * sign, -15)
        put(
            f"{side}_elbow",
            f"{side}_shoulder",
            280 * np.sin(swing),
            25 * sign,
            -280 * np.cos(swing),
        )
        bent = swing + 0.4 + 0.3 * np.sin(swing)
        put(f"{side}_wrist", f"{side}_elbow", 250 * np.sin(bent), 0, -250 * np.cos(bent))
    return joints


def _ankle(time, cycle, path, forward, left_mm: float) -> np.ndarray:
    """Returns an ankle that stands still in the first part of its cycle and swings in the rest."""

    def standing(number: np.ndarray) -> np.ndarray:
        middle = time + (number + STANCE / 2 - cycle) * PERIOD_S
        return path(middle) + left_mm * np.cross(UP, forward(middle)) + ANKLE * UP

    number = np.floor(cycle)
    swing = np.clip((cycle - number - STANCE) / (1 - STANCE), 0, 1)[:, None]
    smooth = swing * swing * (3 - 2 * swing)
    place = (1 - smooth) * standing(number) + smooth * standing(number + 1)
    return place + 110 * np.sin(np.pi * swing) ** 2 * UP


def _knee(hip: np.ndarray, ankle: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """Returns the knee of a leg of two bones, bent to the front."""
    leg = ankle - hip
    length = np.linalg.norm(leg, axis=-1, keepdims=True)
    along = (THIGH**2 - SHIN**2 + length**2) / (2 * length)
    front = ahead - leg * (ahead * leg).sum(-1, keepdims=True) / length**2
    front /= np.linalg.norm(front, axis=-1, keepdims=True)
    return hip + leg * along / length + np.sqrt(THIGH**2 - along**2) * front
