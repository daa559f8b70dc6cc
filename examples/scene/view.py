"""The camera."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class View:
    """A pinhole camera that looks towards -Z, tilted down; the world has Y up, in metres.

    Attributes:
        width: of the image, px.
        height: of the image, px.
        focal: focal length, px.
        eye: centre of the camera.
        pitch: how far it is tilted down, degrees.
    """

    width: int = 768
    height: int = 432
    focal: float = 680.0
    eye: tuple[float, float, float] = (0.0, 1.5, 4.7)
    pitch: float = 7.0

    @property
    def rotation(self) -> np.ndarray:
        """`[3, 3]` from the world to camera axes: x right, y down, z away from the camera."""
        sine, cosine = np.sin(np.deg2rad(self.pitch)), np.cos(np.deg2rad(self.pitch))
        return np.array([[1, 0, 0], [0, -cosine, sine], [0, -sine, -cosine]])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Returns points `[..., 3]` in camera axes, from the camera's centre."""
        return (points - np.array(self.eye)) @ self.rotation.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns points in the image, px; the centre of the first pixel is at 0."""
        seen = self.to_camera(points)
        centre = np.array([self.width, self.height]) / 2
        return self.focal * seen[..., :2] / seen[..., 2:] + centre

    def rays(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Returns directions in the world to points of the image; they advance 1 m in depth."""
        across = (x - self.width / 2) / self.focal
        down = (y - self.height / 2) / self.focal
        return np.stack([across, down, np.ones_like(across)], -1) @ self.rotation
