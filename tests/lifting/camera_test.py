"""The camera of a video: given, of a file, assumed; and contradictions are one clear line."""

import numpy as np
import pytest

from repose_jax.data import cameras
from repose_jax.lifting import video
from repose_jax.lifting.camera import FIELDS_OF_VIEW, camera, undistorted

SIZE = (1920, 1080)


def table(name="cam_01", size=(1920, 1080), focal=1500.0, more="", pose=True) -> str:
    placed = "rotation = [1.5707963267948966, 0.0, 0.0]\ntranslation = [0.0, 1.0, 3.0]\n"
    return (
        f'[{name}]\nname = "{name}"\nsize = [{size[0]}.0, {size[1]}.0]\n'
        f"matrix = [[{focal}, 0.0, 950.0], [0.0, {focal}, 530.0], [0.0, 0.0, 1.0]]\n"
        f"distortions = [-0.1, 0.02, 0.001, -0.002]\n{placed if pose else ''}{more}\n"
    )


@pytest.fixture
def write(tmp_path):
    def file(*tables: str):
        path = tmp_path / "calibration.toml"
        path.write_text("\n".join(tables) + "\n[metadata]\nadjusted = false\n", "utf-8")
        return path

    return file


def test_without_anything_the_focal_length_is_the_longer_side():
    for size in (SIZE, (1080, 1920)):
        found = camera(size)
        assert found.focal_px == 1920
        assert found.source.startswith("assumed")
        np.testing.assert_array_equal(found.centre_px, [size[0] / 2, size[1] / 2])


def test_a_file_that_states_its_lens_is_believed_where_nothing_else_is_given():
    assert camera((1920, 1080), stated=1500.0).focal_px == 1500
    assert "the file of the video states" in camera((1920, 1080), stated=1500.0).source
    assert camera((1920, 1080), stated=1500.0, focal=900).focal_px == 900


def test_the_field_of_view_is_that_of_the_longer_side():
    for size in (SIZE, (1080, 1920)):
        assert camera(size, fov=90).focal_px == pytest.approx(960)
    assert camera(SIZE, focal=1234.5).focal_px == 1234.5


@pytest.mark.parametrize("fov", FIELDS_OF_VIEW)
def test_every_field_of_view_that_is_allowed_can_be_lifted(fov):
    points = np.random.default_rng(0).uniform(100, 900, (2, 17, 2))
    focal = camera(SIZE, fov=fov).focal_px
    video.check(
        points,
        None,
        SIZE,
        fps=30,
        focal_length=focal,
        up=None,
        mm_per_px=None,
        missing_without_influence=True,
    )
    assert camera(SIZE, focal=focal).focal_px == focal


def test_a_file_gives_the_lens_and_the_vertical(write):
    found = camera(SIZE, file=write(table()))
    assert (found.focal_px, *found.centre_px) == (1500, 950, 530)
    np.testing.assert_array_equal(found.distortion, [-0.1, 0.02, 0.001, -0.002, 0])
    # Turned by 90 degrees about x, the world's z is the camera's -y: a level camera.
    np.testing.assert_allclose(found.up, [0, -1, 0], atol=1e-12)
    assert found.source == "from calibration.toml, cam_01"


def test_a_file_may_begin_with_a_byte_order_mark(write):
    path = write("\ufeff" + table())
    assert camera(SIZE, file=path).focal_px == 1500


def test_a_calibration_of_the_lens_alone_has_no_vertical(write):
    assert camera(SIZE, file=write(table(pose=False))).up is None
    zeros = "rotation = [0.0, 0.0, 0.0]\ntranslation = [0.0, 0.0, 0.0]"
    assert camera(SIZE, file=write(table(pose=False, more=zeros))).up is None


def test_a_file_of_the_same_video_in_another_size_is_scaled(write):
    found = camera((960, 540), file=write(table()))
    assert (found.focal_px, *found.centre_px) == (750, 475, 265)
    padded = camera((1920, 1080), file=write(table(size=(1920, 1088))))
    assert (padded.focal_px, *padded.centre_px) == (1500, 950, 530)


