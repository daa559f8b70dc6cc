import io
import json
import zipfile

import numpy as np
import pytest
import small_keypoints as small
from hostile_pickles import hostile
from small_keypoints import SIZE, write_json

from repose_jax.keypoints.read import from_arrays, read


def only(path, **options):
    (detections,) = read(path, **options)
    return detections


def check(detections, order, frames=6, confidence=0.5):
    """One person, in every frame."""
    np.testing.assert_array_equal(detections.frame, np.arange(frames))
    np.testing.assert_allclose(detections.keypoints, small.wanted(order, frames), atol=0.01)
    np.testing.assert_allclose(detections.confidence, confidence)
    assert detections.format == order


@pytest.mark.parametrize("order", ["coco17", "halpe26", "mpii16"])
def test_alphapose_in_the_natural_order_of_its_images(tmp_path, order):
    path = write_json(tmp_path / "results.json", small.alphapose(order, 12))
    detections = only(path, fps=25.0)
    check(detections, order, 12)
    np.testing.assert_allclose(detections.time_s, np.arange(12) / 25)
    np.testing.assert_allclose(detections.score, 0.5)  # 2.5 is a sum, so that of the joints is used
    assert not detections.assumptions
    assert detections.name == "results"


@pytest.mark.parametrize(
    ("idx", "identity"),
    [(3, 3), ("3", 3), ("three", -1), ([0.0], 0), ([[2.0], [2.0]], 2), ([], -1), (None, -1)],
)
def test_ids_of_alphapose_are_numbers_or_lists(tmp_path, idx, identity):
    path = write_json(tmp_path / "results.json", small.alphapose(idx=idx))
    assert (only(path).identity == identity).all()


def two_people(tmp_path, frames, first_again):
    """Ids 1 and 2 in every frame; in some frames the pose of 1 comes twice."""
    one, two = small.alphapose(frames=frames, idx=1), small.alphapose(frames=frames, idx=2)
    entries = [entry for pair in zip(one, two, strict=True) for entry in pair]
    entries += [entry for entry in one if int(entry["image_id"].split(".")[0]) in first_again]
    return only(write_json(tmp_path / "results.json", entries))


def test_an_id_that_several_poses_of_a_frame_share_is_ignored_there(tmp_path):
    detections = two_people(tmp_path, 200, {7})
    there = detections.frame == 7
    assert sorted(detections.identity[there]) == [-1, -1, 2]
    assert sorted(detections.identity[~there]) == [1] * 199 + [2] * 199
    (warning,) = [said for said in detections.warnings if " id" in said]
    assert warning == "2 poses lost their id, which another in the same frame has as well."


@pytest.mark.parametrize(("shared", "kept"), [(2, True), (3, False)])
def test_an_id_shared_in_more_than_a_twentieth_of_its_frames_is_ignored(tmp_path, shared, kept):
    detections = two_people(tmp_path, 40, set(range(shared)))
    assert (detections.identity == 1).sum() == (40 - shared if kept else 0)
    assert (detections.identity == 2).sum() == 40
    ignored = [said for said in detections.warnings if "Ignored in every frame: id 1;" in said]
    assert len(ignored) == (not kept)


def test_the_one_id_of_everybody_is_ignored(tmp_path):
    entries = small.alphapose(idx=0)
    detections = only(write_json(tmp_path / "results.json", entries + entries[:1]))
    assert (detections.identity == -1).all()
    assert any("Ignored in every frame: id 0;" in said for said in detections.warnings)


def test_frames_of_a_video_before_the_first_person_are_kept(tmp_path):
    entries = [entry for entry in small.alphapose() if entry["image_id"] >= "3.jpg"]
    detections = only(write_json(tmp_path / "results.json", entries))
    assert len(detections.time_s) == 6
    np.testing.assert_array_equal(detections.frame, [3, 4, 5])


@pytest.mark.parametrize(
    ("people", "joints"), [("people", "pose_keypoints_2d"), ("bodies", "joints")]
)
def test_alphapose_by_image(tmp_path, people, joints):
    content = {
        f"{t}.jpg": {people: [{joints: small.flat("openpose_coco18", t)}]} for t in range(12)
    }
    content = dict(sorted(content.items()))
    check(only(write_json(tmp_path / "results.json", content)), "openpose_coco18", 12)


def test_entries_of_several_images_under_one_name_are_those_of_a_video(tmp_path):
    entries = small.alphapose(frames=12)
    detections = only(write_json(tmp_path / "walk.json", {"results": entries, "others": []}))
    check(detections, "halpe26", 12)
    assert detections.name == "walk"
    found = read(write_json(tmp_path / "both.json", {"left": entries, "right": small.alphapose()}))
    assert [(one.name, len(one.time_s)) for one in found] == [("left", 12), ("right", 6)]


def test_entries_under_the_names_of_their_images_are_of_these(tmp_path):
    content = {
        f"{t}.jpg": [{**entry, "image_id": 100 + t}] for t, entry in enumerate(small.alphapose())
    }
    check(only(write_json(tmp_path / "walk.json", content)), "halpe26")


@pytest.mark.parametrize(
    "order",
    ["openpose_body25", "openpose_body25b", "openpose_coco18", "openpose_mpi15"],
)
def test_a_folder_of_openpose_is_one_video(tmp_path, order):
    folder = small.openpose_folder(tmp_path / "cam01_json", order)
    detections = only(folder)
    check(detections, order)
    assert detections.name == "clip"
    alike = order.startswith("openpose_body25")
    assert any("lengths of the bones" in said for said in detections.assumptions) == alike
    assert any("30 frames/s were assumed" in said for said in detections.assumptions)


