import numpy as np
import pytest

from tfds_builders.formats import bvh

# The hips carry a mast along Y with a flag of two units along X, whose position channels replace
# its offset, and a tail that has only one position channel and two rotations.
HIERARCHY = """\
HIERARCHY
ROOT Hips
{
  OFFSET 5 5 5
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Mast
  {
    OFFSET 0 1 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
  JOINT Tail
  {
    OFFSET 0 0 -1
    CHANNELS 3 Xrotation Yposition Zrotation
    JOINT Tip
    {
      OFFSET 0 1 0
      CHANNELS 0
    }
  }
}
"""
REST = {"Hips": "0 0 0 0 0 0", "Mast": "0 0 0", "Tail": "0 0 0"}


def text(*frames: dict[str, str], hierarchy: str = HIERARCHY) -> str:
    lines = [" ".join((REST | frame).values()) for frame in frames]
    header = f"MOTION\nFrames: {len(frames)}\nFrame Time: 0.0333333\n"
    return hierarchy + header + "\n".join(lines) + "\n"


def positions(*frames: dict[str, str]) -> dict[str, np.ndarray]:
    return bvh.forward_kinematics(bvh.parse_bvh(text(*frames)))[0]


def check(actual: np.ndarray, *expected: tuple[float, float, float]):
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_a_recording_has_joints_motion_and_frame_time():
    recording = bvh.parse_bvh(text({}, {"Mast": "7 8 9"}))
    assert [joint.name for joint in recording.joints] == ["Hips", "Mast", "Mast end", "Tail", "Tip"]
    assert [joint.parent for joint in recording.joints] == [-1, 0, 1, 0, 3]
    assert recording.joints[1].channels == ("zrotation", "xrotation", "yrotation")
    assert recording.frame_time == pytest.approx(1 / 30, rel=1e-5)
    np.testing.assert_array_equal(recording.motion[:, 6:9], [[0, 0, 0], [7, 8, 9]])


def test_offsets_add_up_along_the_chain():
    check(positions({})["Mast end"], (0, 2, 0))


def test_position_channels_replace_the_offset_one_by_one():
    placed = positions({}, {"Hips": "1 2 3 0 0 0", "Tail": "0 4 0"})
    check(placed["Hips"], (0, 0, 0), (1, 2, 3))
    check(placed["Tail"], (0, 0, -1), (1, 6, 2))


def test_a_joint_rotates_its_children_but_not_itself():
    placed = positions({"Mast": "90 0 0"})
    check(placed["Mast"], (0, 1, 0))
    check(placed["Mast end"], (-1, 1, 0))


def test_rotations_multiply_in_the_order_of_the_channels():
    # Mast, Z X Y: the turn about X is applied first and takes Y to Z, which Z leaves alone.
    check(positions({"Mast": "90 90 0"})["Mast end"], (0, 1, 1))
    # Tail, X Z: the turn about Z is applied first and takes Y to -X, which X leaves alone.
    check(positions({"Tail": "90 0 90"})["Tip"], (-1, 0, -1))


def test_the_root_turns_the_whole_body():
    placed = positions({"Hips": "0 0 0 0 90 0"})
    check(placed["Mast"], (0, 0, 1))
    check(placed["Tail"], (0, 1, 0))


def test_windows_line_ends_and_blank_lines_change_nothing():
    recording = bvh.parse_bvh((text({"Mast": "90 0 0"}) + "\n\n").replace("\n", "\r\n"))
    check(bvh.forward_kinematics(recording)[0]["Mast end"], (-1, 1, 0))


@pytest.mark.parametrize(
    "header",
    [
        "FRAMES: {t}\nFRAME TIME: {s}",
        "frames : {t}\nframe time :{s}",
        "Frames:{t}\nFrame  Time:\t{s}  ",
        "Frames {t}\nFrameTime {s}",
        "Frame Time: {s}\nFrames: {t}",
        "\n\nFrames: {t}.0\n\nFrame Time: {s}\n",
    ],
)
def test_the_header_is_read_in_any_spelling_and_order(header):
    plain = text({"Mast": "90 0 0"}, {})
    header = header.format(t=2, s=0.0333333)
    for other in (
        plain.replace("Frames: 2\nFrame Time: 0.0333333", header),
        plain.replace("MOTION\nFrames: 2\nFrame Time: 0.0333333", f"Motion {header.lstrip()}"),
    ):
        recording = bvh.parse_bvh(other)
        assert recording.frame_time == 0.0333333
        np.testing.assert_array_equal(recording.motion, bvh.parse_bvh(plain).motion)


def test_keywords_are_read_in_any_case_and_order():
    small = HIERARCHY.lower().replace("hips", "Hips").replace("mast", "Mast")
    swapped = HIERARCHY.replace(
        "OFFSET 0 1 0\n    CHANNELS 3 Zrotation Xrotation Yrotation",
        "CHANNELS 3 Zrotation Xrotation Yrotation\n    OFFSET 0 1 0",
    )
    assert swapped != HIERARCHY
    for hierarchy in (small, swapped):
        recording = bvh.parse_bvh(text({"Mast": "90 0 0"}, hierarchy=hierarchy))
        check(bvh.forward_kinematics(recording)[0]["Mast end"], (-1, 1, 0))


