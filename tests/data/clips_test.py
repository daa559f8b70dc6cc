import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
import small_data

from repose_jax.data import clips as clips_lib
from repose_jax.data.normalise import PERSON_CHANNELS, to_person_frame
from repose_jax.skeleton import HUMAN36M

FRAMES = 9
MOTION = small_data.sequences((23, 9, 30, 5, 17, 1))


def make(stride: int = 4, **options) -> clips_lib.Clips:
    return clips_lib.make(MOTION, frames=FRAMES, stride=stride, **options)


def assert_same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


# Context


def test_the_frames_around_a_clip_come_with_it_and_those_at_the_ends_repeat():
    clips = make(stride=9, context=(2, 3))
    batch = clips_lib.gather(clips, np.arange(len(clips)))
    for key in ("inputs", "targets"):
        assert batch[key].shape == (len(clips), 2 + FRAMES + 3, 17, 3)
    begin, end = MOTION.offsets[0], MOTION.offsets[1]  # 23 frames: clips from 0, 9 and 14
    rows = {0: [0, 0, *range(12)], 1: [*range(7, 21)], 2: [*range(12, 23), 22, 22, 22]}
    for clip, wanted in rows.items():
        np.testing.assert_array_equal(batch["inputs"][clip], clips.inputs[begin:end][wanted])
    assert batch["mask"][0, :, 0].tolist() == [False] * 2 + [True] * 12
    assert batch["mask"][1].all()
    assert batch["mask"][2, :, 0].tolist() == [True] * 11 + [False] * 3


def test_context_changes_neither_the_frames_of_clips_nor_which_are_new():
    plain, around = make(), make(context=(4, 4))
    index = np.arange(len(plain))
    np.testing.assert_array_equal(clips_lib.rows(plain, index), clips_lib.rows(around, index))
    new = [clips_lib.new_frames(clips, index) for clips in (plain, around)]
    np.testing.assert_array_equal(*new)
    batches = [clips_lib.gather(clips, index) for clips in (plain, around)]
    for key in ("inputs", "targets", "mask"):
        np.testing.assert_array_equal(batches[0][key], batches[1][key][:, 4:-4])


def test_dropped_joints_do_not_count_in_any_frame():
    clips, whole = make(dropped_joints=("neck",)), make()
    batch, wanted = (clips_lib.gather(c, np.arange(len(c))) for c in (clips, whole))
    neck = HUMAN36M.joints.index("neck")
    assert not batch["mask"][..., neck].any()
    np.testing.assert_array_equal(
        np.delete(batch["mask"], neck, -1).all(-1), wanted["mask"][..., 0]
    )
    np.testing.assert_array_equal(batch["inputs"], wanted["inputs"])
    for wrong in ("nose", "pelvis"):
        with pytest.raises(ValueError, match=f"no config.data.dropped_joints '{wrong}'.* neck, "):
            make(dropped_joints=(wrong,))


def test_targets_can_be_in_millimetres():
    batches = [clips_lib.gather(make(unit=unit), np.arange(3)) for unit in clips_lib.UNITS]
    np.testing.assert_allclose(batches[0]["targets"] * 1000, batches[1]["targets"], atol=1e-3)
    with pytest.raises(ValueError, match="unit is 'feet'; choose from"):
        make(unit="feet")


# The frame of the person


def test_inputs_in_the_frame_of_the_person_are_made_of_each_clip_with_its_context():
    clips, index = make(normalise="person", context=(2, 3)), np.array([0, 1, 7])
    inputs = clips_lib.gather(clips, index)["inputs"]
    rows = clips_lib.rows(clips, index, (2, 3))
    unknown = np.full(3, np.nan)
    wanted = to_person_frame(
        MOTION.keypoints_2d[rows],
        MOTION.confidence[rows],
        np.tile([1000, 900], (3, 1)),
        unknown,
        np.full(3, 30.0),
        np.full((3, 3), np.nan),
    )
    np.testing.assert_allclose(inputs, wanted, atol=1e-5)
    image = clips_lib.gather(make(context=(2, 3)), index)
    for key in ("targets", "mask"):
        np.testing.assert_array_equal(clips_lib.gather(clips, index)[key], image[key])