def test_a_frame_of_openpose_alone(tmp_path):
    path = write_json(tmp_path / "frame.json", small.openpose("openpose_body25", 0, people=2))
    detections = only(path)
    np.testing.assert_array_equal(detections.frame, [0, 0])
    assert detections.name == "frame"


def test_openpose_without_people_or_with_empty_lists_or_missing_files(tmp_path):
    folder = small.openpose_folder(tmp_path / "json", "openpose_body25")
    write_json(folder / "clip_000000000001_keypoints.json", {"people": []})
    empty = small.openpose("openpose_body25", 2, pose_keypoints_2d=[])
    write_json(folder / "clip_000000000002_keypoints.json", empty)
    (folder / "clip_000000000004_keypoints.json").unlink()
    detections = only(folder)
    np.testing.assert_array_equal(detections.frame, [0, 3, 5])
    assert len(detections.time_s) == 6
    assert any(
        "1 of 6 frames are missing in the numbering (first: 4)" in w for w in detections.warnings
    )


def test_look_alikes_that_poses_do_not_tell_apart_are_asked_about(tmp_path):
    frame = small.openpose("openpose_body25", 0)
    values = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(25, 3)
    values[3:] = 0
    frame["people"][0]["pose_keypoints_2d"] = values.ravel().tolist()
    path = write_json(tmp_path / "frame.json", frame)
    with pytest.raises(
        ValueError, match=r"frame\.json.*openpose_body25 or openpose_body25b.*--format"
    ):
        read(path)
    assert only(path, format="BODY_25B").format == "openpose_body25b"


def test_a_truncated_file_of_a_folder_is_a_frame_without_people(tmp_path):
    folder = small.openpose_folder(tmp_path / "json", "openpose_body25")
    (folder / "clip_000000000003_keypoints.json").write_text('{"people": [')
    detections = only(folder)
    np.testing.assert_array_equal(detections.frame, [0, 1, 2, 4, 5])
    assert any(
        "Skipped clip_000000000003_keypoints.json: it is not valid" in w
        for w in detections.warnings
    )


def test_a_folder_may_have_several_videos_and_other_files(tmp_path):
    for camera in ("cam01", "cam02"):
        small.openpose_folder(tmp_path / camera, "openpose_body25b")
    write_json(tmp_path / "other.json", small.alphapose())
    (tmp_path / "README.md").write_text("A recording.")
    first, second, third = read(tmp_path)
    assert [first.name, second.name, third.name] == ["clip 1", "clip 2", "other"]
    assert "Skipped 1 file of other kinds" in third.warnings[-1]


def test_mixed_formats_in_one_video_are_refused(tmp_path):
    folder = small.openpose_folder(tmp_path / "json", "openpose_body25")
    write_json(folder / "clip_000000000003_keypoints.json", small.mmpose_people("coco17", 0))
    with pytest.raises(ValueError, match=r"it is of OpenPose, but clip_000000000003.*of MMPose"):
        read(folder)


@pytest.mark.parametrize("order", ["coco17", "halpe26"])
@pytest.mark.parametrize("demo", [False, True])
def test_mmpose_videos(tmp_path, order, demo):
    frames = small.mmpose_video(order, first=1 if demo else 0)
    content = {"meta_info": {}, "instance_info": frames} if demo else frames
    detections = only(write_json(tmp_path / "video.json", content))
    np.testing.assert_array_equal(detections.frame, np.repeat(np.arange(6), 2))
    np.testing.assert_allclose(detections.keypoints[::2], small.wanted(order))
    np.testing.assert_allclose(detections.keypoints[1::2], small.wanted(order, offset=300))
    np.testing.assert_allclose(detections.score, 0.75)


def test_mmpose_names_its_joints(tmp_path):
    names = {str(n): joint for n, joint in enumerate(small.FORMATS["halpe26"][::-1])}
    frames = small.mmpose_video("halpe26")
    for frame in frames:
        for person in frame["instances"]:
            person["keypoints"] = person["keypoints"][::-1]
    content = {"meta_info": {"keypoint_id2name": names}, "instance_info": frames}
    detections = only(write_json(tmp_path / "video.json", content))
    np.testing.assert_allclose(detections.keypoints[::2], small.wanted("halpe26"))


def test_mmpose_images(tmp_path):
    detections = only(write_json(tmp_path / "image.json", small.mmpose_people("coco17", 0, 2)))
    np.testing.assert_array_equal(detections.frame, [0, 0])


def test_mmpose_in_three_dimensions_is_refused(tmp_path):
    people = small.mmpose_people("coco17", 0)
    people[0]["keypoints"] = [[1.0, 2.0, 3.0]] * 17
    with pytest.raises(ValueError, match="result of a 3D model"):
        read(write_json(tmp_path / "image.json", people))


def test_the_third_number_of_coco_is_a_visibility(tmp_path):
    entries = []
    for t, visibility in enumerate((2, 1, 2)):
        entries.append(
            {"image_id": t, "keypoints": small.flat("coco17", t, score=visibility), "score": 0.5}
        )
    detections = only(write_json(tmp_path / "results.json", entries))
    np.testing.assert_array_equal(detections.confidence[:, 0], [1, 0.5, 1])
    assert any("COCO's visibility" in said for said in detections.assumptions)


