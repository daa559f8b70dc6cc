"""The live page in a browser: poses that arrive are drawn, without an error."""

import numpy as np
import pytest
from small_browser import CHROMIUM, Browser
from small_motion import small_motion

from repose_jax.motion import live_page
from repose_jax.motion.live_server import LiveServer

pytestmark = [
    pytest.mark.outside,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
MOTION = small_motion(people=1, frames=40)
(PERSON,) = MOTION.people
CONDITION = "document.getElementById('condition').innerText"
FIGURES = "[...document.querySelectorAll('#figures b')].map(each => each.innerText)"


def line(frame: int, **changes) -> str:
    plain = {
        "time_s": float(PERSON.time_s[frame]),
        "image": np.full((180, 320, 3), 90, np.uint8),
        "keypoints_px": PERSON.keypoints_px[frame, :, :2].astype(float),
        "joints_mm": PERSON.joints_mm[frame],
        "confidence": np.ones(17),
        "world": MOTION.world,
        "latency_s": 0.2314,
        "rate": 8.6,
        "dropped": 3 * frame,
    }
    return live_page.message(**{**plain, **changes})


def test_the_pose_that_is_drawn_moves_with_the_messages_until_the_end(tmp_path):
    with LiveServer() as server:
        server.page = live_page.page("</script> camera", MOTION.camera, [("Detector", "none")])
        with Browser(tmp_path, server.address) as browser:
            assert browser.value(CONDITION) == "Waiting for the camera"
            shown = []
            for frame in (0, 39):
                server.send(line(frame))
                browser.wait(f"newest.time === {PERSON.time_s[frame]:.4f} && newest.ready")
                browser.wait("!approach(0)")  # what is drawn has reached the pose
                shown.append(browser.value("[...person.now]"))
                np.testing.assert_allclose(
                    np.reshape(shown[-1], (17, 3)), PERSON.joints_mm[frame], atol=1.5
                )
                browser.wait("!state.dirty")
                browser.screenshot(tmp_path / f"{frame}.png")
            assert browser.value(CONDITION) == "Live"
            assert browser.value(FIGURES) == ["8.6 / s", "231 ms", "117"]
            pictures = [(tmp_path / f"{frame}.png").read_bytes() for frame in (0, 39)]
            assert pictures[0] != pictures[1]
            server.reason = "camera 0: the cable is out"
            server.__exit__()
            browser.wait(f"{CONDITION} === 'camera 0: the cable is out'")
            assert browser.value("document.getElementById('name').innerText") == "</script> camera"
            assert browser.log == []
