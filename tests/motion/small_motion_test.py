"""The walking people of other tests are what a `Motion` promises."""

import numpy as np
import pytest
from small_motion import JOINT, small_motion

from repose_jax.motion.motion import FILLED, MISSING, SEEN
from repose_jax.skeleton import HUMAN36M

MOTION = small_motion(people=3, frames=60)


@pytest.mark.parametrize("person", MOTION.people, ids=lambda person: f"person {person.number}")
def test_positions_in_camera_and_world_agree(person):
    placed = person.joints_camera_mm + person.root_mm[:, None]
    np.testing.assert_allclose(MOTION.world.of_camera(placed), person.joints_mm, atol=1e-6)
    focal, centre = MOTION.camera.focal_px, MOTION.camera.centre_px
    seen = person.status == SEEN
    pixels = focal * placed[..., :2] / placed[..., 2:] + centre
    np.testing.assert_allclose(person.keypoints_px[seen, :2], pixels[seen], atol=5)
    assert np.isnan(person.keypoints_px[~seen, :2]).all()


def test_bones_have_one_length_and_standing_feet_stand_still():
    for person in MOTION.people:
        ends = person.joints_mm[:, np.array(HUMAN36M.bones)]
        lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=-1)
        np.testing.assert_allclose(lengths, lengths[:1].repeat(len(lengths), 0))
        for side in ("left", "right"):
            ankle = person.joints_mm[:, JOINT[f"{side}_ankle"]]
            still = np.linalg.norm(np.diff(ankle, axis=0), axis=-1) < 1e-6
            assert 0.4 < still.mean() < 0.7


def test_the_second_person_comes_later_with_joints_of_every_status():
    first, second, _ = MOTION.people
    assert second.frame[0] > first.frame[0]
    assert second.frame[-1] < first.frame[-1]
    assert set(np.unique(first.status)) == {SEEN}
    assert set(np.unique(second.status)) == {SEEN, FILLED, MISSING}
