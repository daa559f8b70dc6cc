"""A take: one recorded motion of one person, without a camera."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from tfds_builders.mocap.face import FACE, axes_from_joints, place_face
from tfds_builders.records import JOINTS


@dataclasses.dataclass(frozen=True, eq=False)
class Take:
    """One recorded motion of one person.

    Attributes:
        name: Unique in its dataset, e.g. "02_01".
        subject: Person, e.g. "02"; "" where unknown.
        action: Action, e.g. "walk"; "" where unknown.
        fps: Frames per second.
        joints: `[t, 17, 3]` floats, metres, in a right-handed world whose Y axis points up.
        face: `[t, 3, 3]` floats, nose, left ear and right ear, as `place_face` places them; if left
            out, those of a head that looks where the shoulders face.
        warnings: Sentences on what is odd in its file and how it was read.

    Raises:
        ValueError: If points have another shape or are not finite numbers, or `fps` is not
            positive.
    """

    name: str
    subject: str
    action: str
    fps: float
    joints: np.ndarray
    face: np.ndarray = None  # pyright: ignore[reportAssignmentType] (set by __post_init__)
    warnings: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.name:
            raise ValueError("a take needs a name; found an empty one")
        if not (self.fps > 0 and math.isfinite(self.fps)):
            raise ValueError(f"take {self.name!r}: fps must be positive, found {self.fps}")
        shape = self.joints.shape
        if len(shape) != 3 or shape[1:] != (len(JOINTS), 3) or shape[0] == 0:
            raise ValueError(
                f"take {self.name!r}: joints must be [t > 0, {len(JOINTS)}, 3], found {shape}"
            )
        self._check("joints", self.joints, JOINTS)
        if self.face is None:
            face = place_face(self.joints, axes_from_joints(self.joints))
            object.__setattr__(self, "face", face)
        self._check("face", self.face, FACE)

    def _check(self, key: str, points: np.ndarray, names: tuple[str, ...]) -> None:
        wanted = (len(self.joints), len(names), 3)
        if points.shape != wanted:
            raise ValueError(f"take {self.name!r}: {key} must be {wanted}, found {points.shape}")
        if not np.issubdtype(points.dtype, np.floating):
            raise ValueError(f"take {self.name!r}: {key} must be floats, found {points.dtype}")
        bad = np.argwhere(~np.isfinite(points))
        if len(bad):
            frame, point, _ = bad[0]
            raise ValueError(
                f"take {self.name!r}: {len(bad)} coordinates are not finite, the first at frame "
                f"{frame}, joint {names[point]}"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class TakeFile:
    """A take in a file that is not read yet.

    Attributes:
        name: The name of the file.
        read: Returns the take; raises ValueError if the file is bad.
    """

    name: str
    read: Callable[[], Take]


def _cubic(x: np.ndarray) -> np.ndarray:
    """The cubic convolution kernel of Keys (1981), a = -1/2: 1 at 0, 0 at the other integers."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def resample(take: Take, fps: float) -> Take:
    """Resamples a take to another frame rate.

    Output frame k shows time k / fps, so nothing is shifted, and the output ends at the last such
    time that the take covers. The points are convolved with the cubic kernel of Keys (1981).
    Towards a higher rate it interpolates and passes through the recorded frames. Towards a lower
    rate it is stretched by the ratio of the rates, which makes it the low-pass filter that must
    come before decimation: motion above the Nyquist frequency is averaged away instead of
    being aliased to slow motion. Beyond the ends the take is continued by point reflection,
    which keeps its velocity.

    Args:
        take: The take.
        fps: The wanted frames per second.

    Returns:
        The take at `fps`; `take` itself where the rates agree.

    Raises:
        ValueError: If `fps` is not positive.
    """
    if not (fps > 0 and math.isfinite(fps)):
        raise ValueError(f"fps must be positive, found {fps}")
    if fps == take.fps:
        return take
    ratio = take.fps / fps
    stretch = max(1.0, ratio)
    frames = len(take.joints)
    # The tolerance keeps a last frame that is past the end by rounding only.
    centres = np.arange(math.floor((frames - 1) / ratio + 1e-6) + 1) * ratio
    pad = math.ceil(2 * stretch)
    taps = np.floor(centres)[:, None].astype(int) + np.arange(1 - pad, pad + 1)
    weights = _cubic((taps - centres[:, None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)

    def filtered(points: np.ndarray) -> np.ndarray:
        padded = np.pad(
            points, ((pad, pad + 1), (0, 0), (0, 0)), mode="reflect", reflect_type="odd"
        )
        return np.einsum("ko,kojc->kjc", weights, padded[taps + pad], optimize=True)

    return dataclasses.replace(
        take, fps=float(fps), joints=filtered(take.joints), face=filtered(take.face)
    )
