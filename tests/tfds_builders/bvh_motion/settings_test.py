import pathlib

import pytest

from tfds_builders.bvh_motion import joint_maps, settings
from tfds_builders.records import JOINTS

RIG = "\n".join(f'{joint} = "{joint}"' for joint in JOINTS if joint != "pelvis")


def read(tmp_path: pathlib.Path, text: str) -> settings.Settings:
    path = tmp_path / "dance.toml"
    path.write_text(text)
    return settings.read(path)


def test_a_file_is_in_the_split_whose_pattern_matches_the_end_of_its_path(tmp_path):
    found = read(tmp_path, '[splits]\ntest = ["salsa/salsa_0[12]*", "*_x.bvh"]\nvalidation = "b/*"')
    assert found.split("salsa/salsa_01_a.bvh") == "test"
    assert found.split("data/bvh/salsa/salsa_02.bvh") == "test"
    assert found.split("walk/walk_x.bvh") == "test"
    assert found.split("b/walk.bvh") == "validation"
    assert found.split("salsa/salsa_03.bvh") == "train"


def test_the_last_rule_that_matches_decides_each_setting(tmp_path):
    found = read(
        tmp_path,
        '[[files]]\nmatch = "*.bvh"\nfps = 120\nup = "z"\n'
        '[[files]]\nmatch = ["salsa/*", "tango/*"]\nfps = 60\naction = "dance"\n'
        '[[files]]\nmatch = "salsa/bad.bvh"\nskip = true\n',
    )
    walk = found.rule("walk/a.bvh")
    assert (walk.fps, walk.up, walk.action, walk.skip) == (120, "z", None, None)
    salsa = found.rule("salsa/a.bvh")
    assert (salsa.fps, salsa.up, salsa.action, salsa.skip) == (60, "z", "dance", None)
    assert found.rule("salsa/bad.bvh").skip


def test_a_joint_map_takes_joints_midpoints_and_weights(tmp_path):
    text = RIG.replace('neck = "neck"', 'neck = ["A", "B"]')
    text = text.replace('head = "head"', "head = { A = 1.5, B = -0.5 }")
    text += '\nhead_joint = "A"\nhead_top = 0.1\nhead_axes = ["+z", "-x"]'
    found = read(tmp_path, f"[skeletons.mine]\n{text}").skeletons["mine"]
    assert found.joints["neck"] == {"A": 0.5, "B": 0.5}
    assert found.joints["head"] == {"A": 1.5, "B": -0.5}
    assert found.joints["left_wrist"] == {"left_wrist": 1}
    assert found.joints["pelvis"] == {"left_hip": 0.5, "right_hip": 0.5}  # unless it is given
    assert (found.head_joint, found.head_top, found.head_axes) == ("A", 0.1, ("+z", "-x"))


def test_own_skeletons_are_tried_before_the_known_ones(tmp_path):
    found = read(tmp_path, f"[skeletons.mine]\n{RIG}\n[skeletons.daz]\n{RIG}").skeletons
    assert list(found)[:2] == ["mine", "daz"]
    assert set(found) == {"mine", *joint_maps.JOINT_MAPS}
    assert found["daz"] != joint_maps.JOINT_MAPS["daz"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fps = ", "not a TOML file"),
        ("a = " + "[" * 100_000, "not a TOML file"),
        ("a = " + "9" * 5000, "not a TOML file"),
        ('[[files]]\nmatch = "*"\nup = ["y"]', 'files 1: up must be "y" or "z"'),
        ('[[files]]\nmatch = "*"\nfps = 1' + "0" * 400, "files 1: fps must be a positive number"),
        ("fps = 60", "no key 'fps'; there are splits, files, skeletons"),
        ("splits = 3", "splits: expected a table, found 3"),
        ("[splits]\ntest = 3", r"splits.test: expected a pattern such as 'walks/\*' or a list"),
        ('[splits]\ntest = "."', r"splits.test: expected a pattern .*, found '\.'"),
        ('[[files]]\nmatch = ["a", "./"]', r"files 1: match: expected a pattern .* 'walks/\*'"),
        ('[splits]\n"My test" = "*"', "a split is named like 'test', found 'My test'"),
        ("[files]\nfps = 60", r"expected tables \[\[files\]\]"),
        ("[[files]]\nfps = 60", "files 1: it needs a pattern"),
        ('[[files]]\nmatch = "*"\n[[files]]\nmatch = "*"\nfps = 0', "files 2: fps must be a posit"),
        ('[[files]]\nmatch = "*"\nup = "x"', 'files 1: up must be "y" or "z", found \'x\''),
        ('[[files]]\nmatch = "*"\nskeleton = "dax"', "no skeleton 'dax'; there are cmu_asf, cmu"),
        ('[[files]]\nmatch = "*"\nrate = 3', "files 1: no key 'rate'; there are match, fps"),
        ('[skeletons.a]\nhead = "x"', "skeletons.a: no pelvis, right_hip, right_knee"),
        (f"[skeletons.a]\n{RIG}\nnose = 'x'", "skeletons.a: no key 'nose'; there are pelvis"),
        (f"[skeletons.a]\n{RIG}\npelvis = 3", "skeletons.a.pelvis: expected a joint of the file"),
        (
            f"[skeletons.a]\n{RIG}\npelvis = {{a = 1, b = 1}}",
            "pelvis: the weights must add up to 1",
        ),
        (f"[skeletons.a]\n{RIG}\nhead_top = 15", "head_top must be metres from 0 to 0.5, found 15"),
        (f"[skeletons.a]\n{RIG}\nhead_axes = ['+x', '-x']", "head_axes must be the directions to"),
        (f"[skeletons.a]\n{RIG}\nhead_joint = 3", "head_joint must be the name of a joint"),
    ],
)
def test_a_faulty_file_is_refused_with_the_key(tmp_path, text, message):
    with pytest.raises(ValueError, match=f"dance.toml: .*{message}"):
        read(tmp_path, text)


def test_settings_are_found_by_path_or_name(tmp_path):
    path = tmp_path / "dance.toml"
    path.write_text("")
    assert settings.find(path) == path
    assert settings.find("cmu_archives").name == "cmu_archives.toml"
    with pytest.raises(
        FileNotFoundError, match="nor settings of that name; there are cmu_archives"
    ):
        settings.find("cmu_archive")


def test_the_settings_of_the_cmu_archives_keep_recordings_and_partners_together():
    found = settings.read(settings.find("cmu_archives"))
    for man in range(1, 16):
        names = [f"salsa/salsa_{number:02}{piece}.bvh" for number in (man, man + 15)
                 for piece in ("", "_a", "_b", "_c")]  # fmt: skip
        assert len({found.split(name) for name in names}) == 1
    for folder in ("indian", "martial"):
        for number in range(1, 16):
            pieces = {
                found.split(f"{folder}/{folder}_{number:02}{p}.bvh") for p in ("", "_a", "_b")
            }
            assert len(pieces) == 1
    assert found.split("salsa/salsa_05_b.bvh") == "test"
    assert found.split("walking_extra/walking_extra_22.bvh") == "test"
    assert found.split("walking/walking_2.bvh") == "train"
    assert found.rule("salsa/salsa_01.bvh").fps == 60
    assert found.rule("indian/indian_06.bvh").fps is None
    assert found.rule("running/running_1.bvh").skeleton == "cmu"
