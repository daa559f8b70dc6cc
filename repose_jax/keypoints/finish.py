"""From poses as a file holds them to `Detections`: pixels, confidences, the 17 joints, times."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from repose_jax.keypoints.detections import Detections
from repose_jax.keypoints.formats import FORMATS, Joints, joints_of, to_human36m
from repose_jax.keypoints.geometry import order_by_proportions, pixels
from repose_jax.keypoints.identity import unshared
from repose_jax.keypoints.readers.poses import Poses
from repose_jax.runtime.names import counted

ASSUMED_FPS = 30.0
FARTHEST = 100_000
"""Coordinates beyond are mistakes, px."""
LEAST = 1e-6
"""Confidence below which a joint is missing: it would weigh nothing, and be 0 where it is halved or
stored in fewer digits."""
# Frames may be this many times as many as those with people, and two hours more.
_SPARSE, _TWO_HOURS = 20, 216_000
_DAY = 86_400.0  # s
_SLOWEST, _FASTEST = 0.1, 1000.0  # frames per second that a file may say


def finish(
    poses: Poses,
    *,
    fps: int | float | None = None,
    image_size: tuple[int, int] | None = None,
    order: str | Joints | None = None,
) -> Detections:
    """Converts poses as a file holds them.

    Args:
        poses: of one video.
        fps: frames per second, instead of those of the file.
        image_size: width and height in px, instead of those of the file.
        order: of the joints, instead of that of the file.

    Raises:
        ValueError: there are no people, the joint order is not clear, or the coordinates are
            normalised and the size of the image is not known.
    """
    frames = len(np.unique(np.concatenate([poses.frames, poses.frame])))
    if not len(poses.frame):
        raise ValueError(f"there are no people in {_all(frames)}.")
    said: list[str] = [*poses.assumptions]
    wrong: list[str] = [*poses.warnings]
    confidence = _confidence(poses, said, wrong)
    points, confidence = _near(poses.keypoints, confidence, wrong)  # before squares overflow
    poses = dataclasses.replace(poses, keypoints=points)
    order = _order(poses, confidence, order, said)
    keypoints, confidence = to_human36m(poses.keypoints, confidence, order)
    size = image_size or poses.image_size
    by_both = poses.normalised is True or order == "blazepose33"
    keypoints = _pixels(keypoints, size, poses.normalised, by_both, said)
    keypoints, confidence = _near(keypoints, confidence, wrong)
    kept = (confidence > 0).any(1)
    if not kept.any():
        raise ValueError(f"there are no people in {_all(frames)}: no joint was found.")
    if not kept.all():
        wrong.append(f"{counted(int((~kept).sum()), 'pose')} without any joint left out.")
    index, time_s = _times(poses, fps, said, wrong)
    rows = np.flatnonzero(kept)[np.argsort(index[kept], kind="stable")]
    return Detections(
        keypoints=keypoints[rows],
        confidence=confidence[rows],
        frame=index[rows],
        score=_score(poses.score, confidence)[rows],
        identity=_identity(poses, rows, wrong),
        time_s=time_s,
        image_size=size,
        name=poses.name.encode("utf-8", "replace").decode(),  # of a file, of any bytes
        format=order if isinstance(order, str) else "named joints",
        assumptions=tuple(said),
        warnings=tuple(wrong),
    )


def _all(frames: int) -> str:
    return "its only frame" if frames == 1 else f"any of its {frames} frames"


def _order(
    poses: Poses, confidence: np.ndarray, order: str | Joints | None, said: list[str]
) -> str | Joints:
    """Returns the joint order: the given one, that of the file, or the one that people fit."""
    count = poses.keypoints.shape[1]
    if order is None and len(poses.orders) == 1:
        order = poses.orders[0]
        if order == (None,) * count:
            raise ValueError(
                f"the number of its joints, {count}, is that of no known order; name the order "
                f"with --format ({', '.join(FORMATS)}), or the joints with --joints."
            )
        return order
    if order is None:
        names = tuple(name for name in poses.orders if isinstance(name, str))
        found = np.isfinite(poses.keypoints).all(-1) & (confidence > 0)
        order = order_by_proportions(poses.keypoints, found, names)
        if order is None:
            raise ValueError(
                f"its {count} joints may be in the order of {' or '.join(names)}, and its poses do "
                "not show which; name it with --format."
            )
        others = " or ".join(name for name in names if name != order)
        said.append(
            f"By the lengths of the bones, joints are in the order of {order}, not {others}."
        )
        return order
    joints = joints_of(order)
    if len(joints) != count:
        name = repr(order) if isinstance(order, str) else "the list of joint names"
        raise ValueError(f"there are {count} joints, but {name} has {len(joints)}.")
    return order


def _confidence(poses: Poses, said: list[str], wrong: list[str]) -> Float[np.ndarray, "n k"]:
    values = np.nan_to_num(poses.confidence, nan=0.0)
    if poses.visibility:
        said.append(
            "Confidences are COCO's visibility: 2 (visible) was taken as 1, 1 (hidden) as 0.5."
        )
        return values / 2
    low, high = int((values < 0).sum()), int((values > 1).sum())
    if high:
        wrong.append(
            f"{high} of {values.size} confidences above 1 (up to {values.max():.3g}) taken as 1."
        )
    if low:
        wrong.append(f"{low} of {values.size} confidences below 0 taken as 0.")
    return np.where(values < LEAST, 0, np.minimum(values, 1))


def _pixels(
    keypoints: Float[np.ndarray, "n 17 2"],
    size: tuple[int, int] | None,
    normalised: bool | None,
    by_both: bool,
    said: list[str],
) -> Float[np.ndarray, "n 17 2"]:
    """Returns the joints in px; nearly all coordinates of normalised ones are small."""
    finite = np.abs(keypoints[np.isfinite(keypoints)])
    if normalised is None:
        normalised = bool(finite.size and np.percentile(finite, 90) <= 3)
    if not normalised or not finite.size:
        return keypoints
    if size is None:
        raise ValueError(
            "its coordinates are normalised (0 to 1); give the size of the image with --image-size."
        )
    scaled, how = pixels(keypoints, size, by_both)
    said.append(how)
    return scaled


def _near(
    keypoints: Float[np.ndarray, "n k 2"], confidence: Float[np.ndarray, "n k"], wrong: list[str]
) -> tuple[Float[np.ndarray, "n k 2"], Float[np.ndarray, "n k"]]:
    """Returns the joints without those that no image can have."""
    far = (confidence > 0) & ~(np.abs(keypoints) <= FARTHEST).all(-1)
    if far.any():
        wrong.append(
            f"{counted(int(far.sum()), 'joint')} left out: not a number, or further than "
            f"{FARTHEST:,} px from the image."
        )
    return np.where(far[..., None], np.nan, keypoints), np.where(far, 0, confidence)


def _score(score: np.ndarray | None, confidence: np.ndarray) -> Float[np.ndarray, " n"]:
    """Returns the scores of people in [0, 1]: of the file where they are, else of the joints."""
    found = confidence > 0
    mean = np.where(found, confidence, 0).sum(1) / np.maximum(found.sum(1), 1)
    if score is None or (score > 1).any():  # AlphaPose's are sums
        return mean
    return np.clip(np.where(np.isfinite(score), score, mean), 0, 1)


def _identity(poses: Poses, rows: np.ndarray, wrong: list[str]) -> Int[np.ndarray, " r"]:
    """Returns the ids of people in these rows; -1 where there is none, or several share it."""
    if poses.identity is None:
        return np.full(len(rows), -1)
    given = poses.identity[rows]
    kept = unshared(poses.frame[rows], given)
    ignored = np.setdiff1d(given[given >= 0], kept)
    lost = int(((given >= 0) & (kept < 0) & ~np.isin(given, ignored)).sum())
    if lost:
        wrong.append(f"{lost} poses lost their id, which another in the same frame has as well.")
    if len(ignored):
        listed = ", ".join(map(str, ignored[:5]))
        more = f" and {len(ignored) - 5} more" if len(ignored) > 5 else ""
        wrong.append(
            f"Ignored in every frame: {'id' if len(ignored) == 1 else 'ids'} {listed}{more}; "
            "several poses share it in more than a twentieth of its frames."
        )
    return kept


def _times(
    poses: Poses, fps: int | float | None, said: list[str], wrong: list[str]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " t"]]:
    """Returns the index of each pose's frame, and the times of all frames."""
    numbers, first = np.unique(np.concatenate([poses.frames, poses.frame]), return_index=True)
    if poses.time_s is not None and fps is None:
        times = np.append(poses.time_s, np.full(len(poses.frame), np.nan))[first]
        if _may_be_of_a_video(times):
            if np.abs(times).max() > _DAY:
                said.append("The times of the frames are of a clock; the first is taken as 0.")
                times = times - times[0]
            return np.searchsorted(numbers, poses.frame), times
        wrong.append(
            "The times of the frames do not increase, or not as a video's, and were ignored."
        )
    rate = fps or poses.fps
    if rate is None or (fps is None and not _SLOWEST <= rate <= _FASTEST):
        rate = ASSUMED_FPS
        if len(numbers) > 1:
            said.append(f"The file has no frame rate; {rate:g} frames/s were assumed (--fps).")
    step = int(np.gcd.reduce(np.diff(numbers))) if len(numbers) > 1 else 1
    every = (numbers[-1] - numbers[0]) // step + 1
    if every > _SPARSE * len(numbers) + _TWO_HOURS:
        wrong.append(
            f"The numbers of {len(numbers)} images ({numbers[0]} to {numbers[-1]}) are far apart; "
            "each was taken as the frame after the one before."
        )
        return np.searchsorted(numbers, poses.frame), np.arange(len(numbers)) / rate
    if step > 1:
        said.append(f"Only every {step}th frame is listed; the frame rate is that of the video.")
    if every > len(numbers) and poses.listed:
        present = np.isin(np.arange(numbers[0], numbers[-1] + 1, step), numbers)
        wrong.append(
            f"{every - len(numbers)} of {every} frames are missing in the numbering (first: "
            f"{numbers[0] + step * int(np.argmin(present))}); they were taken as frames without "
            "people."
        )
    return (poses.frame - numbers[0]) // step, np.arange(every) * (step / rate)


def _may_be_of_a_video(times: Float[np.ndarray, " t"]) -> bool:
    """Returns whether times increase, usually by the step of some frame rate."""
    steps = np.diff(times)
    if not np.isfinite(times).all() or not (steps > 0).all():
        return False
    return not len(steps) or bool(1 / _FASTEST <= np.median(steps) * (1 + 1e-6) <= 1 / _SLOWEST)
