"""The dataset is that of `small_data`; the model has windows of 9 frames."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
import small_data
import small_motions
from flax import nnx

from repose_jax import models
from repose_jax.config import Experiment
from repose_jax.training import pretrain, state
from repose_jax.training import setup as run
from repose_jax.training.stored import start_from

MODEL = {"name": "pstmo", "frames": 9, "width": 16, "depth": 2, "heads": 2}


def experiment(data_dir, **train) -> Experiment:
    config = small_data.experiment(
        data_dir,
        data={"frames": 1, "stride": 1},
        objective={"learn_weights": False},
        optim={"lr": 1e-2, "ema": 0.0, "warmup_steps": 0},
        train={"epochs": 2, "epoch_steps": 3, "eval_every": 1, **train},
    )
    return dataclasses.replace(config, model=MODEL)


def metrics(workdir: pathlib.Path) -> list[dict]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def pretrained(data_dir, tmp_path_factory):
    config, workdir = experiment(data_dir), tmp_path_factory.mktemp("pretrained")
    return config, workdir, pretrain.pretrain(config, workdir)


def test_the_model_learns_to_predict_hidden_joints(pretrained):
    _, workdir, best = pretrained
    records = metrics(workdir)
    losses = [record["loss"] for record in records if record["split"] == "train"]
    errors = [record["error"] for record in records if record["split"] == "test"]
    assert len(losses) == 6
    assert losses[-1] < losses[0]
    assert best == min(errors)


def test_the_lifter_starts_from_the_encoders(pretrained):
    config, workdir, _ = pretrained
    model = models.create(**config.model, seed=7)
    _, fresh, _ = run.initial_state(config, model)
    started: state.TrainState = start_from(workdir / "lifter", fresh)
    before, after = (dict(nnx.to_flat_state(s.params["model"])) for s in (fresh, started))
    # Norms and biases of a lifter that nothing has trained are as they were made.
    path = ("frame_encoder", "blocks", 0, "norm_mlp", "scale")
    assert (np.asarray(before[path]) == 1).all()
    assert (np.asarray(after[path]) != 1).any()
    path = ("aggregator", "blocks", 0, "norm_mlp", "scale")
    assert (np.asarray(after[path]) == 1).all()
    stats = dict(nnx.to_flat_state(started.stats))
    assert (np.asarray(stats["pose_encoder", "embed", "norm", "mean"]) != 0).any()


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(pretrained, tmp_path):
    config, workdir, best = pretrained
    half = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=1))
    pretrain.pretrain(half, tmp_path)
    assert pretrain.pretrain(config, tmp_path) == pytest.approx(best, rel=1e-5)
    assert metrics(tmp_path)[-1]["error"] == pytest.approx(metrics(workdir)[-1]["error"], rel=1e-5)
    with pytest.raises(ValueError, match=r"was begun with .*'hidden_joints': 2"):
        pretrain.pretrain(config, tmp_path, hidden_joints=3)


def test_only_p_stmo_on_single_windows_has_this_stage(data_dir, tmp_path):
    other = small_data.experiment(data_dir)
    with pytest.raises(ValueError, match="name is 'repose'; there is .* for 'pstmo' only"):
        pretrain.pretrain(other, tmp_path)
    longer = experiment(data_dir)
    longer = dataclasses.replace(longer, data=dataclasses.replace(longer.data, frames=9))
    with pytest.raises(ValueError, match=r"config\.data\.frames is 9.*give 1"):
        pretrain.pretrain(longer, tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("change", [{"train": (small_motions.TRAIN,)}, {"normalise": "person"}])
def test_this_stage_reads_recorded_views_in_the_frame_of_the_image(change, data_dir, tmp_path):
    config = experiment(data_dir)
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, **change))
    with pytest.raises(ValueError, match="Masked pre-training reads recorded views in the frame"):
        pretrain.pretrain(config, tmp_path)
    assert not any(tmp_path.iterdir())


def authors_names() -> dict[str, np.ndarray]:
    """A checkpoint of stage I with the names of the authors' code, of `MODEL`'s sizes."""
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.fc_1.weight": (32, 34, 1),
        "encoder.fc_2.weight": (16, 32, 1),
        "encoder.fc_2.bias": (16,),
        "Transformer.pos_embedding": (1, 9, 16),
        "encoder_to_decoder.weight": (8, 16),
        "dec_pos_embedding": (1, 9, 8),
        "mask_token": (1, 1, 8),
        "spatial_mask_token": (1, 1, 2),
        "fcn_dec.1.weight": (34, 8, 1),
        "fcn_dec.1.bias": (34,),
    }
    for linear in ("layers.0.w1", "layers.0.w2"):
        shapes[f"encoder.{linear}.weight"] = (32, 32, 1)
    for linear in ("fc_1", "layers.0.w1", "layers.0.w2"):
        shapes[f"encoder.{linear}.bias"] = (32,)
    norms = [f"encoder.{norm}" for norm in ("bn_1", "layers.0.batch_norm1", "layers.0.batch_norm2")]
    for norm, width in (*((norm, 32) for norm in norms), ("fcn_dec.0", 8)):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{norm}.{leaf}"] = (width,)
        shapes[f"{norm}.num_batches_tracked"] = ()
    std_norms = {"encoder_LN": 16, "Transformer.model.norm": 16, "Transformer_dec.model.norm": 8}
    for stack, width, depth in (("Transformer", 16, 2), ("Transformer_dec", 8, 1)):
        for layer in range(depth):
            prefix = f"{stack}.model.layers.{layer}"
            for number in range(4):
                shapes[f"{prefix}.self_attn.linears.{number}.weight"] = (width, width)
                shapes[f"{prefix}.self_attn.linears.{number}.bias"] = (width,)
            for number, (inputs, outputs) in enumerate(((width, 2 * width), (2 * width, width)), 1):
                shapes[f"{prefix}.feed_forward.w_{number}.weight"] = (outputs, inputs)
                shapes[f"{prefix}.feed_forward.w_{number}.bias"] = (outputs,)
            for number in range(2):
                std_norms[f"{prefix}.sublayer.{number}.norm"] = width
    for norm, width in std_norms.items():
        shapes[f"{norm}.a_2"] = shapes[f"{norm}.b_2"] = (width,)
    rng = np.random.default_rng(0)
    return {f"module.{name}": rng.standard_normal(shape) for name, shape in shapes.items()}


def test_checkpoints_of_the_authors_code_are_read():
    weights = authors_names()
    sizes = {name: size for name, size in MODEL.items() if name != "name"}
    masked = pretrain.from_torch(weights, **sizes)  # every tensor is used, every parameter filled
    query = masked.decoder.blocks[0].attention.query.kernel[...]
    reference = weights["module.Transformer_dec.model.layers.0.self_attn.linears.0.weight"]
    np.testing.assert_allclose(query, reference.T, rtol=1e-6)
    with pytest.raises(ValueError, match="depth is 2, not 3"):
        pretrain.from_torch(weights, **(sizes | {"depth": 3}))
    lost = {name: value for name, value in weights.items() if "mask_token" not in name}
    with pytest.raises(ValueError, match="nothing fills .*frame_token.*joint_token"):
        pretrain.from_torch(lost, **sizes)
