"""Files of data sets and prepared data, and how the commands read them."""

import pathlib
import pickle
import shutil
from collections.abc import Callable

import numpy as np
import PIL.Image
import small_data
import small_mpi_inf_3dhp

from tests.tfds_builders import bandai_namco_test, cmu_mocap_test
from tests.tfds_builders.bvh_motion import rigs, settings_test


def write_pickle(folder: pathlib.Path) -> None:
    content = {"a": [np.arange(6.0).reshape(2, 3), "text", 3, 2.5, None, b"bytes", (True, {1: 2})]}
    protocol = len(str(folder)) % 6
    (folder / "a.pkl").write_bytes(pickle.dumps(content, protocol))


def write_npz(folder: pathlib.Path) -> None:
    objects = np.array({"x": [np.ones(3, np.float32)], "y": "text"}, dtype=object)
    np.savez_compressed(folder / "a.npz", a=np.arange(12).reshape(3, 4), b=objects, c=["x", "yz"])


def read_pickle(path: pathlib.Path) -> object:
    from repose_jax.runtime import safe_pickle

    return safe_pickle.load(path) if path.suffix == ".pkl" else safe_pickle.load_npz(path)


# Datasets


def _prepare(name: str, source: pathlib.Path, out: pathlib.Path, **options) -> pathlib.Path:
    from repose_jax.data import prepare

    return prepare.prepare(name, source=source, data_dir=out, overwrite=True, **options)


def prepared(name: str, **options) -> Callable[[pathlib.Path], object]:
    """Returns a read that prepares a dataset, as `repose prepare` does."""

    def read(source: pathlib.Path) -> None:
        folder = source if source.name == "in" else source.parent
        _prepare(name, source, folder.with_name("out"), **options)

    return read


def write_release_train(folder: pathlib.Path) -> None:
    sequence = small_mpi_inf_3dhp.write_train(folder)
    (sequence / "imageSequence").mkdir()
    for camera in (0, 1):
        header = small_mpi_inf_3dhp.avi(small_mpi_inf_3dhp.FRAMES)
        (sequence / "imageSequence" / f"video_{camera}.avi").write_bytes(header)


def write_release_test(folder: pathlib.Path) -> None:
    sequence = small_mpi_inf_3dhp.write_test(folder)
    (sequence / "imageSequence").mkdir()
    image = PIL.Image.new("RGB", (2048, 2048))
    image.save(sequence / "imageSequence" / "img_000001.jpg")


def write_p_stmo(folder: pathlib.Path) -> None:
    small_mpi_inf_3dhp.write_archive(
        folder / "data_test_3dhp.npz", small_mpi_inf_3dhp.archive_test()
    )


def write_bvh(folder: pathlib.Path) -> None:
    for name in ("mixamo", "cmu"):
        (folder / f"{name}.bvh").write_text(rigs.bvh(rigs.RIGS[name]))


def write_acclaim(folder: pathlib.Path) -> None:
    (folder / "02.asf").write_text(rigs.asf())
    (folder / "02_01.amc").write_text(
        rigs.amc().replace(":DEGREES", ":SAMPLES-PER-SECOND 60\n:DEGREES")
    )


def write_cmu(folder: pathlib.Path) -> None:
    cmu_mocap_test.database(folder, ("03_01",))
    (folder / "trials.csv").write_text("trial,fps,action\n03_01,120,walk\n04_02,60,run\n")


def write_zip(folder: pathlib.Path) -> None:
    files = folder / "files"
    cmu_mocap_test.database(files, ("03_01",))
    cmu_mocap_test.zipped(files, folder / "a.zip")
    shutil.rmtree(files)


def write_bandai(folder: pathlib.Path) -> None:
    (folder / "dataset-2_walk_normal_003.bvh").write_text(bandai_namco_test.take())


_SETTINGS = f"""
[splits]
test = "walks/*"
[[files]]
match = ["*.bvh", "walks/*"]
fps = 60
metres_per_unit = 0.01
up = "y"
skeleton = "mine"
subject = "one"
skip = false
[skeletons.mine]
{settings_test.RIG}
head_joint = "head"
head_top = 0.1
"""


def write_settings(folder: pathlib.Path) -> None:
    (folder / "settings.toml").write_text(_SETTINGS)


def read_settings(path: pathlib.Path) -> None:
    from tfds_builders.bvh_motion import settings

    found = settings.read(settings.find(path))
    for path in ("walks/a.bvh", "b.bvh"):
        found.rule(path), found.split(path)


# Prepared data


def write_prepared(folder: pathlib.Path) -> None:
    small_data.prepare(folder)


def read_prepared(folder: pathlib.Path) -> None:
    from repose_jax.data import sequences

    sequences.load((small_data.TRAIN, small_data.TEST), str(folder))


def write_motions(folder: pathlib.Path) -> None:
    import small_motions

    small_motions.prepare(folder)


def read_motions(folder: pathlib.Path) -> None:
    import small_motions

    from repose_jax.data import motions

    motions.load((small_motions.TRAIN,), str(folder))


def write_again(folder: pathlib.Path) -> None:
    """A prepared dataset, of which the list of its source and its summary are read again."""
    write_bandai_at(folder / "raw")
    _prepare("bandai_namco", folder / "raw", folder, views=0)


def write_bandai_at(folder: pathlib.Path) -> None:
    folder.mkdir(exist_ok=True)
    write_bandai(folder)


def read_again(folder: pathlib.Path) -> None:
    from repose_jax.data import prepare

    made = prepare.builder("bandai_namco", folder / "raw", folder, views=0)
    prepare.write(made)
    prepare.summary(made)
