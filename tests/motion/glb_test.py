"""GLB files hold the motion of rigs, read back by the rules of glTF."""

import json
import struct

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from small_motion import small_motion
from small_poses import person, t_pose

from repose_jax.motion import glb, rig

RIGS = [rig.fit(p) for p in small_motion(people=2).people]
COLUMNS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class File:
    """A GLB file: its JSON, and the arrays of its accessors."""

    def __init__(self, path):
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert (kind, size % 4) == (b"JSON", 0)
        self.json = json.loads(content[20 : 20 + size])
        binary, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert (kind, binary) == (b"BIN\0", self.json["buffers"][0]["byteLength"])
        self.binary = content[28 + size :]
        assert len(self.binary) == binary

    def array(self, index: int) -> np.ndarray:
        accessor = self.json["accessors"][index]
        view = self.json["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        columns = COLUMNS[accessor["type"]]
        kind = {5126: "<f4", 5121: np.uint8}[accessor["componentType"]]
        count = accessor["count"] * columns
        assert view["byteLength"] == count * np.dtype(kind).itemsize
        values = np.frombuffer(self.binary, kind, count, view["byteOffset"])
        return values.reshape(-1, columns)

    def channels(self, skin: int) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
        """Returns times and values by joint and what is moved."""
        animation = self.json["animations"][0]
        found = {}
        for channel in animation["channels"]:
            node, sampler = channel["target"]["node"], animation["samplers"][channel["sampler"]]
            if node in self.json["skins"][skin]["joints"]:
                key = self.json["nodes"][node]["name"], channel["target"]["path"]
                found[key] = self.array(sampler["input"])[:, 0], self.array(sampler["output"])
        return found


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> File:
    path = tmp_path_factory.mktemp("glb") / "people.glb"
    glb.write(path, RIGS)
    return File(path)


@pytest.mark.parametrize("person_of", [0, 1])
def test_nodes_and_channels_give_the_joints_of_the_rig_in_metres(two, person_of):
    fitted, skin = RIGS[person_of], two.json["skins"][person_of]
    channels = two.channels(person_of)
    parents = {c: n for n, node in enumerate(two.json["nodes"]) for c in node.get("children", ())}
    places, turns = {}, {}
    for j, node in enumerate(skin["joints"]):
        name = two.json["nodes"][node]["name"]
        turn = Rotation.from_quat(channels[name, "rotation"][1])
        if j == 0:
            places[node], turns[node] = channels[name, "translation"][1], turn
        else:
            parent = parents[node]
            way = turns[parent].apply(two.json["nodes"][node]["translation"])
            places[node], turns[node] = places[parent] + way, turns[parent] * turn
        np.testing.assert_allclose(1000 * places[node], rig.positions(fitted)[:, j], atol=0.01)


def test_every_person_keeps_the_times_of_the_video(two):
    for number, fitted in enumerate(RIGS):
        for time, values in two.channels(number).values():
            np.testing.assert_allclose(time, fitted.time_s, atol=1e-6)
            assert len(values) == len(time)
    assert RIGS[1].time_s[0] > 0


def test_accessors_of_positions_and_times_state_their_bounds(two):
    sampled = {s["input"] for s in two.json["animations"][0]["samplers"]}
    corners = {
        p["attributes"]["POSITION"] for mesh in two.json["meshes"] for p in mesh["primitives"]
    }
    for index in sampled | corners:
        values, accessor = two.array(index), two.json["accessors"][index]
        np.testing.assert_array_equal(accessor["min"], values.min(axis=0))
        np.testing.assert_array_equal(accessor["max"], values.max(axis=0))


def test_each_vertex_moves_with_one_joint_and_lies_beside_its_bone_at_rest(two):
    skin, fitted = two.json["skins"][0], RIGS[0]
    inverse = two.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
    np.testing.assert_allclose(-inverse[:, :3, 3] * 1000, rig.rest_positions(fitted), atol=1e-3)
    for primitive in two.json["meshes"][0]["primitives"]:
        at = {key: two.array(index) for key, index in primitive["attributes"].items()}
        np.testing.assert_array_equal(
            at["WEIGHTS_0"], np.tile([1, 0, 0, 0], (len(at["NORMAL"]), 1))
        )
        joint = at["JOINTS_0"][:, 0].astype(int)
        reach = np.linalg.norm(at["POSITION"] + inverse[joint, :3, 3], axis=-1)
        assert reach.max() < 0.6


def test_triangles_face_outwards(two):
    for primitive in two.json["meshes"][0]["primitives"]:
        at = {key: two.array(index) for key, index in primitive["attributes"].items()}
        bones = at["POSITION"].reshape(-1, 8, 3, 3)
        centre = bones.mean(axis=(1, 2), keepdims=True)
        outwards = bones.mean(axis=2) - centre[:, 0]
        normals = at["NORMAL"].reshape(-1, 8, 3, 3)[:, :, 0]
        assert ((outwards * normals).sum(-1) > 0).all()
        corners = bones - bones[:, :, :1]
        wound = np.cross(corners[:, :, 1], corners[:, :, 2])
        assert ((wound * normals).sum(-1) > 0).all()


def test_left_and_right_have_materials_of_their_own(two):
    names = [material["name"] for material in two.json["materials"]]
    found = {}
    for primitive in two.json["meshes"][1]["primitives"]:
        x = two.array(primitive["attributes"]["POSITION"])[:, 0]
        found[names[primitive["material"]]] = np.sign(np.round(x.mean(), 6))
    assert found == {"left": 1, "right": -1, "person_2": 0}


def test_a_person_is_shown_only_while_seen(two):
    nodes = [node["name"] for node in two.json["nodes"]]
    animation, shown = two.json["animations"][0], {}
    for channel in animation["channels"]:
        if channel["target"]["path"] == "scale":
            sampler = animation["samplers"][channel["sampler"]]
            assert sampler["interpolation"] == "STEP"
            times, scales = two.array(sampler["input"])[:, 0], two.array(sampler["output"])
            shown[nodes[channel["target"]["node"]]] = times, scales.tolist()
    assert list(shown) == ["person_2"]  # the first is seen from beginning to end
    times, scales = shown["person_2"]
    assert scales == [[0] * 3, [1] * 3, [0] * 3]
    first, last = RIGS[1].time_s[[0, -1]]
    np.testing.assert_allclose(times, [0, first, last], atol=6e-3)
    assert times[2] > last


def test_one_frame_of_one_person_is_a_file(tmp_path):
    glb.write(tmp_path / "person.glb", rig.fit(person(t_pose(1)), "simple"))
    assert File(tmp_path / "person.glb").channels(0)["Hips", "translation"][1].tolist() == [
        [0, 1, 0]
    ]


def test_no_person_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no person to write"):
        glb.write(tmp_path / "people.glb", [])
    assert not (tmp_path / "people.glb").exists()
