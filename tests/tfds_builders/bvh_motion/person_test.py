import itertools

import numpy as np
import pytest

from tests.tfds_builders.bvh_motion import rigs
from tfds_builders.bvh_motion import joint_maps, person
from tfds_builders.bvh_motion.recording import read_bvh

CMU = joint_maps.JOINT_MAPS["cmu"]


def recording(**options):
    return read_bvh(rigs.bvh(rigs.RIGS["cmu"], **options), "a.bvh")


@pytest.mark.parametrize("metres", person.UNITS.values())
def test_the_unit_is_detected_by_the_stature(metres):
    joints, _ = person.convert(recording(units_per_metre=1 / metres), CMU)
    assert joints[0, 10, 1] == pytest.approx(1.74, abs=0.001)


def test_no_two_units_make_a_plausible_stature_of_one_number():
    low, high = person.STATURES
    ranges = sorted((low / metres, high / metres) for metres in person.UNITS.values())
    for (_, end), (start, _) in itertools.pairwise(ranges):
        assert end < start


def test_an_implausible_stature_is_refused_unless_the_unit_is_given():
    feet = recording(units_per_metre=1 / 0.3048)
    with pytest.raises(ValueError, match=r"5.\d+ units tall.*give metres_per_unit"):
        person.convert(feet, CMU)
    joints, _ = person.convert(feet, CMU, metres_per_unit=0.3048)
    assert joints[0, 10, 1] == pytest.approx(1.74, abs=0.001)


def test_a_person_along_z_is_refused_unless_the_axis_is_given():
    with pytest.raises(ValueError, match='does not stand along the axis Y: give up = "z"'):
        person.convert(recording(z_up=True), CMU)
    joints, face = person.convert(recording(z_up=True), CMU, up="z")
    expected, expected_face = person.convert(recording(), CMU)
    np.testing.assert_allclose(joints, expected, atol=1e-6)
    np.testing.assert_allclose(face, expected_face, atol=1e-6)


def test_a_person_who_lies_can_be_declared():
    joints, _ = person.convert(recording(z_up=True), CMU, up="y")
    assert joints[0, 10, 2] > 1.7


def test_swapped_sides_are_noticed_by_the_knees():
    person.convert(recording(frames=5, bend=0.1), CMU)
    with pytest.raises(ValueError, match="knees bend backwards: left and right are swapped"):
        person.convert(recording(frames=5, bend=-0.1), CMU)
