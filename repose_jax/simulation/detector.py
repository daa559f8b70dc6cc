"""Detectors of 2D poses as they are: where they err, what they say of it, what they miss.

Every clip has a detector of its own: a fine one or a rough one, one whose confidence knows a little
of its errors, one whose confidence knows nothing, one without. The ranges contain the detections
of OpenPose and BlazePose on two calibrated views of a video.
Lengths are in mm at the person's depth, times in seconds.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from repose_jax.data.motions import LANDMARKS
from repose_jax.simulation.body import FLIP, Points, trunk
from repose_jax.simulation.noise import bursts, chosen, correlated, log_uniform

SIGMA = 6.0, 28.0  # deviation of the usual error along each axis; log-uniform
HIDDEN_FACTOR = 1.0, 2.2  # of the usual error, of a hidden joint
WHITE = 0.0, 0.25  # share of its variance that is new in every frame
COMMON = 0.1  # share of its variance that all joints have in common
SECONDS = 0.06, 0.3  # correlation time of the rest; log-uniform
DEFINITION = 4.0, 22.0  # deviation of where a detector places a landmark on the body; log-uniform
PLACE = 3.0, 13.0  # deviation of a constant error in the image; log-uniform
LOW_HIPS = 0.3, (-15.0, -40.0)  # share of the clips, up to 1.2 times so far outward and upward
LAG = 0.5, 0.035  # share of the clips that lag, and by how much at most
MILD_RATE, MILD_SECONDS, MILD_SIZE = (0.05, 0.6), 0.05, 130.0  # by second; confidence as usual
FAR_RATE, FAR_SECONDS, FAR_SIZE = (0.01, 0.1), 0.05, 600.0  # with a confidence near 0
SWAP, CROSSING_SWAP, TURN = 0.0015, 0.015, 0.001  # shares of the time with left and right exchanged
SWAP_SECONDS = 0.15
CROSSING = 110.0  # distance of two limbs below which they are confused
MISSING, MISSING_SECONDS = (0.0005, 0.06), 0.25  # share of the time in which a joint is not found

LEGS, ARMS = ((1, 2, 3), (4, 5, 6)), ((14, 15, 16), (11, 12, 13))
NOSE = LANDMARKS.index("nose")
_WEIGHT = np.ones(len(LANDMARKS), np.float32)  # of the usual error
_WEIGHT[[3, 6, 13, 16]] = 1.2
_WEIGHT[NOSE] = 0.8
_FAR = np.ones(len(LANDMARKS), np.float32)  # of the rate of far errors
_FAR[[3, 6, 13, 16]] = 3
_LOOSE = np.ones(len(LANDMARKS), np.float32)  # of the definition
_LOOSE[[0, 1, 4, NOSE]] = 1.7
# Parts of the body that a clip may lack altogether: feet, shins, legs; hands; an arm.
_PARTS = (
    (0.03, (3, 6)),
    (0.02, (2, 3, 5, 6)),
    (0.02, (1, 2, 3, 4, 5, 6)),
    (0.02, (13, 16)),
    (0.01, (12, 13)),
    (0.01, (15, 16)),
)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scene:
    """Landmarks as a detector could see them; lengths in units of the longer image side.

    Attributes:
        image: their projections, placed as the detector defines them.
        scale: image length of 1 mm at the person's depth, frame by frame.
        hidden: landmarks that the body hides.
        size: width and height of the image.
        fps: frames per second.
    """

    image: Float[Array, "b t l 2"]
    scale: Float[Array, "b t"]
    hidden: Bool[Array, "b t l"]
    size: Float[Array, "b 2"]
    fps: Float[Array, " b"]


def redefine(key: PRNGKeyArray, points: Points, errors: float | Array) -> Points:
    """Moves landmarks to where a detector defines them on the body; alike on both sides.

    Args:
        key: random key.
        points: landmarks, metres, in the world.
        errors: factor on the distances.
    """
    keys = jax.random.split(key, 4)
    count, _, landmarks, _ = points.shape
    spread = log_uniform(keys[0], (count, 1, 1), *DEFINITION)
    move = spread * _LOOSE[:, None] * jax.random.normal(keys[1], (count, landmarks, 3))
    mirrored = move[:, list(FLIP)] * jnp.array([-1.0, 1.0, 1.0])
    move = (move + mirrored) / np.sqrt(2)  # outward on both sides; of the midline, not sideways
    share, (outward, upward) = LOW_HIPS
    low = 1.2 * jax.random.uniform(keys[2], (count,)) * chosen(keys[3], count, share)
    for joint, side in ((1, -1.0), (4, 1.0)):
        hip = jnp.stack([side * outward * low, upward * low, 0 * low], -1)
        move = move.at[:, joint].add(hip)
    move = jnp.einsum("btji,blj->btli", trunk(points), move * errors / 1000)
    return points + move


def detect(
    key: PRNGKeyArray, scene: Scene, *, errors: float | Array, laws: float | Array
) -> tuple[Float[Array, "b t l 2"], Float[Array, "b t l"]]:
    """Samples what detectors find.

    Args:
        key: random key.
        scene: the landmarks.
        errors: factor on the size of errors; 0 for none.
        laws: share of the clips whose confidence follows a law of its own; that of the others
            is exact: it falls with the expected and the actual error.

    Returns:
        Landmarks in the image, and their confidence; 0 for one that is not found.
    """
    keys = jax.random.split(key, 5)
    error, expected, far = _errors(keys[0], scene)
    found = scene.image + errors * error * scene.scale[..., None, None]
    found -= errors * _lag(keys[1], scene)
    # As a detector could know it: expected and actual error in equal parts.
    seen = errors * jnp.sqrt(expected**2 + (error**2).sum(-1) / 2)
    confidence = _confidence(keys[2], seen, scene, far & (errors > 0), laws)

    swapped = _swaps(keys[3], scene) & (errors > 0)
    order = list(FLIP)
    found = jnp.where(swapped[..., None], found[:, :, order], found)
    confidence = jnp.where(swapped, confidence[:, :, order], confidence)
    return found, jnp.where(_missing(keys[4], scene, found), 0, confidence)


def _errors(key: PRNGKeyArray, scene: Scene) -> tuple[Array, Array, Array]:
    """Samples errors `[b, t, l, 2]`; with the expected deviation, and which are far."""
    keys = iter(jax.random.split(key, 16))
    count, frames, landmarks = scene.hidden.shape
    shape, fps = (count, frames, landmarks, 2), scene.fps

    def uniform(low, high, *shape):
        return jax.random.uniform(next(keys), (count, *shape), minval=low, maxval=high)

    sigma = log_uniform(next(keys), (count, 1, 1), *SIGMA) * _WEIGHT
    sigma = sigma * uniform(0.8, 1.3, 1, landmarks)
    expected = sigma * jnp.where(scene.hidden, uniform(*HIDDEN_FACTOR, 1, 1), 1)
    white = uniform(*WHITE, 1, 1, 1)
    slow = jnp.sqrt(1 - COMMON) * correlated(
        next(keys), shape, fps, log_uniform(next(keys), (count,), *SECONDS)
    ) + jnp.sqrt(COMMON) * correlated(next(keys), (count, frames, 1, 2), fps, 0.2)
    usual = jnp.sqrt(1 - white) * slow + jnp.sqrt(white) * jax.random.normal(next(keys), shape)
    place = log_uniform(next(keys), (count, 1, 1, 1), *PLACE)
    error = expected[..., None] * usual
    error += place * jax.random.normal(next(keys), (count, 1, landmarks, 2))

    hidden = 1 + 2 * scene.hidden
    rate = log_uniform(next(keys), (count, 1, 1), *MILD_RATE) * hidden
    mild = bursts(next(keys), rate * MILD_SECONDS, fps, MILD_SECONDS)
    rate = log_uniform(next(keys), (count, 1, 1), *FAR_RATE) * hidden * _FAR
    far = bursts(next(keys), rate * FAR_SECONDS, fps, FAR_SECONDS)
    size = jnp.where(far, FAR_SIZE, MILD_SIZE * mild)[..., None]
    return error + size * correlated(next(keys), shape, fps, 0.3), expected, far


def _lag(key: PRNGKeyArray, scene: Scene) -> Float[Array, "b t l 2"]:
    """Samples how far behind the motion detections are in the image."""
    key_share, key_lag = jax.random.split(key)
    share, most = LAG
    count = len(scene.fps)
    lag = chosen(key_share, count, share) * jax.random.uniform(key_lag, (count,), maxval=most)
    step = jnp.diff(scene.image, axis=1, prepend=scene.image[:, :1])
    return (lag * scene.fps)[:, None, None, None] * step


def _confidence(
    key: PRNGKeyArray, seen: Array, scene: Scene, far: Array, laws: float | Array
) -> Float[Array, "b t l"]:
    """Samples a law of confidence for every clip and applies it to errors `seen`, mm.

    Flat with noise below a ceiling, as OpenPose's; saturated, as BlazePose's; constant or absent;
    weakly informative.
    """
    keys = iter(jax.random.split(key, 16))
    count, _, landmarks = seen.shape
    one = (count, 1, 1)

    def uniform(low, high):
        return jax.random.uniform(next(keys), one, minval=low, maxval=high)

    law = jax.random.choice(next(keys), 4, one, p=jnp.array([0.3, 0.2, 0.3, 0.2]))
    level = uniform(0.3, 0.95)
    joints = 0.03 * jax.random.normal(next(keys), (count, 1, landmarks))
    wave = uniform(0.02, 0.1) * correlated(next(keys), seen.shape, scene.fps, 0.12)
    flat = jnp.minimum(level + joints + wave, level + 0.07) - uniform(0, 0.15) * scene.hidden
    saturated = 1 - 0.02 * jax.random.exponential(next(keys), seen.shape)
    saturated -= uniform(0, 0.25) * scene.hidden
    constant = jnp.where(uniform(0, 1) < 0.6, 1.0, level)
    weak = flat - uniform(0.02, 0.2) * jnp.log(jnp.maximum(seen, 1) / 20)
    drawn = jnp.select([law == 0, law == 1, law == 2], [flat, saturated, constant], weak)
    # Of far errors most detectors are unsure.
    sure = uniform(0.1, 1)
    drawn = jnp.where(far & (law != 2), drawn * sure, drawn)

    noise = jnp.exp(0.3 * jax.random.normal(next(keys), seen.shape))
    own = chosen(next(keys), count, laws)[:, None, None]
    return jnp.clip(jnp.where(own, drawn, jnp.exp(-seen * noise / 120)), 0.03, 1)


def _swaps(key: PRNGKeyArray, scene: Scene) -> Bool[Array, "b t l"]:
    """Samples the landmarks whose left and right are exchanged."""
    keys = iter(jax.random.split(key, 4))
    count, frames, _ = scene.hidden.shape
    rarity = log_uniform(next(keys), (count, 1), 0.2, 5.0)
    share = jnp.broadcast_to(rarity * TURN, (count, frames))
    turned = bursts(next(keys), share, scene.fps, SWAP_SECONDS)
    swapped = jnp.broadcast_to(turned[..., None], scene.hidden.shape)
    for right, left in (LEGS, ARMS):
        apart = scene.image[:, :, left] - scene.image[:, :, right]
        apart = jnp.linalg.norm(apart, axis=-1).mean(-1) / scene.scale
        crossing = apart < CROSSING
        for side in (left, right):
            crossing |= scene.hidden[:, :, side].sum(-1) >= 2
        share = rarity * jnp.where(crossing, CROSSING_SWAP, SWAP)
        on = bursts(next(keys), share, scene.fps, SWAP_SECONDS)
        both = jnp.array([*left, *right])
        swapped = swapped.at[:, :, both].set(swapped[:, :, both] ^ on[..., None])
    return swapped


def _missing(key: PRNGKeyArray, scene: Scene, found: Array) -> Bool[Array, "b t l"]:
    """Samples the landmarks that are not found."""
    keys = iter(jax.random.split(key, 8 + len(_PARTS)))
    count, _, landmarks = scene.hidden.shape
    outside = ((found < 0) | (found > scene.size[:, None, None])).any(-1)
    guesses = chosen(next(keys), count, 0.25)[:, None, None]  # some place joints out of the image
    missing = outside & ~guesses
    # One joint for a while, and the whole person for a while.
    share = log_uniform(next(keys), (count, 1, 1), *MISSING)
    # A fifth of the detectors often misses hidden joints.
    often = chosen(next(keys), count, 0.2)[:, None, None] & scene.hidden
    share = jnp.where(often, 0.4, jnp.broadcast_to(share, scene.hidden.shape))
    missing |= bursts(next(keys), share, scene.fps, MISSING_SECONDS)
    lost = bursts(next(keys), share.min(-1) / 8, scene.fps, MISSING_SECONDS)
    missing |= lost[..., None]
    # Landmarks that the whole clip lacks: one by one, and by parts of the body.
    absent = jax.random.uniform(next(keys), (count, landmarks)) < 0.01
    for part_share, part in _PARTS:
        lacks = chosen(next(keys), count, part_share)
        absent = absent.at[:, jnp.array(part)].set(absent[:, jnp.array(part)] | lacks[:, None])
    missing |= absent[:, None]
    # Of a person of whom little is found nothing can be learned.
    return missing & (missing.mean((1, 2), keepdims=True) < 0.6)