UP = np.float32([[0.6, -0.8, 0]] * 3 + [[0, -1, 0]] * 3)


@pytest.mark.parametrize("known", [(), ("fps",), ("focal", "up"), ("fps", "focal", "up")])
def test_a_model_is_given_what_is_known_of_the_camera(known):
    motion = dataclasses.replace(MOTION, fps=np.full(6, 60, np.float32), up=UP)
    clips = clips_lib.make(motion, frames=9, stride=9, normalise="person", known=known)
    index = np.arange(len(clips))
    inputs = clips_lib.model_inputs(clips, index)[:, 0, 0]
    channel = dict(zip(PERSON_CHANNELS, inputs.T, strict=True))
    np.testing.assert_allclose(channel["log frame rate"], np.log(2) if "fps" in known else 0)
    np.testing.assert_array_equal(channel["focal length known"], "focal" in known)
    up = np.stack([channel[f"up {axis}"] for axis in "xyz"], axis=-1)
    np.testing.assert_allclose(up, UP[clips.windows.sequence] * ("up" in known))


def test_a_vertical_that_a_dataset_does_not_have_is_unknown():
    assert MOTION.up is None
    inputs = clips_lib.model_inputs(make(normalise="person", known=("up",)), np.arange(3))
    np.testing.assert_array_equal(inputs[..., -3:], 0)


def test_a_keypoint_without_confidence_has_no_influence_in_the_frame_of_the_person():
    keypoints, confidence = MOTION.keypoints_2d.copy(), MOTION.confidence.copy()
    confidence[:, 4] = 0
    found = []
    for value in (0, np.nan):
        keypoints[:, 4] = value
        motion = dataclasses.replace(MOTION, keypoints_2d=keypoints, confidence=confidence)
        clips = clips_lib.make(motion, frames=9, stride=9, normalise="person")
        found.append(clips_lib.model_inputs(clips, np.arange(len(clips))))
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[0]).all()


def test_a_mirrored_clip_is_one_of_the_mirrored_image():
    plain, mirrored = (
        clips_lib.train_batch(make(normalise="person"), 8, seed=0, step=3, flip_share=share)
        for share in (0.0, 1.0)
    )
    order = list(HUMAN36M.flip)
    image = MOTION.keypoints_2d[:, order] * np.float32([-1, 1]) + np.float32([1000, 0])
    motion = dataclasses.replace(MOTION, keypoints_2d=image, confidence=MOTION.confidence[:, order])
    clips = clips_lib.make(motion, frames=FRAMES, stride=4, normalise="person")
    index = clips_lib.batch_index(len(clips), 8, seed=0, step=3)
    np.testing.assert_allclose(mirrored["inputs"], clips_lib.model_inputs(clips, index), atol=1e-4)
    np.testing.assert_array_equal(mirrored["targets"], clips_lib.flip(plain["targets"]))


def test_an_unknown_frame_of_reference_is_refused():
    with pytest.raises(ValueError, match="normalise is 'box'; choose from .*'image', 'person'"):
        make(normalise="box")


# Windows


@pytest.mark.parametrize("stride", [1, 2, 4, 8, 9])
@pytest.mark.parametrize("frames", [9, 10])
def test_every_frame_is_covered_and_new_in_exactly_one_clip(frames, stride):
    clips = clips_lib.make(MOTION, frames=frames, stride=stride)
    windows = clips.windows
    total = MOTION.offsets[-1]
    covered, new = np.zeros(total, int), np.zeros(total, int)
    new_frames = clips_lib.new_frames(clips, np.arange(len(clips)))
    for clip in range(len(clips)):
        sequence, start = windows.sequence[clip], windows.start[clip]
        rows = np.arange(start, start + windows.length[clip])
        assert MOTION.offsets[sequence] <= start
        assert rows[-1] < MOTION.offsets[sequence + 1]
        covered[rows] += 1
        new[rows] += new_frames[clip, : len(rows)]
        assert not new_frames[clip, len(rows) :].any()
    assert (covered >= 1).all()
    np.testing.assert_array_equal(new, 1)


