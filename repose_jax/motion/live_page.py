"""The page that shows poses as they arrive, and the messages that it reads."""

import base64
import json
import math
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, UInt8

from repose_jax.motion import page as pages
from repose_jax.motion.motion import MISSING, SEEN, Camera, World
from repose_jax.runtime import extras

JPEG_QUALITY = 70


def page(name: str, camera: Camera, facts: Iterable[tuple[str, str]] = ()) -> str:
    """Returns the page as HTML; it reads the messages of `poses`, beside it.

    Args:
        name: of the camera.
        camera: the camera.
        facts: names and values for the panel, before those of the camera.
    """
    upright = World(np.diag([1.0, -1.0, -1.0]), np.zeros(3), "")  # until there is a world
    data = pages.scene(name, camera, upright, 1)
    data["facts"] = [*facts, *pages.camera_facts(camera)]
    return pages.assemble("live.html", "arriving.js", "live.js", f"{name}: live", data)


def message(
    *,
    time_s: float,
    image: UInt8[np.ndarray, "h w 3"],
    keypoints_px: Float[np.ndarray, "17 2"] | None,
    joints_mm: Float[np.ndarray, "17 3"] | None,
    confidence: Float[np.ndarray, "17"],
    world: World | None,
    latency_s: float,
    rate: float,
    dropped: int,
) -> str:
    """Returns a line of JSON on a frame; null for what is unknown.

    Args:
        time_s: of the frame.
        image: RGB, small.
        keypoints_px: in the camera's image, NaN where missing; None if nobody was detected.
        joints_mm: in the world; None if there is no pose.
        confidence: of the joints; 0 where missing.
        world: that of the joints.
        latency_s: from the camera's frame to its pose; NaN if there is none.
        rate: frames per second.
        dropped: number of frames that came and were not used.
    """
    cv2 = extras.require("cv2", "video", "Live lifting")
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], quality)
    values = {
        "time": round(time_s, 4),
        "image": base64.b64encode(jpeg.tobytes()).decode("ascii"),
        "pixels": None if keypoints_px is None else _pairs(keypoints_px),
        "joints": None if joints_mm is None else np.rint(joints_mm).astype(int).ravel().tolist(),
        "status": np.where(confidence > 0, SEEN, MISSING).tolist(),
        "rotation": None if world is None else np.round(world.rotation, 5).tolist(),
        "origin": None if world is None else np.round(world.origin_mm, 1).tolist(),
        "latency": round(latency_s, 4) if math.isfinite(latency_s) else None,
        "rate": round(rate, 2),
        "dropped": dropped,
    }
    return json.dumps(values, allow_nan=False, separators=(",", ":"))


def _pairs(points: np.ndarray) -> list[list[float] | None]:
    return [[round(x, 1), round(y, 1)] if np.isfinite(x + y) else None for x, y in points.tolist()]