def test_coco_annotations(tmp_path):
    content = {
        "images": [
            {"id": 90 - t, "file_name": f"a_{t}.jpg", "width": 640, "height": 480} for t in range(6)
        ],
        "annotations": [
            {"image_id": 90 - t, "keypoints": small.flat("coco17", t, score=2)} for t in range(6)
        ],
        "categories": [{"name": "person", "keypoints": list(small.FORMATS["coco17"])}],
    }
    detections = only(write_json(tmp_path / "annotations.json", content))
    np.testing.assert_allclose(detections.keypoints, small.wanted("coco17"))
    assert detections.image_size == (640, 480)


def test_videopose3d_has_several_videos(tmp_path):
    first, second = read(small.videopose3d(tmp_path / "data.npz"))
    check(first, "coco17", confidence=1)
    np.testing.assert_allclose(second.keypoints, small.wanted("coco17", offset=100))
    assert (first.name, first.image_size) == ("a.mp4", SIZE)


def test_coordinates_divided_by_the_width_are_known_by_the_proportions_of_the_body(tmp_path):
    first, _ = read(small.videopose3d(tmp_path / "data.npz", scale=1 / SIZE[0]))
    np.testing.assert_allclose(first.keypoints, small.wanted("coco17"))
    assert any("in both directions" in said for said in first.assumptions)


def test_archives_run_no_code(tmp_path):
    marker = tmp_path / "marker"
    for name, pickled in hostile(marker).items():
        header = b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (), }"
        with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
            archive.writestr("positions_2d.npy", header.ljust(127) + b"\n" + pickled)
        with pytest.raises(ValueError, match=r"data\.npz"):
            read(tmp_path / "data.npz")
        assert not marker.exists(), name


def mediapipe_files(folder):
    frames = [small.mediapipe_pose(t) for t in range(6)]
    named = [small.mediapipe_pose(t, named=True) for t in range(6)]
    yield write_json(folder / "nested.json", frames)
    yield write_json(folder / "tasks.json", [{"landmarks": [pose]} for pose in frames])
    yield write_json(
        folder / "frames.json",
        {"frames": [{"frame": t, "pose_landmarks": pose} for t, pose in enumerate(frames)]},
    )
    yield write_json(folder / "numbered.json", {str(t): pose for t, pose in enumerate(frames)})
    yield write_json(folder / "named.json", [{"keypoints": pose} for pose in named])
    flat = [[value for point in pose for value in list(point.values())] for pose in frames]
    numbered = [f"{axis}{n}" for n in range(1, 34) for axis in "xyzv"]
    names = [f"{name}_{axis}" for name in small.FORMATS["blazepose33"]
             for axis in ("x", "y", "z", "visibility")]  # fmt: skip
    for name, header in (("numbers", numbered), ("names", names)):
        path = folder / f"{name}.csv"
        path.write_text(small.table([["frame", *header], *([t, *r] for t, r in enumerate(flat))]))
        yield path
    path = folder / "long.csv"
    rows = [[t, n, *p.values()] for t, pose in enumerate(frames) for n, p in enumerate(pose)]
    path.write_text(small.table([["frame", "landmark_id", "x", "y", "z", "visibility"], *rows]))
    yield path
    path = folder / "array.npz"
    np.savez(path, landmarks=np.array(flat).reshape(6, 33, 4))
    yield path


def test_mediapipe_in_the_spellings_that_people_use(tmp_path):
    for path in mediapipe_files(tmp_path):
        detections = only(path, image_size=SIZE)
        np.testing.assert_allclose(
            detections.keypoints, small.wanted("blazepose33"), atol=1e-6, err_msg=path.name
        )
        np.testing.assert_allclose(detections.confidence, 0.5, err_msg=path.name)


def test_numbers_may_be_texts(tmp_path):
    poses = [small.mediapipe_pose(t) for t in range(4)]
    frames = [{"frame": str(4 + t), "pose_landmarks": pose} for t, pose in enumerate(poses)]
    del frames[1]
    known = {"fps": "25", "width": str(SIZE[0]), "height": str(SIZE[1])}
    found = only(write_json(tmp_path / "clip.json", {"frames": frames, **known}))
    np.testing.assert_array_equal(found.frame, [0, 2, 3])
    np.testing.assert_allclose(found.time_s, np.arange(4) / 25)
    timed = [{"time_s": f"{t / 50}", "pose": pose} for t, pose in enumerate(poses)]
    found = only(write_json(tmp_path / "timed.json", timed), image_size=SIZE)
    np.testing.assert_allclose(found.time_s, np.arange(4) / 50)
    array = {
        "keypoints": small.points("halpe26").tolist(),
        "fps": "50",
        "image_size": ["640", "480"],
    }
    found = only(write_json(tmp_path / "array.json", array))
    assert found.image_size == (640, 480)
    np.testing.assert_allclose(found.time_s, np.arange(6) / 50)


def test_normalised_coordinates_need_the_size_of_the_image(tmp_path):
    path = write_json(tmp_path / "clip.json", [small.mediapipe_pose(t) for t in range(2)])
    with pytest.raises(ValueError, match=r"clip\.json.*normalised.*--image-size"):
        read(path)


MARKERS = {"Hip": "pelvis", "RHip": "right_hip", "RKnee": "right_knee", "RAnkle": "right_ankle",
           "LHip": "left_hip", "LKnee": "left_knee", "LAnkle": "left_ankle", "Neck": "neck",
           "Head": "head_top", "Nose": "nose", "RShoulder": "right_shoulder",
           "RElbow": "right_elbow", "RWrist": "right_wrist", "LShoulder": "left_shoulder",
           "LElbow": "left_elbow", "LWrist": "left_wrist"}  # fmt: skip


