"""Error model of a 2D pose detector, applied to true projections."""

import dataclasses
from collections.abc import Iterator

import numpy as np

ARMS = ((11, 12, 13), (14, 15, 16))  # left and right: shoulder, elbow, wrist
LEGS = ((4, 5, 6), (1, 2, 3))  # left and right: hip, knee, ankle


@dataclasses.dataclass(frozen=True)
class DetectorModel:
    """Errors of a detector. Lengths are in units of the person's apparent size, times in seconds.

    A person's size is the longer side of the box around the joints, as top-down detectors crop it.
    The defaults are chosen, not fitted: a mean error of about 6 px for a person of 450 px, about
    that of a stacked hourglass or CPN finetuned on Human3.6M, with the usual order of the joints:
    wrists, ankles and hips are hard, head and shoulders easy.

    Attributes:
        sigma: Standard deviation along x and along y for each visible joint.
        occluded_factor: Factor of the deviation of an occluded joint.
        time_constant: Time after which the autocorrelation of an error has decreased to 1/e.
        outlier_rate: Gross errors that begin per visible joint and second.
        occluded_outlier_rate: As `outlier_rate`, for an occluded joint.
        outlier_time: Mean duration of a gross error.
        outlier_size: Mean length of a gross error, exponentially distributed.
        swap_rate: Swaps of both legs or both arms that begin per second, of limbs apart and
            visible.
        crossing_swap_rate: As `swap_rate`, while the two limbs cross or one is mostly hidden.
        crossing_distance: Mean distance of the joints of two limbs below which they cross.
        swap_time: Mean duration of a swap.
        confidence_scale: Error at which the confidence falls to 1/e.
        confidence_noise: Deviation of the logarithm of the error as the confidence sees it.
    """

    sigma: tuple[float, ...] = (
        *(0.0055, 0.0085, 0.0075, 0.0100, 0.0085, 0.0075, 0.0100),  # pelvis, right leg, left leg
        *(0.0070, 0.0055, 0.0055, 0.0055),  # spine, thorax, neck, head
        *(0.0060, 0.0085, 0.0105, 0.0060, 0.0085, 0.0105),  # left arm, right arm
    )
    occluded_factor: float = 2.0
    time_constant: float = 0.2
    outlier_rate: float = 0.02
    occluded_outlier_rate: float = 0.12
    outlier_time: float = 0.1
    outlier_size: float = 0.12
    swap_rate: float = 0.01
    crossing_swap_rate: float = 0.10
    crossing_distance: float = 0.06
    swap_time: float = 0.15
    confidence_scale: float = 0.07
    confidence_noise: float = 0.3


PERFECT = DetectorModel(
    sigma=(0.0,) * 17,
    outlier_rate=0.0,
    occluded_outlier_rate=0.0,
    swap_rate=0.0,
    crossing_swap_rate=0.0,
)


def _correlated(rng: np.random.Generator, shape: tuple[int, ...], decay: float) -> np.ndarray:
    """Samples first-order autoregressive noise of unit variance along the first axis."""
    noise = rng.standard_normal(shape)
    noise[1:] *= np.sqrt(1 - decay**2)
    for t in range(1, len(noise)):
        noise[t] += decay * noise[t - 1]
    return noise


def _events(
    rng: np.random.Generator, rate: np.ndarray, fps: float, time: float
) -> Iterator[tuple[slice, int]]:
    """Draws events that begin at a rate `[t, n]` per second; yields (frames, column) of each."""
    starts = np.argwhere(rng.random(rate.shape) < rate / fps)
    lengths = np.ceil(rng.exponential(time * fps, len(starts))).astype(int)
    for (frame, column), length in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield slice(frame, frame + length), column


def detect(
    rng: np.random.Generator,
    keypoints: np.ndarray,
    visibility: np.ndarray,
    fps: float,
    model: DetectorModel,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the joints that a detector would find, from their true projections.

    Each joint has a Gaussian error that drifts as a first-order autoregressive process, and
    occasional gross errors of some frames. Occasionally the left and right limbs are swapped, which
    the confidence does not reflect. Times are in seconds, so the frame rate changes the sampling of
    the errors, not their size.

    Args:
        rng: Random generator.
        keypoints: `[t, 17, 2]`, true projections, px.
        visibility: `[t, 17]`; 0 is occluded, other values visible.
        fps: Frames per second.
        model: The parameters.

    Returns:
        keypoints: `[t, 17, 2]`, px.
        confidence: `[t, 17]` in [0, 1]; decreases with the expected and the actual error
            of the joint.
    """
    hidden = visibility == 0
    size = np.ptp(keypoints, axis=1).max(axis=-1)[:, None]  # [t, 1]

    sigma = np.array(model.sigma) * np.where(hidden, model.occluded_factor, 1.0)
    decay = np.exp(-1 / (fps * model.time_constant))
    error = sigma[..., None] * _correlated(rng, keypoints.shape, decay)  # in units of the size
    rate = np.where(hidden, model.occluded_outlier_rate, model.outlier_rate)
    for frames, joint in _events(rng, rate, fps, model.outlier_time):
        angle = rng.uniform(0, 2 * np.pi)
        length = rng.exponential(model.outlier_size)
        error[frames, joint] += length * np.array([np.cos(angle), np.sin(angle)])
    detected = keypoints + size[..., None] * error

    # The error as the detector sees it: expected and actual error in equal parts.
    seen = np.sqrt(sigma**2 + (error**2).sum(axis=-1) / 2)
    seen *= np.exp(model.confidence_noise * rng.standard_normal(seen.shape))
    confidence = np.exp(-seen / model.confidence_scale)

    for left, right in (ARMS, LEGS):
        apart = np.linalg.norm(keypoints[:, left] - keypoints[:, right], axis=-1).mean(axis=-1)
        crossing = apart < model.crossing_distance * size[:, 0]
        for side in (left, right):
            crossing |= hidden[:, side].sum(axis=-1) >= 2
        rate = np.where(crossing, model.crossing_swap_rate, model.swap_rate)[:, None]
        swapped = np.zeros(len(keypoints), bool)
        for frames, _ in _events(rng, rate, fps, model.swap_time):
            swapped[frames] = True
        both, other = np.array([*left, *right]), np.array([*right, *left])
        rows = np.flatnonzero(swapped)[:, None]
        for array in (detected, confidence):
            array[rows, both] = array[rows, other]
    return detected, confidence
