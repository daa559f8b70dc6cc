import numpy as np
import pytest

from tfds_builders.formats import amc, asf

# An arm along X: two units of upper arm, then one of forearm whose local X axis is the world's Y
# axis. The mast stands up from the root and its angles come in another order than its axes.
ASF = """\
# made by hand
:version 1.10
:name ARM
:units
  mass 1.0
  length 0.45
  angle deg
:documentation
   free words, even begin and end
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name upper
     direction 1 0 0
     length 2
     axis 0 0 0 XYZ
     dof rx ry rz
     limits (-160.0 20.0)
            (-70.0 70.0)
            (-60.0 70.0)
  end
  begin
     id 2
     name fore
     direction 1 0 0
     length 1
     axis 0 0 90 XYZ
     dof rx
     limits (-10.0 170.0)
  end
  begin
     id 3
     name hand
     direction 1 0 0
     length 0.5
     axis 0 0 0 XYZ
  end
  begin
     id 4
     name mast
     direction 0 1 0
     length 1
     axis 0 0 0 XYZ
     dof rz rx
  end
:hierarchy
  begin
    root upper mast
    upper fore
    fore hand
  end
"""
FRAME = "root {root}\nupper {upper}\nfore {fore}\nmast {mast}\n"


def amc_text(*frames: dict[str, str], header: str = ":FULLY-SPECIFIED\n:DEGREES\n") -> str:
    rest = {"root": "0 0 0 0 0 0", "upper": "0 0 0", "fore": "0", "mast": "0 0"}
    bodies = [f"{i}\n{FRAME.format(**(rest | frame))}" for i, frame in enumerate(frames, 1)]
    return "#!made by hand\n" + header + "".join(bodies)


@pytest.fixture
def skeleton() -> asf.Skeleton:
    return asf.parse_asf(ASF, "arm.asf")


def positions(skeleton, *frames, **options) -> dict[str, np.ndarray]:
    motion = amc.parse_amc(amc_text(*frames, **options), skeleton)
    return amc.forward_kinematics(skeleton, motion)[0]


def check(actual: np.ndarray, *expected: tuple[float, float, float]):
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_the_skeleton_has_units_bones_and_degrees_of_freedom(skeleton):
    assert skeleton.length_unit == 0.45
    assert [(bone.name, bone.parent) for bone in skeleton.bones] == [
        ("upper", "root"),
        ("mast", "root"),
        ("fore", "upper"),
        ("hand", "fore"),
    ]
    assert skeleton.channels == {
        "root": ("tx", "ty", "tz", "rx", "ry", "rz"),
        "upper": ("rx", "ry", "rz"),
        "mast": ("rz", "rx"),
        "fore": ("rx",),
    }


def test_without_angles_every_bone_lies_along_its_direction(skeleton):
    placed = positions(skeleton, {})
    check(placed["root"], (0, 0, 0))
    check(placed["upper"], (2, 0, 0))
    check(placed["fore"], (3, 0, 0))
    check(placed["hand"], (3.5, 0, 0))
    check(placed["mast"], (0, 1, 0))


def test_a_bone_rotates_everything_attached_to_it(skeleton):
    placed = positions(skeleton, {}, {"upper": "0 0 90"})
    check(placed["upper"], (2, 0, 0), (0, 2, 0))
    check(placed["hand"], (3.5, 0, 0), (0, 3.5, 0))
    check(placed["mast"], (0, 1, 0), (0, 1, 0))


def test_angles_are_about_the_local_axes(skeleton):
    # The forearm's X axis is the world's Y axis: a quarter turn about Y takes X to -Z.
    check(positions(skeleton, {"fore": "90"})["fore"], (2, 0, -1))


def test_rotations_are_applied_in_the_order_of_the_axes_whatever_the_order_of_the_channels(
    skeleton,
):
    # About X first: Y goes to Z, which the turn about Z leaves alone. The file gives rz, then rx.
    check(positions(skeleton, {"mast": "90 90"})["mast"], (0, 0, 1))
    check(positions(skeleton, {"mast": "90 0"})["mast"], (-1, 0, 0))
    check(positions(skeleton, {"mast": "0 90"})["mast"], (0, 0, 1))


def test_the_root_moves_and_turns_the_whole_body(skeleton):
    placed = positions(skeleton, {"root": "1 2 3 0 90 0"})
    check(placed["root"], (1, 2, 3))
    check(placed["upper"], (1, 2, 1))


def test_the_order_of_the_root_channels_is_that_of_the_skeleton():
    text = ASF.replace("order TX TY TZ RX RY RZ", "order RX RY RZ TX TY TZ")
    text = text.replace("position 0 0 0", "position 10 0 0")
    placed = positions(asf.parse_asf(text), {"root": "0 90 0 1 2 3"})
    check(placed["root"], (11, 2, 3))
    check(placed["upper"], (11, 2, 1))


