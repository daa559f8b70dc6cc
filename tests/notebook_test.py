"""Executes the notebook on the CPU, with fewer embedded data and a model that is smaller still."""

import pathlib

import nbclient
import nbformat
import pytest
import small_weights

NOTEBOOK = pathlib.Path(__file__).parents[1] / "notebooks" / "repose_colab.ipynb"
FLAGS = [
    *(
        f"--config.data.{split}=\"('synthetic_motion/5fps:{split}',)\""
        for split in ("train", "test")
    ),
    *("--config.model.width=16", "--config.eval.flip=False", "--config.eval.batch_size=128"),
    *("--config.train.epochs=1", "--config.train.epoch_steps=2", "--config.train.eval_every=1"),
]

KINDS = ("npz", "bvh", "html")


def read():
    return nbformat.read(NOTEBOOK, as_version=4)


def printed(cell) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The cells by name, with what they gave."""
    runs, data = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("data")
    notebook = read()
    names = [cell.id for cell in notebook.cells]
    settings = names.index("settings")
    assert notebook.cells[settings].metadata.tags == ["parameters"]
    # No detector's weights: the sample's video is not lifted, and its keypoint file is.
    weights = small_weights.write(runs / "small.safetensors")
    lift_flags = [f"--weights={weights}", "--detector=missing.onnx", f"--files={','.join(KINDS)}"]
    change = f"RUNS, LIFT_FLAGS, QUICKSTART_FLAGS = {str(runs)!r}, {lift_flags}, {FLAGS}"
    notebook.cells.insert(settings + 1, nbformat.v4.new_code_cell(change))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(data))
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # one device
        resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
        nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    return {cell.id: cell for cell in notebook.cells}


def test_it_is_stored_without_outputs():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert cells
    for cell in cells:
        assert cell.outputs == []
        assert cell.execution_count is None


def test_without_the_detector_the_keypoints_of_the_sample_are_lifted(executed):
    lifted = printed(executed["lift"])
    assert "missing.onnx" in lifted
    assert "The sample video was not lifted, for the reason above" in lifted
    assert "walk_alphapose: 1 person in 150 frames" in lifted
    (page,) = (output.data["text/html"] for output in executed["page"].outputs)
    assert "<iframe srcdoc=" in page
    assert "walk_alphapose" in page
    assert "MPJPE, 17 joints" in printed(executed["truth"])
    for name in ("index.html", "summary.json", *(f"person_1.{kind}" for kind in ("npz", "bvh"))):
        assert name in printed(executed["files"])


def test_the_quickstart_ends_with_tables_and_pictures(executed):
    table = printed(executed["quickstart"])
    assert "MPJPE" in table
    assert "mean pose" in table
    assert "Written: " in table
    shown = [output.data for output in executed["pictures"].outputs]
    assert sum("image/png" in data for data in shown) == 3  # a still, curves and errors
    assert sum("image/gif" in data for data in shown) == 1


def test_nothing_is_installed_outside_of_colab_and_jax_lists_its_devices(executed):
    assert "nothing is installed" in printed(executed["install"])
    assert "CpuDevice" in printed(executed["install"])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("drive", "google.colab is missing: this is not Colab."),
        ("h36m-prepare", "Human3.6M is not prepared: "),
        ("h36m-prepare", "h36m_sh_conf_cam_source_final.pkl is missing."),
        ("h36m-train", "Not trained: Human3.6M is not prepared."),
        ("h36m-evaluate", "Not evaluated: Human3.6M is not prepared, or there is no run in "),
        ("weights", "repose.bin is missing."),
    ],
)
def test_cells_name_what_they_miss(cell, message, executed):
    assert message in printed(executed[cell])