def test_a_joint_without_channels_does_not_move_against_its_parent():
    still = HIERARCHY.replace("    CHANNELS 3 Zrotation Xrotation Yrotation\n", "")
    recording = bvh.parse_bvh(still + "MOTION\nFrames: 1\nFrame Time: 1\n0 0 0 90 0 0 0 0 0\n")
    assert recording.joints[1].channels == ()
    placed = bvh.forward_kinematics(recording)[0]
    check(placed["Mast end"], (-2, 0, 0))
    assert recording.warnings == ()


def test_joints_of_one_name_are_made_unique_with_a_warning():
    double = HIERARCHY.replace("JOINT Tip", "JOINT Mast")
    recording = bvh.parse_bvh(text({"Mast": "90 0 0"}, hierarchy=double))
    assert [joint.name for joint in recording.joints] == [
        "Hips", "Mast", "Mast end", "Tail", "Mast#2"
    ]  # fmt: skip
    placed = bvh.forward_kinematics(recording)[0]
    check(placed["Mast"], (0, 1, 0))
    check(placed["Mast#2"], (0, 1, -1))
    assert recording.warnings == (
        "several joints are named 'Mast'; the first keeps the name, the others are numbered",
    )


def test_two_end_sites_of_a_joint_are_two_joints():
    double = HIERARCHY.replace("End Site", "End Site\n{ OFFSET 0 3 0 }\nEnd Site", 1)
    placed = bvh.forward_kinematics(bvh.parse_bvh(text({}, hierarchy=double)))[0]
    check(placed["Mast end"], (0, 4, 0))
    check(placed["Mast end#2"], (0, 2, 0))


@pytest.mark.parametrize("row", ["9 9 9 9 9 9 9 9 9 9 9 9", "9 9"])
def test_one_row_more_than_promised_is_left_out_with_a_warning(row):
    plain = bvh.parse_bvh(text({}, {"Mast": "7 8 9"}))
    recording = bvh.parse_bvh(text({}, {"Mast": "7 8 9"}) + f"{row}\n")
    np.testing.assert_array_equal(recording.motion, plain.motion)
    assert recording.warnings == ("there is one row more than 'Frames:' promises; it is left out",)
    assert plain.warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("HIERARCHY", "<html>", "line 1: expected HIERARCHY, found '<html>'"),
        ("OFFSET 0 1 0", "OFFSET 0 1", "line 9: offset of 'Mast': expected a number"),
        ("OFFSET 0 1 0", "OFFSET 0 nan 0", "line 8: offset of 'Mast': expected a number"),
        ("CHANNELS 3 Z", "CHANNELS 2 Z", "line 9: expected JOINT or END or }, found 'Yrotation'"),
        ("3 Zrotation Xrotation", "3 Zrotation Zrotation", "line 9: channels of 'Mast'"),
        ("3 Zrotation", "many Zrotation", "line 9: number of channels of 'Mast'"),
        ("3 Zrotation", "2.5 Zrotation", "line 9: number of channels of 'Mast': expected 0 to 6"),
        ("    OFFSET 0 1 0\n    CHANNELS", "    CHANNELS", "line 9: expected OFFSET, found 'End'"),
        ("Frames: 2", "Frames: many", "line 27: expected 'Frames:' and a positive whole number"),
        ("Frames: 2", "Frames: 2.5", "line 27: expected 'Frames:' and a positive whole number"),
        ("Frames: 2", "Frame Time: 2", "line 28: expected 'Frames:'.*found 'Frame Time: 0.0333"),
        ("Frames: 2", "Frames: 1_0", "line 27: expected 'Frames:'"),
        ("Frame Time: 0.0333333", "Frame Time: 0", "line 28: expected 'Frame Time:'"),
        ("Frames: 2", "Frames: 3", "promises 3 frames, the file has 2"),
        ("333\n", "333\n0 0\n0 0\n", "promises 2 frames, the file has 4"),
        ("0 0 0 7 8 9", "0 0 0 7 8", "line 30, frame 1: expected 12 values.*found 11"),
        ("7 8 9", "7 x 9", "line 30, frame 1: could not convert string to float: 'x'"),
        ("7 8 9", "7 8_0 9", "line 30, frame 1: expected numbers, found '0 0 0"),
        ("7 8 9", "7 1e308 9", r"line 30, frame 1, joint 'Mast': xrotation is 1e\+308"),
        ("7 8 9", "7 nan 9", "line 30, frame 1, joint 'Mast': xrotation is nan"),
    ],
)
def test_a_faulty_file_is_refused_with_the_place_of_the_fault(old, new, message):
    faulty = text({}, {"Mast": "7 8 9"})
    assert old in faulty
    with pytest.raises(ValueError, match="walk.bvh.*" + message):
        bvh.parse_bvh(faulty.replace(old, new, 1), "walk.bvh")


def test_a_file_cut_off_after_any_line_is_refused():
    lines = text({}, {}, {}).splitlines(keepends=True)
    for end in range(1, len(lines)):
        with pytest.raises(ValueError, match=r"walk\.bvh"):
            bvh.parse_bvh("".join(lines[:end]), "walk.bvh")
    with pytest.raises(ValueError, match="line 5: the file ends here within its hierarchy"):
        bvh.parse_bvh("".join(lines[:5]), "walk.bvh")