def test_trc_files_of_the_people_of_a_video(tmp_path):
    for person in range(2):
        text = small.trc(MARKERS, offset=300.0 * person)
        (tmp_path / f"clip_px_person{person:02d}.trc").write_text(text)
    detections = only(tmp_path)
    for person in range(2):
        rows = detections.identity == person
        np.testing.assert_allclose(
            detections.keypoints[rows], small.wanted("halpe26", offset=300.0 * person)
        )
    np.testing.assert_allclose(detections.time_s, np.arange(6) / 25)
    assert detections.name == "clip_px"
    check_alone = only(tmp_path / "clip_px_person00.trc")
    np.testing.assert_allclose(check_alone.keypoints, small.wanted("halpe26"))


def test_trc_files_in_three_dimensions_are_refused(tmp_path):
    path = tmp_path / "clip.trc"
    path.write_text(small.trc(MARKERS, z=0.5))
    with pytest.raises(ValueError, match=r"clip\.trc.*3D markers"):
        read(path)


@pytest.mark.parametrize("individuals", [0, 2])
def test_deeplabcut(tmp_path, individuals):
    path = tmp_path / "clip.csv"
    path.write_text(small.deeplabcut(list(small.FORMATS["coco17"]), individuals=individuals))
    detections = only(path)
    rows = detections.identity == 0
    np.testing.assert_allclose(detections.keypoints[rows], small.wanted("coco17"))
    assert set(detections.identity) == set(range(max(1, individuals)))
    np.testing.assert_allclose(detections.confidence, 0.5)


def arrays_of(folder, order):
    points = small.points(order)
    scores = np.full(points.shape[:2], 0.5)
    both = np.concatenate([points, scores[..., None]], -1)
    np.save(folder / "a.npy", both)
    np.savez(folder / "b.npz", keypoints=points, confidence=scores)
    np.savez(folder / "c.npz", keypoints=both[:, None], joint_names=np.array(small.FORMATS[order]))
    write_json(folder / "d.json", both.tolist())
    np.savetxt(folder / "e.csv", both.reshape(6, -1), delimiter=",")
    return sorted(folder.iterdir())


@pytest.mark.parametrize("order", ["coco17", "human36m", "mpi_inf_3dhp", "halpe26"])
def test_arrays_of_any_joint_order(tmp_path, order):
    for path in arrays_of(tmp_path, order):
        detections = only(path, format=order if path.suffix == ".csv" else None)
        np.testing.assert_allclose(
            detections.keypoints, small.wanted(order), atol=1e-4, err_msg=path.name
        )
        np.testing.assert_allclose(detections.confidence, 0.5)


def yolo_folder(folder, **options):
    """Labels as of a video, of which frame 3 has nobody, and so no file."""
    folder.mkdir()
    for t in (0, 1, 2, 4, 5):
        (folder / f"clip_{t + 1}.txt").write_text(small.yolo_label(t, **options))
    return folder


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("more", [(), (0.75,), (7,), (0.75, 7)])
def test_labels_of_yolo_are_one_video(tmp_path, more, visible):
    folder = yolo_folder(tmp_path / "labels", people=2, more=more, visible=visible)
    detections = only(folder, image_size=SIZE, fps=25.0)
    assert detections.name == "clip"
    assert detections.format == "coco17"
    assert len(detections.time_s) == 6
    assert not detections.warnings
    np.testing.assert_array_equal(detections.frame, np.repeat([0, 1, 2, 4, 5], 2))
    wanted = np.delete(small.wanted("coco17"), 3, 0)
    np.testing.assert_allclose(detections.keypoints[::2], wanted, atol=1e-2)
    np.testing.assert_allclose(detections.confidence, 0.5 if visible else 1)
    joints = 0.5 if visible else 1
    np.testing.assert_allclose(detections.score, 0.75 if 0.75 in more else joints)
    identity = [7, 8] if 7 in more else [-1, -1]
    np.testing.assert_array_equal(detections.identity, identity * 5)


def test_labels_of_yolo_say_what_they_lack(tmp_path):
    folder = yolo_folder(tmp_path / "labels")
    with pytest.raises(ValueError, match=r"clip_1.txt.*: its coordinates are normalised .*--image"):
        read(folder / "clip_1.txt")
    one = only(folder / "clip_1.txt", image_size=SIZE, format="yolo")
    np.testing.assert_allclose(one.keypoints, small.wanted("coco17")[:1], atol=1e-2)
    (folder / "clip_7.txt").write_text("0 0.5")
    (warning,) = only(folder, image_size=SIZE).warnings
    assert warning.startswith("Skipped clip_7.txt: a line has 2 numbers")


def test_frames_of_yolo_without_tracks_have_no_number(tmp_path):
    folder = yolo_folder(tmp_path / "labels", more=(0.75, 7))
    (folder / "clip_4.txt").write_text(small.yolo_label(3, more=(0.6,)))
    detections = only(folder, image_size=SIZE)
    np.testing.assert_array_equal(detections.identity, [7, 7, 7, -1, 7, 7])
    np.testing.assert_allclose(detections.score[3], 0.6)


def test_joints_that_yolo_did_not_find_are_missing(tmp_path):
    cells = small.yolo_label(0).split()
    cells[5:8] = "0", "0", "0.3"  # the nose
    (tmp_path / "bus.txt").write_text(" ".join(cells))
    detections = only(tmp_path / "bus.txt", image_size=SIZE)
    assert (detections.confidence[0] == 0).sum() == 1
    assert detections.name == "bus"


