"""Several hypotheses of every test clip: their errors by the ways to use them, and their spread."""

import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.experimental import multihost_utils
from jaxtyping import Array, Bool, Float, Int

from repose_jax.config import Experiment
from repose_jax.data import clips as clips_lib
from repose_jax.data.normalise import ASSUMED_FOCAL, mirror_inputs, to_image_frame
from repose_jax.evaluation import aggregation, tables
from repose_jax.evaluation.evaluator import Evaluator
from repose_jax.evaluation.metrics import METRICS
from repose_jax.evaluation.predict import Variables
from repose_jax.evaluation.score import Sums
from repose_jax.evaluation.tally import Tally
from repose_jax.models.d3dp import D3dp, clip_noise
from repose_jax.runtime import devices
from repose_jax.runtime.progress import track
from repose_jax.runtime.whole_file import whole
from repose_jax.skeleton import HUMAN36M

FILE = "hypotheses.json"
"""Name of the file of the results in a workdir."""
LEVEL = 0.8
RADIUS = math.sqrt(4.64163 / 3)  # the quantile of chi squared of 3 degrees
"""Radius that holds a normal distribution in space with probability `LEVEL`, in root mean square
distances from its mean."""
PUBLISHED_BATCH = 4
_METRICS = ("mpjpe", "pa_mpjpe", "pck", "auc")
_ROOT = HUMAN36M.root


@functools.partial(jax.jit, static_argnums=0, static_argnames=("hypotheses", "steps", "flip"))
def sample(
    graphdef: nnx.GraphDef[D3dp],
    variables: Variables,
    inputs: Float[Array, "b t j c"],
    index: Int[Array, " b"],
    seed: Int[Array, ""],
    *,
    hypotheses: int,
    steps: int,
    flip: bool,
) -> Float[Array, "b h t j 3"]:
    """Makes hypotheses of clips, whose roots are set to 0.

    Args:
        graphdef: the model's static half.
        variables: its parameters and statistics.
        inputs: clips, with the confidence, which is removed for a model without.
        index: numbers of the clips; with the seed they determine their noise.
        seed: of the noise.
        hypotheses: of each clip.
        steps: of the sampling.
        flip: average every step with that of the mirrored clip.
    """
    model = nnx.merge(graphdef, *variables)
    inputs = inputs[..., : model.config.in_channels]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), index)
    noise = clip_noise(keys, hypotheses, (*inputs.shape[1:-1], 3))
    found = model.sample(inputs, noise, steps, mirror=mirror_inputs if flip else None)[-1]
    return found.at[..., _ROOT, :].set(0)


def spread(hypotheses: Float[Array, "b h t j 3"]) -> Float[Array, "b t j"]:
    """Returns the root mean square distance of the hypotheses of a joint from their mean."""
    return jnp.sqrt(hypotheses.var(axis=1).sum(-1))


def notes(workdir: pathlib.Path) -> dict[str, float]:
    """Returns the `spread_factor` of a run's model, if its evaluation has found one.

    Raises:
        ValueError: its `hypotheses.json` is damaged.
    """
    path = workdir / FILE
    if not path.exists():
        return {}
    try:
        factor = float(json.loads(path.read_text(encoding="utf-8"))["spread_factor"])
    except (ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}. `repose eval` writes it anew.") from error
    return {"spread_factor": factor}


@dataclasses.dataclass(frozen=True)
class Results:
    """Scores of the hypotheses of a test set.

    Attributes:
        tallies: way of `aggregation.WAYS` to its errors; without the published J-Agg where the
            camera of a sequence is unknown.
        spread_factor: factor on the spread with which a sphere of `RADIUS` spreads around the mean
            holds `LEVEL` of the true joints.
        coverage: share of the joints that such a sphere holds with a factor of 1.
        coverage_calibrated: that of every second sequence with the factor of the others; NaN with
            one sequence.
    """

    tallies: dict[str, Tally]
    spread_factor: float
    coverage: float
    coverage_calibrated: float