def test_the_motion_file_decides_whether_angles_are_radians(skeleton):
    placed = positions(skeleton, {"upper": f"0 0 {np.pi / 2}"}, header=":RADIANS\n")
    check(placed["upper"], (0, 2, 0))


def test_the_skeleton_may_be_in_radians():
    text = ASF.replace("angle deg", "angle rad").replace("axis 0 0 90", f"axis 0 0 {np.pi / 2}")
    check(positions(asf.parse_asf(text), {"fore": "90"})["fore"], (2, 0, -1))


def test_windows_line_ends_comments_and_blank_lines_change_nothing(skeleton):
    text = (
        amc_text({"upper": "0 0 90"}).replace("fore", "\n# a comment\nfore").replace("\n", "\r\n")
    )
    motion = amc.parse_amc(text, asf.parse_asf(ASF.replace("\n", "\r\n")))
    check(amc.forward_kinematics(skeleton, motion)[0]["upper"], (0, 2, 0))


def test_bones_of_a_frame_may_be_in_any_order(skeleton):
    frames = {"upper": "0 0 90"}, {"upper": "0 0 0"}, {}
    text = amc_text(*frames)
    first = "root 0 0 0 0 0 0\nupper 0 0 90\n"
    swapped = text.replace(first, "upper 0 0 90\nroot 0 0 0 0 0 0\n")
    assert swapped != text
    plain = amc.parse_amc(text, skeleton)
    for bone, values in amc.parse_amc(swapped, skeleton).items():
        np.testing.assert_array_equal(values, plain[bone])


def test_keywords_of_the_skeleton_may_be_in_any_case_and_order(skeleton):
    text = ASF.replace("  begin\n    root", "  begin\n    fore hand\n    root").replace(
        "    fore hand\n  end", "  end"
    )
    for word in ("begin", "end", "name", "length", "direction", "axis", "dof", "angle", "position"):
        text = text.replace(f" {word} ", f" {word.title()} ").replace(
            f" {word}\n", f" {word.upper()}\n"
        )
    read = asf.parse_asf(text.replace("Angle deg", "Angle Degrees"))
    assert {bone.name: bone.parent for bone in read.bones} == {
        bone.name: bone.parent for bone in skeleton.bones
    }
    assert read.channels == skeleton.channels
    np.testing.assert_array_equal(read.bones[0].offset, skeleton.bones[0].offset)


def test_bones_of_several_words_are_read_in_all_files():
    text = ASF.replace("name upper", "name upper arm").replace("name mast", "name mast 2")
    text = text.replace("root upper mast", "root upper arm mast 2")
    text = text.replace("upper fore", "upper arm fore")
    spaced = asf.parse_asf(text)
    assert [bone.name for bone in spaced.bones] == ["upper_arm", "mast_2", "fore", "hand"]
    motion = amc_text({"upper": "0 0 90"}, {}).replace("upper", "upper  arm")
    for mast in ("mast 2", "mast_2"):
        placed = amc.forward_kinematics(
            spaced, amc.parse_amc(motion.replace("mast", mast), spaced)
        )[0]
        check(placed["fore"], (0, 3, 0), (3, 0, 0))


@pytest.mark.parametrize(
    "line",
    [
        ":SAMPLES-PER-SECOND 60",
        ":samples_per_second 60.0",
        ":FPS: 60",
        ":fps 60\n:FRAMES-PER-SECOND 60",
    ],
)
def test_the_header_of_a_motion_has_its_frame_rate(skeleton, line):
    text = amc_text({}, header=f":FULLY-SPECIFIED\n{line}\n:DEGREES\n")
    assert amc.frame_rate(text) == 60
    assert len(amc.parse_amc(text, skeleton)["root"]) == 1