def test_annotations_of_yolo_have_visibilities(tmp_path):
    for t, seen in enumerate(([2] * 16 + [1], [1] * 17)):
        cells = small.yolo_label(t).split()
        cells[7::3] = map(str, seen)
        (tmp_path / f"bus_{t}.txt").write_text(" ".join(cells))
    of_frames = only(tmp_path, image_size=SIZE).confidence
    assert sorted({*of_frames[0]}) == [0.5, 1]
    assert (of_frames[1] == 0.5).all()


def test_numbers_with_those_of_frames_before_them_are_no_labels(tmp_path):
    points = small.points("openpose_mpi15").reshape(6, -1) / np.tile(SIZE, 15)
    np.savetxt(tmp_path / "clip.txt", np.concatenate([np.arange(6)[:, None], points], 1))
    detections = only(tmp_path / "clip.txt", image_size=SIZE)
    assert detections.format == "openpose_mpi15"
    np.testing.assert_array_equal(detections.frame, range(6))


@pytest.mark.parametrize("kind", ["list of frames", "folder"])
def test_json_of_yolo(tmp_path, kind):
    frames = [small.yolo_people(t, 2, track_id=4) for t in range(6)]
    frames[3] = []
    if kind == "folder":
        for t, people in enumerate(frames):
            write_json(tmp_path / "clip" / f"clip_{t}.json", people)
        detections = only(tmp_path / "clip")
    else:
        detections = only(write_json(tmp_path / "clip.json", frames))
    assert (detections.name, detections.format) == ("clip", "coco17")
    assert len(detections.time_s) == 6
    wanted = np.delete(small.wanted("coco17"), 3, 0)
    np.testing.assert_allclose(detections.keypoints[::2], wanted)
    np.testing.assert_allclose(detections.score, 0.75)
    np.testing.assert_allclose(detections.confidence, 0.5)


def test_json_of_yolo_that_is_damaged_is_refused(tmp_path):
    frames = [small.yolo_people(t) for t in range(2)]
    frames[1][0]["keypoints"]["y"] = [1.0]
    path = write_json(tmp_path / "clip.json", frames)
    with pytest.raises(ValueError, match=r"clip.json: y of person 0 of frame 1 has 1 numbers, oth"):
        read(path)
    frames[1][0]["keypoints"] = None
    with pytest.raises(ValueError, match=r"person 0 of frame 1 has no field 'keypoints'"):
        read(write_json(path, frames))


@pytest.mark.parametrize("kind", ["frames", "folder", "image"])
def test_predictions_of_roboflow(tmp_path, kind):
    frames = []
    for t in range(6):
        points = small.points("coco17", t + 1)[t].tolist()
        joints = [
            {"x": x, "y": y, "confidence": 0.5, "class_id": n, "class": name.replace("_", "-")}
            for n, ((x, y), name) in enumerate(zip(points, small.FORMATS["coco17"], strict=True))
        ]
        box = {"x": 640, "y": 400, "width": 200, "height": 500, "confidence": 0.9}
        person = {**box, "class": "person", "keypoints": joints}
        size = dict(zip(("width", "height"), SIZE, strict=True))
        frames.append({"predictions": [person, person], "image": size})
    if kind == "folder":
        for t, frame in enumerate(frames):
            write_json(tmp_path / "clip" / f"{t}.json", frame)
        detections = only(tmp_path / "clip")
    else:
        content = frames if kind == "frames" else frames[0]
        detections = only(write_json(tmp_path / "clip.json", content))
    assert detections.image_size == SIZE
    wanted = small.wanted("coco17")[: 1 if kind == "image" else 6]
    np.testing.assert_allclose(detections.keypoints[::2], wanted)
    np.testing.assert_allclose(detections.confidence, 0.5)


def test_points_of_one_frame_in_each_file_are_of_one_video(tmp_path):
    for t in (0, 1, 2, 4, 5):
        pose = small.mediapipe_pose(t)
        content = pose if t % 2 else {"landmarks": [pose], "timestamp_ms": 40 * t}
        write_json(tmp_path / "clip" / f"frame_{t:03d}.json", content)
    detections = only(tmp_path / "clip", image_size=SIZE)
    assert detections.name == "frame"
    np.testing.assert_array_equal(detections.frame, [0, 1, 2, 4, 5])
    np.testing.assert_allclose(
        detections.keypoints, np.delete(small.wanted("blazepose33"), 3, 0), equal_nan=True
    )


@pytest.mark.parametrize("kind", ["npy", "npz", "mmpose", "mmpose of images", "mediapipe"])
def test_any_files_of_one_image_are_frames_of_one_video(tmp_path, kind):
    for t in range(6):
        points, path = small.points("coco17", t + 1)[t], tmp_path / "clip" / f"clip_{t}.json"
        path.parent.mkdir(exist_ok=True)
        if kind == "npy":
            np.save(path.with_suffix(".npy"), points)
        elif kind == "npz":
            np.savez(path.with_suffix(".npz"), keypoints=points, confidence=np.full(17, 0.5))
        elif kind == "mmpose":
            write_json(path, small.mmpose_people("coco17", t))
        elif kind == "mmpose of images":
            write_json(path, {"instance_info": small.mmpose_people("coco17", t)})
        else:
            write_json(path, {"landmarks": small.mediapipe_pose(t, named=True)})
    found = only(tmp_path / "clip", image_size=SIZE, format="coco17" if kind[:2] == "np" else None)
    assert found.name == "clip"
    assert len(found.time_s) == 6
    order = "blazepose33" if kind == "mediapipe" else "coco17"
    np.testing.assert_allclose(found.keypoints, small.wanted(order), equal_nan=True)