def evaluate(
    config: Experiment, evaluator: Evaluator, graphdef: nnx.GraphDef[D3dp], variables: Variables
) -> Results:
    """Makes hypotheses of all test clips and scores them.

    Args:
        config: the experiment.
        evaluator: its test set, in camera space.
        graphdef: the model's static half.
        variables: its parameters and statistics.

    Raises:
        ValueError: labels that are not in camera space, or a protocol that scales predictions.
    """
    clips, chosen = evaluator.clips, config.eval
    if clips.sequences.mm_per_px is not None or evaluator.protocol.scale:
        raise ValueError(
            "config.eval.hypotheses needs test data in camera space and a protocol that does not "
            f"scale predictions, not {config.eval.protocol!r} of {', '.join(config.data.test)}."
        )
    known = bool(np.isfinite(clips.sequences.intrinsics).all())
    ways = [way for way in aggregation.WAYS if known or way != "true_root"]
    sums = {way: Sums(clips.sequences, _METRICS) for way in ways}
    found: list[tuple[np.ndarray, np.ndarray]] = []
    batches = list(_batches(clips, chosen.batch_size, chosen.hypotheses, chosen.as_published))
    for index, counts in track(batches, total=len(batches), label="hypotheses"):
        rows = clips_lib.rows(clips, index)
        counts = (counts & clips.sequences.valid[rows])[..., None] & clips.counted
        mine = devices.process_rows(len(index))
        arrays = _arrays(clips, index[mine], known)
        arrays |= {"counts": counts[mine], "index": index[mine].astype(np.int32)}
        inputs = clips_lib.model_inputs(clips, index[mine])
        inputs, arrays = devices.put_rows((inputs, arrays), evaluator.mesh)
        hypotheses = sample(
            graphdef,
            variables,
            inputs,
            arrays["index"],
            jnp.asarray(config.train.seed),
            hypotheses=chosen.hypotheses,
            steps=chosen.sampling_steps,
            flip=chosen.flip,
        )
        scored = _score(hypotheses, arrays, together=chosen.as_published)
        if jax.process_count() > 1:
            scored = multihost_utils.process_allgather(scored, tiled=True)
        scores, ratio = scored
        for way, metrics in scores.items():
            sums[way].add(metrics, rows)
        counts[..., _ROOT] = False
        sequence = np.broadcast_to(clips.windows.sequence[index, None, None], counts.shape)
        found.append((np.asarray(ratio)[counts], sequence[counts]))
    ratios, sequence = (np.concatenate(part) for part in zip(*found, strict=True))
    return Results({way: sums[way].tally() for way in ways}, *calibrate(ratios, sequence))


def calibrate(
    ratios: Float[np.ndarray, " n"], sequence: Int[np.ndarray, " n"]
) -> tuple[float, float, float]:
    """Returns the last three attributes of `Results`.

    Args:
        ratios: distance of the true joint from the mean in spreads.
        sequence: that each joint is of.
    """
    ratios = ratios / RADIUS
    here = sequence % 2 == 0
    factor = float(np.quantile(ratios[here], LEVEL)) if here.any() else math.nan
    held = float((ratios[~here] <= factor).mean()) if (~here).any() else math.nan
    return float(np.quantile(ratios, LEVEL)), float((ratios <= 1).mean()), held