def test_most_motions_have_no_frame_rate():
    assert amc.frame_rate(amc_text({})) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ":SAMPLES-PER-SECOND many",
            "arm.amc, line 2: expected :SAMPLES-PER-SECOND and a positive",
        ),
        (":SAMPLES-PER-SECOND", "arm.amc, line 2: expected :SAMPLES-PER-SECOND"),
        (":FPS -1", "arm.amc, line 2: expected :FPS and a positive number, found '-1'"),
        (":FPS 60\n:SAMPLES-PER-SECOND 30", "arm.amc, line 3: another frame rate than before"),
    ],
)
def test_a_frame_rate_that_is_none_is_refused(line, message):
    with pytest.raises(ValueError, match=message):
        amc.frame_rate(amc_text({}, header=f"{line}\n"), "arm.amc")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (ASF[ASF.index(":hierarchy") :], "", "arm.asf: no section :hierarchy"),
        (ASF[ASF.index("  end\n  begin\n     id 4") :], ":hierarchy\n", "no end for this begin"),
        ("angle deg", "angle turns", "arm.asf, line 7: expected angle deg or rad"),
        ("  length 0.45\n", "", "no length under :units"),
        ("orientation 0 0 0", "orientation 0 90 0", "line 14: a root orientation"),
        ("order TX TY TZ RX RY RZ", "order TX TY TZ RX RY", "must name TX TY TZ RX RY RZ once"),
        ("direction 1 0 0\n     length 2", "direction 1 0\n     length 2", "'upper', direction"),
        ("direction 1 0 0\n     length 2", "direction 5 0 0\n     length 2", "a unit vector"),
        ("     length 2\n", "", "line 16: the bone that begins here has no length"),
        ("axis 0 0 90 XYZ", "axis 0 0 90", "'fore', axis: expected 3 numbers"),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XXZ", "an order of axes such as XYZ, found 'XXZ'"),
        ("dof rx ry rz", "dof rx ry tz", "'upper', dof: expected rx, ry and rz"),
        ("name hand", "name fore", "a second bone named 'fore'"),
        ("fore hand", "fore glove", "bone 'glove' is not under :bonedata"),
        ("    fore hand\n", "", ":hierarchy lacks \\['hand'\\]"),
        ("upper fore", "upper fore mast", "bone 'mast' is attached to two bones"),
        ("upper fore", "hand fore", "line 54: 'fore' is not attached to the root"),
        (
            "root upper mast",
            "root upper mast\n    fin",
            "line 54: bone 'fin' is not under :bonedata",
        ),
        ("length 0.45", "length 0", "line 6, length: expected a positive number, found 0"),
        (
            "     length 2",
            "     length -2",
            "'upper', length: expected a positive number, found -2",
        ),
        ("     length 2", "     length 0", "'upper', length: expected a positive number, found 0"),
        ("     length 2", "     length 2\n     length 3", "line 21: a second length"),
        ("length 0.45", "length 0.45\n  Length 1", "line 7: a second length"),
    ],
)
def test_a_faulty_skeleton_is_refused_with_the_place_of_the_fault(old, new, message):
    assert old in ASF
    with pytest.raises(ValueError, match=message):
        asf.parse_asf(ASF.replace(old, new, 1), "arm.asf")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # Lines: 1 comment, 2-3 header, frame 1 in 4-8, frame 2 in 9-13.
        (
            "2\nroot 0 0 0 0 0 0\nupper 0 0 0\nfore 0\nmast 0 0\n",
            "2\nroot 0 0 0 0 0 0\nupper 0",
            "line 11, frame 2, bone 'upper': expected 3 numbers, found '0'",
        ),
        (
            "fore 0\nmast 0 0\n2",
            "fore 0\n2",
            "frame 1 ends before line 8: no values for bone 'mast'",
        ),
        (
            "1\nroot",
            "1\nwing 0 0\nroot",
            "line 5, frame 1, bone 'wing': no such bone moves in the skeleton",
        ),
        ("upper 0 0 0", "upper 0 0 0 0", "line 6, frame 1, bone 'upper': expected 3 numbers"),
        ("mast 0 0", "mast 0 nan", "line 8, frame 1, bone 'mast': expected 2 numbers"),
        ("mast 0 0", "mast 0 -1.#IND", "line 8, frame 1, bone 'mast': expected 2 numbers"),
        ("\n2\n", "\n3\n", "line 9: expected frame 2, found frame 3"),
        (":DEGREES", ":DEGREES\n:RADIANS", "line 4: angles are either :DEGREES or :RADIANS"),
        ("mast 0 0", "mast 1e308 0", r"frame 1 of the file, bone 'mast': an angle of 1e\+308"),
        ("mast 0 0", "mast 0 1_0", "line 8, frame 1, bone 'mast': expected 2 numbers"),
        ("fore 0\n", "fore 0\nfore 0\n", "line 8, frame 1, bone 'fore': a second time"),
    ],
)
def test_a_faulty_motion_is_refused_with_the_place_of_the_fault(skeleton, old, new, message):
    text = amc_text({}, {})
    assert old in text
    with pytest.raises(ValueError, match="arm.amc, " + message):
        amc.parse_amc(text.replace(old, new, 1), skeleton, "arm.amc")


@pytest.mark.parametrize("text", ["", ":FULLY-SPECIFIED\n:DEGREES\n", "<html>"])
def test_a_file_without_motion_is_refused(skeleton, text):
    with pytest.raises(ValueError, match=r"empty\.amc"):
        amc.parse_amc(text, skeleton, "empty.amc")


def test_a_motion_cut_off_within_a_frame_is_refused(skeleton):
    lines = amc_text({}, {}).splitlines(keepends=True)
    for end in (4, 5, 6, 7, 9, 10, 11, 12):
        with pytest.raises(
            ValueError, match=r"arm.amc, frame \d ends before line \d+: no values for"
        ):
            amc.parse_amc("".join(lines[:end]), skeleton, "arm.amc")