def test_files_of_images_of_several_sizes_are_no_video(tmp_path):
    for t, size in enumerate((SIZE, (640, 480))):
        points = small.points("coco17", t + 1)[t]
        np.savez(tmp_path / f"image_{t}.npz", keypoints=points, image_size=size)
    one, other = read(tmp_path, format="coco17")
    assert (one.image_size, other.image_size) == (SIZE, (640, 480))
    assert (one.name, other.name) == ("image_0.npz", "image_1.npz")


def test_files_of_several_frames_are_videos_of_their_own(tmp_path):
    for number in (1, 2):
        np.save(tmp_path / f"walk_{number}.npy", small.points("coco17"))
    assert [one.name for one in read(tmp_path, format="coco17")] == ["walk_1", "walk_2"]


LINES = {
    "landmarks": [{"frame": t, "landmarks": small.mediapipe_pose(t, named=True)} for t in range(6)],
    "yolo": [small.yolo_people(t) for t in range(6)],
    "mmpose": small.mmpose_video("coco17"),
    "alphapose": small.alphapose("coco17"),
    "openpose": [small.openpose("openpose_body25", t) for t in range(6)],
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("kind", LINES)
def test_values_of_json_may_follow_each_other(tmp_path, kind, indent):
    together = only(write_json(tmp_path / "together.json", LINES[kind]), image_size=SIZE)
    path = tmp_path / "clip.jsonl"
    path.write_text("\n".join(json.dumps(value, indent=indent) for value in LINES[kind]) + "\n\n")
    (tmp_path / "together.json").unlink()
    for found in (only(path, image_size=SIZE), only(tmp_path, image_size=SIZE)):
        np.testing.assert_allclose(found.keypoints, together.keypoints)
        assert len(found.time_s) == 6
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ValueError, match="clip.jsonl: it is not valid JSON, or cut short"):
        read(path)


TABLES = {
    "blanks, of np.savetxt": ({}, str),
    "tabs": ({"delimiter": "\t"}, str),
    "semicolons": ({"delimiter": ";"}, str),
    "decimal commas": ({"delimiter": ";", "fmt": "%.4f"}, lambda text: text.replace(".", ",")),
    "tabs and decimal commas": ({"delimiter": "\t"}, lambda text: text.replace(".", ",")),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("kind", TABLES)
def test_tables_may_have_any_separator(tmp_path, kind, header, encoding):
    options, change = TABLES[kind]
    text, joints = io.StringIO(), small.FORMATS["coco17"]
    names = options.get("delimiter", " ").join(f"{name}_{axis}" for name in joints for axis in "xy")
    points = small.points("coco17").reshape(6, -1)
    np.savetxt(text, points, header=names if header else "", **options)
    path = tmp_path / "clip.txt"
    path.write_text(change(text.getvalue()), encoding=encoding)
    found = only(path, format=None if header else "coco17")
    np.testing.assert_allclose(found.keypoints, small.wanted("coco17"), atol=1e-3)


@pytest.mark.parametrize("kind", ["npz", "json"])
def test_the_projects_own_files_are_read(tmp_path, kind):
    points = small.points("human36m")
    points[3] = np.nan
    content = {
        "keypoints_px": np.concatenate([points, np.full((6, 17, 1), 0.5)], -1),
        "time_s": np.arange(6) / 24 + 2,
        "image_size": np.array(SIZE),
        "joint_names": np.array(small.FORMATS["human36m"]),
    }
    path = tmp_path / f"person_1.{kind}"
    if kind == "npz":
        np.savez(path, **content)
    else:
        write_json(path, {name: value.tolist() for name, value in content.items()})
    detections = only(path)
    np.testing.assert_array_equal(detections.frame, [0, 1, 2, 4, 5])
    np.testing.assert_allclose(detections.time_s, content["time_s"])
    assert detections.image_size == SIZE
    np.testing.assert_allclose(detections.keypoints, np.delete(points, 3, 0))


def test_arrays_in_python():
    points = np.stack([small.points("coco17"), small.points("coco17", offset=100)], 1)
    detections = from_arrays(points, format="coco17", fps=50.0, image_size=SIZE)
    np.testing.assert_array_equal(detections.identity, [0, 1] * 6)
    np.testing.assert_allclose(detections.keypoints[::2], small.wanted("coco17"))
    times = np.array([0, 0.1, 0.3, 0.4, 0.5, 0.6])
    found = from_arrays(points[:, 0], format="coco17", time_s=times)
    np.testing.assert_array_equal(found.time_s, times)
    with pytest.raises(ValueError, match="17 joints, but 'halpe26' has 26"):
        from_arrays(points, format="halpe26")


def test_confidences_outside_of_0_to_1_are_clipped_and_counted(tmp_path):
    entries = small.alphapose()
    entries[0]["keypoints"][2::3] = [1.07, -0.5] + [0.5] * 24
    detections = only(write_json(tmp_path / "results.json", entries))
    assert detections.confidence.max() == 1
    assert any("1 of 156 confidences above 1 (up to 1.07)" in w for w in detections.warnings)
    assert any("1 of 156 confidences below 0" in w for w in detections.warnings)


def test_numbers_that_are_none_are_missing(tmp_path):
    entries = small.alphapose()
    left_wrist = small.FORMATS["halpe26"].index("left_wrist")
    entries[0]["keypoints"][3 * left_wrist] = float("nan")
    entries[1]["keypoints"][3 * left_wrist] = None
    entries[2]["keypoints"][3 * left_wrist] = float("inf")
    detections = only(write_json(tmp_path / "results.json", entries))
    np.testing.assert_array_equal(detections.confidence[:, 13] == 0, [True] * 3 + [False] * 3)
    assert np.isnan(detections.keypoints[:3, 13]).all()


def broken_entry(**changes):
    entries = small.alphapose()
    entries[2] |= changes
    return json.dumps(entries)


BAD = {
    "": "the file is empty",
    "  \n": "the file is empty",
    '[{"image_id": 1, ': "not valid JSON",
    "[]": "no people",
    '{"people": []}': "no people in its only frame",
    '{"shapes": [1]}': "not of a known format: it has the fields 'shapes'",
    "frame,a,b\n0,1,2\n": "no table of keypoints",
    "hello": "neither JSON, CSV, TRC nor",
    "hello world": "neither JSON, CSV, TRC nor",
    "12": "neither JSON, CSV, TRC nor",
    "0 0.5 0.5 0.2 0.3 0.9": "6 numbers, which may be a box alone: of YOLO, one of",
    broken_entry(keypoints=[1.0, 2.0]): r"keypoints of entry 2 \(image '2.jpg'\) has 2 numbers",
    broken_entry(keypoints=["a"] * 78): "keypoints of entry 2 .* has a text",
    broken_entry(keypoints="all"): "keypoints of entry 2 .* is a text",
    broken_entry(image_id=None): "image_id of entry 2 is neither",
    '[{"image_id": 1}, {"image_id": 2}]': "not of a known format",
    '{"people": [{"id": 1}]}': "person 0 has no field 'pose_keypoints_2d'",
    '{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}': "number of its joints, 1,",
    '[{"people": []}, 3]': "no list 'people' of frame 1",
    '[{"keypoints": [], "keypoint_scores": [1]}]': "person 0 has no list 'keypoints'",
    '{"annotations": [{"image_id": [1], "keypoints": [1]}]}': "annotation 0 has no number or name",
    broken_entry(keypoints=[10**400] * 78): "a number in it is beyond 9007199254740992",
    "1,2,3\n4,5\n": "line 2 has 2 cells",
    "x0,y0\n" + "9" * 200_000: r"line 2 of the table is damaged \(field larger than",
    "[" * 100_000: "nested too deeply",
}


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_bad_files_give_one_line_that_names_the_file(tmp_path, text):
    path = tmp_path / "clip.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"clip\.json: .*{BAD[text]}") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_files_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "clip.json"
    for content in (b"\xff\xfe\x00\x01", b"PK\x03\x04damaged", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"clip\.json: it is"):
            read(path)


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        read(tmp_path / "missing.json")
    with pytest.raises(ValueError, match="the folder is empty"):
        read(tmp_path)
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(ValueError, match=r"none of its files can be read; a\.json: it is not"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "openpose"}, r"not of the format 'openpose'; .* AlphaPose"),
        ({"format": "coco17"}, "26 joints, but 'coco17' has 17"),
        ({"format": "smpl"}, "There is no format 'smpl'; there are the files openpose, "),
        ({"joints": ["LHip", "RHip", "LKnee", "RKnee"]}, "26 joints, but the list .* has 4"),
        ({"fps": 0.0}, "frame rate must be above 0"),
        ({"image_size": (0, 10)}, "image size must be two lengths"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, message):
    path = write_json(tmp_path / "clip.json", small.alphapose())
    with pytest.raises(ValueError, match=message):
        read(path, **options)