def test_one_of_several_cameras_is_found_by_its_image_by_name_or_by_the_video(write):
    path = write(table("cam_01"), table("cam_02", focal=1600.0), table("side", size=(800, 600)))
    assert camera((800, 600), file=path).source.endswith("side")
    assert camera(SIZE, file=f"{path}:cam_02").focal_px == 1600
    assert camera(SIZE, file=path, video="walk-cam02.mp4").focal_px == 1600
    with pytest.raises(
        ValueError, match=r"several cameras \(cam_01, cam_02\); give one as .*:NAME"
    ):
        camera(SIZE, file=path)
    with pytest.raises(ValueError, match=r"no camera 'cam_9'; it has cam_01, cam_02, side"):
        camera(SIZE, file=f"{path}:cam_9")
    with pytest.raises(ValueError, match=r"shape of 1000x1000; found cam_01 \(1920x1080\)"):
        camera((1000, 1000), file=path)


def test_removing_the_distortion_inverts_the_projection(write):
    found = camera(SIZE, file=write(table()))
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -0.6, 2], [1, 0.6, 3], (5, 17, 3))
    matrix = np.array([[1500, 0, 950], [0, 1500, 530], [0, 0, 1]], float)
    bent = cameras.project(points, matrix, found.distortion)
    straight = 1500 * points[..., :2] / points[..., 2:] + found.centre_px
    assert np.abs(bent - straight).max() > 1
    np.testing.assert_allclose(undistorted(bent, found), straight, atol=1e-4)
    bent[0, 0] = np.nan
    assert np.isnan(undistorted(bent, found)[0, 0]).all()
    assert np.isfinite(undistorted(bent, found)[1:]).all()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"focal": 1500, "fov": 60}, "given by focal and fov; give one"),
        ({"focal": 0}, "focal length of 0 px is impossible"),
        ({"focal": -5}, "impossible"),
        ({"focal": float("nan")}, "impossible"),
        (
            {"focal": 26},
            "26 px is impossible for an image of 1920x1080 px .*; usual are 960 to 5760",
        ),
        ({"fov": 180}, "180 degrees is impossible"),
        ({"fov": 0.5}, "impossible"),
    ],
)
def test_contradicting_and_impossible_values_are_refused(given, problem):
    with pytest.raises(ValueError, match=problem):
        camera(SIZE, **given)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "no TOML file"),
        ("[metadata]\nerror = 0.0", "has no camera"),
        ("[a]\nmatrix = [[1.0, 0.0], [0.0, 1.0]]\nsize = [1920, 1080]", "shape \\(2, 2\\)"),
        ("[a]\nmatrix = 'no'\nsize = [1920, 1080]", "matrix is missing, or no list"),
        (table().replace("size", "sizes"), "size is missing"),
        (table(focal=26.0), r"\[cam_01\]: a focal length of 26 px is impossible"),
        (table(more="fisheye = true"), "fisheye lens"),
        (table().replace("[0.0, 1500.0", "[0.0, 1600.0"), "pixels are not square"),
        ("a = " + "[" * 100_000, "no TOML file"),
        ("a = " + "9" * 5000, "no TOML file"),
        (table().replace("950.0", "9" * 400), "matrix is missing, or no list of numbers"),
        (table().replace("950.0", "nan"), r"\[cam_01\]: matrix has nan; give numbers that are fin"),
        (table().replace("0.02", "inf"), r"\[cam_01\]: distortions has inf; give numbers"),
        (table().replace("950.0", "1e300"), "the centre is far outside of the image"),
        (table().replace("0.02", "1e200"), "no lens's"),
    ],
)
def test_a_damaged_file_is_named_with_its_problem(tmp_path, text, problem):
    path = tmp_path / "calibration.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=problem) as error:
        camera(SIZE, file=path)
    assert "calibration.toml" in str(error.value)
    with pytest.raises(FileNotFoundError, match="no camera file"):
        camera(SIZE, file=tmp_path / "other.toml")