def _batches(
    clips: clips_lib.Clips, batch_size: int, hypotheses: int, as_published: bool
) -> Iterator[tuple[Int[np.ndarray, " b"], Bool[np.ndarray, "b t"]]]:
    """Yields batches of clips, filled up, with the frames of them that count.

    As many clips are in a batch as hypotheses of all of them make `batch_size`. As published a
    batch has the next four of one sequence, and frames count in every clip that covers them.
    """
    devices_ = jax.device_count()
    size = PUBLISHED_BATCH if as_published else max(batch_size // hypotheses, 1)
    padded = -(-size // devices_) * devices_
    size = size if as_published else padded
    sequence = clips.windows.sequence if as_published else np.zeros(len(clips), int)
    for one in np.unique(sequence):
        mine = np.flatnonzero(sequence == one)
        for first in range(0, len(mine), size):
            wanted = mine[first : first + size]
            index = np.append(wanted, np.repeat(wanted[-1:], padded - len(wanted)))
            counts = clips_lib.new_frames(clips, index)
            if as_published:
                counts = np.arange(clips.frames) < clips.windows.length[index, None]
            counts[len(wanted) :] = False
            yield index, counts


def _arrays(
    clips: clips_lib.Clips, index: Int[np.ndarray, " b"], known: bool
) -> dict[str, np.ndarray]:
    """Returns targets, 2D joints and cameras of clips, in metres and half widths of the image."""
    sequences, sequence = clips.sequences, clips.windows.sequence[index]
    rows = clips_lib.rows(clips, index)
    size = sequences.image_size[sequence].astype(np.float32)
    width = size[:, :1]
    joints = clips.joints[rows]
    inputs = clips.inputs[rows]
    if clips.normalise == "image":
        keypoints = inputs[..., :2]
    else:
        keypoints = to_image_frame(inputs[..., :2], size[:, None])
    focal = sequences.intrinsics[sequence, 0, 0]
    given = np.isfinite(focal) & ("focal" in clips.known)
    focal = np.where(given, focal, ASSUMED_FOCAL * size.max(-1))
    arrays = {
        "target": joints - joints[:, :, _ROOT, None],
        "root": joints[:, :, _ROOT],
        "keypoints": keypoints,
        "weight": inputs[..., 2],
        "focal": (2 * focal / width[:, 0]).astype(np.float32),
    }
    if known:
        matrix, bend = sequences.intrinsics[sequence], sequences.distortion[sequence]
        camera = np.concatenate(
            [
                2 * matrix[:, [0, 1], [0, 1]] / width,
                to_image_frame(matrix[:, None, :2, 2], size)[:, 0],
                bend[:, [0, 1, 4, 2, 3]],
            ],
            axis=-1,
        )
        arrays["camera"] = camera.astype(np.float32)
    return arrays


@functools.partial(jax.jit, static_argnames="together")
def _score(hypotheses, arrays, *, together):
    """Returns totals and weights by way and metric in mm, and errors of the mean in spreads."""
    target, counts = arrays["target"], arrays["counts"]
    rays = arrays["keypoints"] / arrays["focal"][:, None, None, None]
    mean = hypotheses.mean(1)
    root = aggregation.solve_root(mean, rays, arrays["weight"])
    placed = hypotheses + root[:, None, :, None]
    chosen = {"reprojection": aggregation.closest(placed[..., :2] / placed[..., 2:], rays)}
    if "camera" in arrays:
        placed = hypotheses + arrays["root"][:, None, :, None]
        projected = aggregation.project(placed, arrays["camera"])
        chosen["true_root"] = aggregation.closest(projected, arrays["keypoints"])
    found = aggregation.errors(hypotheses, target, chosen, counts, together=together)
    scores = {way: _of_errors(errors, counts) for way, errors in found.items()}
    distance = jnp.linalg.norm(mean - target, axis=-1)
    return scores, distance / jnp.maximum(spread(hypotheses), 1e-9)


def _of_errors(errors, counts):
    """Returns the metrics that are functions of the errors alone."""
    mm = {name: 1000 * error for name, error in errors.items()}
    apart = jnp.pad(mm["mpjpe"][..., None], [(0, 0)] * 3 + [(0, 2)])
    weight = counts.astype(jnp.float32)
    shares = {
        name: tuple(METRICS[name](apart, jnp.zeros_like(apart), counts)) for name in ("pck", "auc")
    }
    return {name: (jnp.where(weight > 0, one, 0), weight) for name, one in mm.items()} | shares


def conclude(
    config: Experiment, evaluator: Evaluator, results: Results, directory: pathlib.Path | None
) -> None:
    """Prints the results of the ways and writes `hypotheses.json`; on the first process alone.

    Without a directory nothing is written.
    """
    if jax.process_index() > 0:
        return
    summaries = {way: evaluator.protocol.summary(tally) for way, tally in results.tallies.items()}
    chosen = config.eval
    content = {
        "hypotheses": chosen.hypotheses,
        "sampling_steps": chosen.sampling_steps,
        "as_published": chosen.as_published,
        "seed": config.train.seed,
        "protocol": chosen.protocol,
        "level": LEVEL,
        "spread_factor": results.spread_factor,
        "coverage": results.coverage,
        "coverage_calibrated": results.coverage_calibrated,
        "results": {aggregation.WAYS[way]: row for way, row in summaries.items()},
    }
    content = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in content.items()}
    try:
        if directory:
            with whole(directory / FILE) as part:
                part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    finally:
        print("\n" + tables.text(table(config, summaries)))
        print(f"\n{_coverage(results)}")
        for way, tally in results.tallies.items():
            print(f"\n{aggregation.WAYS[way]}\n\n{tables.text(evaluator.protocol.table(tally))}")
    if directory:
        print(f"\nWritten: {directory / FILE}")


def _coverage(results: Results) -> str:
    said = (
        f"A sphere for {LEVEL:.0%} of the joints around the mean holds {results.coverage:.1%}; "
        f"with the spread times {results.spread_factor:.2f} it would hold {LEVEL:.0%}."
    )
    if math.isnan(results.coverage_calibrated):  # of one sequence
        return said
    held = f"{results.coverage_calibrated:.1%}"
    return f"{said} With the factor of every second sequence it holds {held} of the others."


def table(config: Experiment, summaries: dict[str, dict[str, float]]) -> tables.Table:
    """Returns the results of the ways side by side."""
    chosen = config.eval
    counted = "overlaps counted twice, as published" if chosen.as_published else "every frame once"
    return tables.Table(
        title=f"{chosen.hypotheses} hypotheses in {chosen.sampling_steps} steps, {counted} "
        f"(protocol {chosen.protocol})",
        columns=tuple(METRICS[name].column for name in _METRICS),
        rows={
            aggregation.WAYS[way]: [row[name] for name in _METRICS]
            for way, row in summaries.items()
        },
    )