def test_joints_that_no_format_has_are_read_by_the_names_that_are_given(tmp_path):
    names = ["left_hip", "right_hip", "left_knee", "right_knee", "nose"]
    entries = [
        {"image_id": f"{t}.jpg", "keypoints": [100 + t, 200, 0.9] * 5, "score": 0.9}
        for t in range(3)
    ]
    path = write_json(tmp_path / "clip.json", entries)
    with pytest.raises(ValueError, match="its joints, 5, is that of no known order"):
        read(path)
    found = only(path, joints=names)
    np.testing.assert_allclose(found.confidence.sum(1), 6 * 0.9)  # and the pelvis


def numbers_only(path, frames, values):
    """Writes a CSV without a header, a line a frame, after the number of each where it is given."""
    columns = [values.reshape(len(values), -1)]
    if frames is not None:
        columns.insert(0, np.array(frames)[:, None])
    np.savetxt(path, np.concatenate(columns, 1), delimiter=",", fmt="%.6g")
    return path


@pytest.mark.parametrize("order", ["coco17", "openpose_body25", "blazepose33"])
@pytest.mark.parametrize("numbers", [2, 3])
@pytest.mark.parametrize("named", [True, False], ids=["order given", "order found"])
def test_a_csv_of_numbers_may_begin_with_those_of_the_frames(tmp_path, order, numbers, named):
    joints = small.points(order, 6)
    joints = np.concatenate([joints, np.full((*joints.shape[:2], 1), 0.5)], -1)[..., :numbers]
    path = numbers_only(tmp_path / "clip.csv", [7, 8, 9, 12, 13, 14], joints)
    found = only(path, **({"format": order} if named else {}))
    np.testing.assert_array_equal(found.frame, [0, 1, 2, 5, 6, 7])
    np.testing.assert_allclose(found.keypoints, small.wanted(order), atol=0.01)
    assert any("were taken as these" in said for said in found.assumptions)
    one = only(numbers_only(tmp_path / "one.csv", [7], joints[:1]), format=order)
    np.testing.assert_allclose(one.keypoints, small.wanted(order, 1), atol=0.01)


