import numpy as np
import pytest

from tfds_builders.formats import asf_amc

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


def amc(*frames: dict[str, str], header: str = ":FULLY-SPECIFIED\n:DEGREES\n") -> str:
    rest = {"root": "0 0 0 0 0 0", "upper": "0 0 0", "fore": "0", "mast": "0 0"}
    bodies = [f"{i}\n{FRAME.format(**(rest | frame))}" for i, frame in enumerate(frames, 1)]
    return "#!made by hand\n" + header + "".join(bodies)


@pytest.fixture
def skeleton() -> asf_amc.Skeleton:
    return asf_amc.parse_asf(ASF, "arm.asf")


def positions(skeleton, *frames, **options) -> dict[str, np.ndarray]:
    motion = asf_amc.parse_amc(amc(*frames, **options), skeleton)
    return asf_amc.forward_kinematics(skeleton, motion)[0]


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
    placed = positions(asf_amc.parse_asf(text), {"root": "0 90 0 1 2 3"})
    check(placed["root"], (11, 2, 3))
    check(placed["upper"], (11, 2, 1))


def test_the_motion_file_decides_whether_angles_are_radians(skeleton):
    placed = positions(skeleton, {"upper": f"0 0 {np.pi / 2}"}, header=":RADIANS\n")
    check(placed["upper"], (0, 2, 0))


def test_the_skeleton_may_be_in_radians():
    text = ASF.replace("angle deg", "angle rad").replace("axis 0 0 90", f"axis 0 0 {np.pi / 2}")
    check(positions(asf_amc.parse_asf(text), {"fore": "90"})["fore"], (2, 0, -1))


def test_windows_line_ends_comments_and_blank_lines_change_nothing(skeleton):
    text = amc({"upper": "0 0 90"}).replace("fore", "\n# a comment\nfore").replace("\n", "\r\n")
    motion = asf_amc.parse_amc(text, asf_amc.parse_asf(ASF.replace("\n", "\r\n")))
    check(asf_amc.forward_kinematics(skeleton, motion)[0]["upper"], (0, 2, 0))


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
        ("upper fore", "hand fore", "'hand' is not attached to the root yet"),
    ],
)
def test_a_faulty_skeleton_is_refused_with_the_place_of_the_fault(old, new, message):
    assert old in ASF
    with pytest.raises(ValueError, match=message):
        asf_amc.parse_asf(ASF.replace(old, new, 1), "arm.asf")


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
        (
            "2\nroot 0 0 0 0 0 0\nupper 0 0 0",
            "2\nupper 0 0 0\nroot 0 0 0 0 0 0",
            "line 10, frame 2, bone 'upper': expected 'root'",
        ),
        ("fore 0\n", "fore 0\nfore 0\n", "line 8, frame 1, bone 'fore': a second time"),
    ],
)
def test_a_faulty_motion_is_refused_with_the_place_of_the_fault(skeleton, old, new, message):
    text = amc({}, {})
    assert old in text
    with pytest.raises(ValueError, match="arm.amc, " + message):
        asf_amc.parse_amc(text.replace(old, new, 1), skeleton, "arm.amc")


@pytest.mark.parametrize("text", ["", ":FULLY-SPECIFIED\n:DEGREES\n", "<html>"])
def test_a_file_without_motion_is_refused(skeleton, text):
    with pytest.raises(ValueError, match=r"empty\.amc"):
        asf_amc.parse_amc(text, skeleton, "empty.amc")


def test_a_motion_cut_off_within_a_frame_is_refused(skeleton):
    lines = amc({}, {}).splitlines(keepends=True)
    for end in (4, 5, 6, 7, 9, 10, 11, 12):
        with pytest.raises(
            ValueError, match=r"arm.amc, frame \d ends before line \d+: no values for"
        ):
            asf_amc.parse_amc("".join(lines[:end]), skeleton, "arm.amc")
