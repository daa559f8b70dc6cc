"""Unrelated images are not tracked as a video; frames of a video with gaps are."""

import json

import numpy as np
import pytest
import small_keypoints as small

from repose_jax.keypoints.read import read


def entries(images) -> list[dict]:
    return [
        {"image_id": image, "keypoints": small.flat("coco17", t % 8), "score": 0.5}
        for t, image in enumerate(images)
    ]


def results(folder, images):
    path = folder / "results.json"
    path.write_text(json.dumps(entries(images)))
    return read(path)


def annotations(folder, images: dict[str, tuple[int, int]]):
    listed = [
        {"id": number, "file_name": name, "width": size[0], "height": size[1]}
        for number, (name, size) in enumerate(images.items())
    ]
    people = [{**entry, "id": n} for n, entry in enumerate(entries(range(len(images))))]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": listed, "annotations": people, "categories": []}))
    return read(path)


def test_numbers_of_a_dataset_are_of_unrelated_images(tmp_path):
    numbers = [139, 285, 632, 724, 776, 785, 802, 872]
    found = results(tmp_path, [numbers[0], *numbers])
    assert [one.name for one in found] == [str(number) for number in numbers]
    assert [len(one.time_s) for one in found] == [1] * 8
    assert [len(one.frame) for one in found] == [2] + [1] * 7
    assert all("8 videos or unrelated images" in one.warnings[-1] for one in found)


@pytest.mark.parametrize(
    "numbers",
    [
        range(100, 108),
        range(0, 8000, 1000),  # every thousandth frame
        [5, 40_000, 40_001, 40_002, 40_003, 40_004],  # somebody passes, much later
        [0, 3, 4, 9, 10, 17, 20],  # seen now and then
        [0, 30],
    ],
)
def test_numbers_with_gaps_are_of_a_video(tmp_path, numbers):
    (found,) = results(tmp_path, [f"{number}.jpg" for number in numbers])
    assert len(found.frame) == len(numbers)
    assert found.name == "results"


def test_two_images_a_second_apart_are_unrelated(tmp_path):
    assert len(results(tmp_path, [139, 285])) == 2


def test_images_whose_names_have_no_number_are_unrelated(tmp_path):
    found = results(tmp_path, ["holiday.jpg", "garden.jpg", "garden.jpg"])
    assert [(one.name, len(one.frame)) for one in found] == [("garden.jpg", 2), ("holiday.jpg", 1)]


def test_frames_of_several_videos_in_one_file_are_these_videos(tmp_path):
    names = [f"{walk}/{number:04}.jpg" for walk in ("walk", "run") for number in range(10, 14)]
    found = results(tmp_path, names)
    assert [one.name for one in found] == ["run", "walk"]
    for one in found:
        np.testing.assert_array_equal(one.frame, range(4))


def test_images_of_several_sizes_are_unrelated_and_keep_theirs(tmp_path):
    sizes = {"1.jpg": (640, 480), "2.jpg": (480, 640), "3.jpg": (640, 480)}
    found = annotations(tmp_path, sizes)
    assert {one.name: one.image_size for one in found} == sizes


def test_annotated_frames_of_a_video_have_its_size(tmp_path):
    (found,) = annotations(tmp_path, {f"walk_{n}.jpg": (640, 480) for n in range(3)})
    assert found.image_size == (640, 480)
    assert len(found.time_s) == 3


def test_images_without_joints_are_left_out(tmp_path):
    people = entries([139, 285, 632])
    people[1]["keypoints"] = [0] * 51
    (tmp_path / "results.json").write_text(json.dumps(people))
    assert [one.name for one in read(tmp_path / "results.json")] == ["139", "632"]


def test_files_of_unrelated_images_in_a_folder(tmp_path):
    for number in (139, 285, 632):
        person = {"pose_keypoints_2d": small.flat("openpose_body25", 0)}
        path = tmp_path / f"{number:012}_keypoints.json"
        path.write_text(json.dumps({"people": [person]}))
    found = read(tmp_path)
    assert [one.name for one in found] == [
        f"{number:012}_keypoints.json" for number in (139, 285, 632)
    ]
    assert {one.format for one in found} == {"openpose_body25"}