def test_a_csv_of_whole_numbers_may_have_none_of_frames(tmp_path):
    joints = np.round(small.points("halpe26"))
    found = only(numbers_only(tmp_path / "clip.csv", None, joints))
    assert (found.format, len(found.time_s)) == ("halpe26", 6)
    joints[:, 0, 0] = [100, 104, 109, 113, 118, 122]  # somebody who walks
    assert only(numbers_only(tmp_path / "clip.csv", None, joints)).format == "halpe26"
    two = only(numbers_only(tmp_path / "two.csv", None, joints[:2]))
    assert (two.format, len(two.time_s)) == ("halpe26", 2)


@pytest.mark.parametrize("shape", [(1, 3, 17, 2), (4, 1, 17, 2), (4, 3, 17, 2)])
def test_people_in_an_array_keep_their_places_as_ids(tmp_path, shape):
    frames, people = shape[:2]
    np.save(tmp_path / "clip.npy", np.random.default_rng(0).uniform(100, 500, shape))
    found = only(tmp_path / "clip.npy", format="coco17")
    np.testing.assert_array_equal(found.identity, np.tile(np.arange(people), frames))
    np.testing.assert_array_equal(found.frame, np.repeat(np.arange(frames), people))


@pytest.mark.parametrize("numbers", [2, 3])
@pytest.mark.parametrize("order", ["coco17", "halpe26"])
def test_an_array_of_one_image_is_a_row_for_each_joint(tmp_path, order, numbers):
    (joints,) = small.points(order, 1)
    joints = np.concatenate([joints, np.full((len(joints), 1), 0.5)], -1)[:, :numbers]
    np.save(tmp_path / "image.npy", joints)
    for options in ({}, {"format": order}):
        found = only(tmp_path / "image.npy", **options)
        check(found, order, 1, 0.5 if numbers == 3 else 1)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((10, 3), r"shape \(10, 3\); .* or \[joints, 2 or 3\] of a known order in one image"),
        ((10, 52), r"shape \(10, 52\)"),
        ((26, 3), "there are 26 joints, but 'coco17' has 17"),
    ],
)
def test_an_array_of_another_shape_is_refused_with_those_that_are_read(tmp_path, shape, message):
    np.save(tmp_path / "clip.npy", np.ones(shape))
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "clip.npy", format="coco17")


@pytest.mark.parametrize("kind", ["i2", "u2", ">i4", ">f4", ">f8", "f2"])
def test_numbers_of_any_width_and_byte_order_are_read(tmp_path, kind):
    np.savez(tmp_path / "clip.npz", keypoints=np.round(small.points("coco17")).astype(kind))
    found = only(tmp_path / "clip.npz", format="coco17").keypoints
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, small.wanted("coco17"), atol=1)


@pytest.mark.parametrize("fps", [0, -1, np.nan, np.inf, 1e-4, 1e9])
def test_an_impossible_rate_in_a_file_counts_as_none(tmp_path, fps):
    np.savez(tmp_path / "clip.npz", keypoints=small.points("coco17"), fps=fps)
    found = only(tmp_path / "clip.npz", format="coco17")
    np.testing.assert_allclose(np.diff(found.time_s), 1 / 30)
    assert any("30 frames/s were assumed" in said for said in found.assumptions)


def test_times_of_a_clock_begin_with_the_first_frame(tmp_path):
    clock = 1.7e9 + np.arange(6) / 25
    np.savez(tmp_path / "clip.npz", keypoints=small.points("coco17"), time_s=clock)
    found = only(tmp_path / "clip.npz", format="coco17")
    np.testing.assert_allclose(found.time_s, np.arange(6) / 25, atol=1e-6)
    assert any("of a clock" in said for said in found.assumptions)


def test_times_that_do_not_increase_are_ignored_and_that_is_said(tmp_path):
    lines = ["frame,time,landmark,x,y"]
    lines += [f"{t},0,{j},{x},{y}" for t, pose in enumerate(small.points("blazepose33").tolist())
              for j, (x, y) in enumerate(pose)]  # fmt: skip
    (tmp_path / "clip.csv").write_text("\n".join(lines))
    found = only(tmp_path / "clip.csv")
    np.testing.assert_allclose(np.diff(found.time_s), 1 / 30)
    assert any("The times of the frames do not increase, or" in text for text in found.warnings)


@pytest.mark.parametrize("step", [1e-9, 1e6])
def test_times_that_no_video_has_are_ignored(tmp_path, step):
    times = step * np.arange(6)
    np.savez(tmp_path / "clip.npz", keypoints=small.points("coco17"), time_s=times)
    found = only(tmp_path / "clip.npz", format="coco17")
    np.testing.assert_allclose(np.diff(found.time_s), 1 / 30)


@pytest.mark.filterwarnings("error")
def test_a_coordinate_of_any_size_is_a_missing_joint(tmp_path):
    points = small.points("coco17")
    points[2, 9] = 1e308
    np.savez(tmp_path / "clip.npz", keypoints=points)
    found = only(tmp_path / "clip.npz", format="coco17")
    assert found.confidence[2].min() == 0
    assert any("100,000 px" in text for text in found.warnings)


def test_odd_names_of_files_are_no_obstacle(tmp_path):
    names = ["a².json", "frame_123456789012345678901234567890.json", "a\udcff.json"]
    for name in names:
        write_json(tmp_path / name, small.alphapose())
    found = read(tmp_path)
    assert len(found) == 3
    for detections in found:
        detections.name.encode()  # text that can be printed and written


def test_a_named_order_replaces_that_of_the_file(tmp_path):
    path = write_json(tmp_path / "clip.json", small.alphapose("mpii16"))
    found = only(path, joints=list(small.FORMATS["mpii16"]))
    np.testing.assert_allclose(found.keypoints, small.wanted("mpii16"))
    assert found.format == "named joints"