def test_the_last_frames_are_covered_by_a_window_that_ends_with_the_sequence():
    windows = clips_lib.windows(np.array([0, 10, 14]), frames=4, stride=4)
    assert windows.sequence.tolist() == [0, 0, 0, 1]
    assert windows.start.tolist() == [0, 4, 6, 10]
    assert windows.length.tolist() == [4, 4, 4, 4]
    assert windows.new.tolist() == [4, 4, 2, 4]


def test_a_sequence_shorter_than_a_clip_gives_one_window():
    windows = clips_lib.windows(np.array([0, 3, 4]), frames=5, stride=2)
    assert windows.start.tolist() == [0, 3]
    assert windows.length.tolist() == [3, 1]
    assert windows.new.tolist() == [3, 1]


def test_partial_clips_can_be_dropped_as_in_the_authors_clips():
    windows = clips_lib.windows(np.array([0, 10, 14, 17]), frames=4, stride=4, partial_clips="drop")
    assert windows.sequence.tolist() == [0, 0, 1, 2]
    assert windows.start.tolist() == [0, 4, 10, 14]
    assert windows.length.tolist() == [4, 4, 4, 3]
    assert windows.new.tolist() == [4, 4, 4, 3]
    clips = clips_lib.make(MOTION, frames=9, stride=9, partial_clips="drop")
    lengths = MOTION.lengths
    wanted = np.where(lengths < 9, lengths, lengths // 9 * 9)
    frame = np.concatenate([np.arange(n) for n in lengths])
    covered = clips_lib.covered(clips)
    np.testing.assert_array_equal(covered, frame < np.repeat(wanted, lengths))
    assert clips_lib.covered(make()).all()


@pytest.mark.parametrize("stride", [0, -1, 10])
def test_a_stride_that_skips_frames_or_stands_still_is_refused(stride):
    with pytest.raises(ValueError, match=rf"stride must be 1 to 9 .*found {stride}"):
        make(stride)


# Arrays


def test_each_sequence_is_normalised_by_its_own_image():
    size = MOTION.image_size.copy()
    size[1] = [2000, 500]
    clips = clips_lib.make(
        dataclasses.replace(MOTION, image_size=size), frames=FRAMES, stride=FRAMES
    )
    row = MOTION.offsets[1]
    x, y = MOTION.keypoints_2d[row, 5]
    np.testing.assert_allclose(
        clips.inputs[row, 5],
        [x / 1000 - 1, y / 1000 - 0.25, MOTION.confidence[row, 5]],
        rtol=1e-5,
        atol=1e-6,
    )


def test_targets_are_metres_relative_to_the_root_of_each_frame():
    batch = clips_lib.gather(make(), np.array([1]))
    rows = MOTION.joints_3d[4 : 4 + FRAMES]
    wanted = (rows - rows[:, HUMAN36M.root, None]) / 1000
    np.testing.assert_allclose(batch["targets"][0], wanted, atol=1e-6)
    np.testing.assert_array_equal(batch["targets"][0, :, HUMAN36M.root], 0)


def test_depth_relative_to_the_first_frame_keeps_how_the_body_travels():
    batch = clips_lib.gather(make(depth_reference="first_frame"), np.array([1]))
    rows = MOTION.joints_3d[4 : 4 + FRAMES]
    root = batch["targets"][0, :, HUMAN36M.root]
    np.testing.assert_array_equal(root[:, :2], 0)
    travel = (rows[:, HUMAN36M.root, 2] - rows[0, HUMAN36M.root, 2]) / 1000
    assert abs(travel[-1]) > 0.01
    np.testing.assert_allclose(root[:, 2], travel, atol=1e-6)
    other = clips_lib.gather(make(), np.array([1]))["targets"]
    np.testing.assert_allclose(batch["targets"] - root[:, None], other, atol=1e-6)


@pytest.mark.parametrize("option", ["depth_reference", "inputs", "partial_clips"])
def test_an_unknown_option_is_refused_with_the_known_ones(option):
    with pytest.raises(ValueError, match=f"{option} is 'camera'; choose from .*'"):
        make(**{option: "camera"})


def test_the_ground_truth_as_input_is_the_projection_of_the_joints():
    clips, detected = make(inputs="ground_truth"), make()
    joints = MOTION.joints_3d
    pixels = joints[..., :2] / joints[..., 2:] * 1100 + [500, 450]
    np.testing.assert_allclose(clips.inputs[..., :2], pixels / 500 - [1, 0.9], atol=1e-5)
    np.testing.assert_array_equal(clips.inputs[..., 2], 1)
    error = np.abs(clips.inputs - detected.inputs)[..., :2]
    assert 1e-4 < np.median(error) < 0.01  # the noise of 2 px
    np.testing.assert_array_equal(clips.joints, detected.joints)


def test_without_a_camera_there_is_no_ground_truth_in_the_image():
    unknown = dataclasses.replace(MOTION, intrinsics=np.full_like(MOTION.intrinsics, np.nan))
    with pytest.raises(ValueError, match="train0/view0: its camera is unknown"):
        clips_lib.make(unknown, frames=9, stride=9, inputs="ground_truth")


# 2.5D labels

IN_IMAGE = dataclasses.replace(
    MOTION,
    joints_3d=np.concatenate(
        [MOTION.keypoints_2d, MOTION.joints_3d[..., 2:] - MOTION.joints_3d[:, :1, 2:]], axis=-1
    ).astype(np.float32),
    mm_per_px=np.linspace(4, 5, len(MOTION.joints_3d)).astype(np.float32),
)


def test_labels_in_the_image_are_normalised_like_keypoints_and_depth_with_them():
    clips = clips_lib.make(IN_IMAGE, frames=9, stride=9, root_relative=False)
    pixels = IN_IMAGE.joints_3d
    np.testing.assert_allclose(clips.joints[..., :2], pixels[..., :2] / 500 - [1, 0.9], atol=1e-5)
    np.testing.assert_allclose(clips.joints[..., 2], pixels[..., 2] / 500, atol=1e-5)
    targets = clips_lib.gather(clips, np.array([1]))["targets"][0]
    np.testing.assert_array_equal(targets, clips.joints[9:18])
    # A unit is half a width of the image.
    np.testing.assert_allclose(clips.mm_per_unit, 500 * IN_IMAGE.mm_per_px, rtol=1e-6)


def test_labels_in_the_image_can_be_relative_to_the_root():
    clips = clips_lib.make(IN_IMAGE, frames=9, stride=9)
    targets = clips_lib.gather(clips, np.array([1]))["targets"][0]
    wanted = clips.joints[9:18] - clips.joints[9:18, :1]
    np.testing.assert_allclose(targets, wanted, atol=1e-6)


def test_the_ground_truth_in_the_image_is_the_label():
    clips = clips_lib.make(IN_IMAGE, frames=9, stride=9, root_relative=False, inputs="ground_truth")
    np.testing.assert_array_equal(clips.inputs[..., :2], clips.joints[..., :2])


def test_options_that_the_labels_exclude_are_refused():
    with pytest.raises(ValueError, match="depth relative to the root of each frame only"):
        clips_lib.make(IN_IMAGE, frames=9, stride=9, depth_reference="first_frame")
    with pytest.raises(ValueError, match="root_relative=False needs 2.5D labels"):
        make(root_relative=False)


def test_a_short_clip_repeats_its_last_frame_which_the_mask_excludes():
    clips = make()
    (clip,) = np.flatnonzero(clips.windows.length == 5)
    batch = clips_lib.gather(clips, np.array([clip]))
    assert batch["mask"][0, :, 0].tolist() == [True] * 5 + [False] * 4
    new = clips_lib.new_frames(clips, np.array([clip]))
    assert new[0].tolist() == [True] * 5 + [False] * 4
    for key in ("inputs", "targets"):
        assert batch[key].shape[:3] == (1, FRAMES, 17)
        for frame in range(5, FRAMES):
            np.testing.assert_array_equal(batch[key][0, frame], batch[key][0, 4])


# Flips


@pytest.mark.parametrize("module", [np, jnp])
def test_a_flip_negates_x_and_exchanges_left_and_right(module):
    x = np.random.default_rng(0).normal(size=(2, 3, 17, 3)).astype(np.float32)
    flipped = np.asarray(clips_lib.flip(module.asarray(x)))
    for left, right in zip(HUMAN36M.left, HUMAN36M.right, strict=True):
        np.testing.assert_array_equal(flipped[..., left, :], x[..., right, :] * [-1, 1, 1])
        np.testing.assert_array_equal(flipped[..., right, :], x[..., left, :] * [-1, 1, 1])
    np.testing.assert_array_equal(flipped[..., 0, :], x[..., 0, :] * [-1, 1, 1])
    np.testing.assert_array_equal(clips_lib.flip(flipped), x)


@pytest.mark.parametrize(("share", "least", "most"), [(0.0, 0, 0), (1.0, 8, 8), (0.5, 1, 7)])
def test_the_share_of_flips(share, least, most):
    plain, batch = (
        clips_lib.train_batch(make(), 8, seed=0, step=3, flip_share=s, with_occluded=True)
        for s in (0.0, share)
    )
    assert plain["occluded"].any()
    flipped = 0
    for clip in range(8):
        is_flipped = not np.array_equal(batch["inputs"][clip], plain["inputs"][clip])
        for key in ("inputs", "targets"):
            wanted = clips_lib.flip(plain[key][clip]) if is_flipped else plain[key][clip]
            np.testing.assert_array_equal(batch[key][clip], wanted)
        order = list(HUMAN36M.flip) if is_flipped else slice(None)
        np.testing.assert_array_equal(batch["occluded"][clip], plain["occluded"][clip][:, order])
        flipped += is_flipped
    assert least <= flipped <= most


# Batches


def test_a_training_batch_depends_on_nothing_but_seed_and_step():
    first = clips_lib.train_batch(make(), 8, seed=1, step=5)
    clips_lib.train_batch(make(), 8, seed=1, step=0)
    clips_lib.train_batch(make(), 8, seed=2, step=99)
    assert_same(first, clips_lib.train_batch(make(), 8, seed=1, step=5))
    for seed, step in ((1, 6), (2, 5), (1, 5 + len(make()) // 8)):
        other = clips_lib.train_batch(make(), 8, seed=seed, step=step)
        assert not np.array_equal(first["inputs"], other["inputs"])


def test_an_epoch_visits_each_clip_at_most_once():
    orders = []
    for epoch in range(3):
        steps = range(epoch * 2, epoch * 2 + 2)  # 20 clips: two batches of 8, 4 are left over
        order = np.concatenate([clips_lib.batch_index(20, 8, 0, step) for step in steps])
        assert len(order) == 16
        assert len(set(order.tolist())) == 16
        assert set(order.tolist()) <= set(range(20))
        orders.append(order.tolist())
    assert orders[0] != orders[1] != orders[2]
    # Other clips are left out in other epochs.
    assert set().union(*map(set, orders)) == set(range(20))


def test_fewer_clips_than_a_batch_are_repeated():
    for step in range(3):
        index = clips_lib.batch_index(3, 8, 0, step)
        assert np.bincount(index, minlength=3).tolist() in ([3, 3, 2], [3, 2, 3], [2, 3, 3])


def test_the_rows_of_two_processes_make_up_the_batch():
    whole = clips_lib.train_batch(make(), 8, seed=0, step=1)
    parts = [
        clips_lib.train_batch(make(), 8, seed=0, step=1, rows=rows)
        for rows in (slice(0, 4), slice(4, 8))
    ]
    assert_same(whole, {key: np.concatenate([part[key] for part in parts]) for key in whole})


def test_evaluation_goes_through_all_clips_in_order_and_pads_the_last_batch():
    clips = make()
    batches = clips_lib.eval_batches(clips, 8)
    padding = -len(clips) % 8
    assert padding, "the last batch has to be padded for this test to say anything"
    index = np.concatenate([index for index, _ in batches])
    assert index.tolist() == [*range(len(clips)), *[len(clips) - 1] * padding]
    for index, new in batches:
        assert new.shape == (8, FRAMES)
        real = np.arange(index[0], index[0] + 8) < len(clips)
        wanted = clips_lib.new_frames(clips, index)
        np.testing.assert_array_equal(new, wanted & real[:, None])
    assert not batches[-1][1][-padding:].any()
