"""The records of a training: losses and speed of its steps, curves, TensorBoard."""

import contextlib
import math
import pathlib
import time
from collections.abc import Mapping

import jax
import numpy as np

from repose_jax.runtime.checkpoint import Checkpoints
from repose_jax.runtime.metric_writer import MetricWriter, read_records
from repose_jax.runtime.progress import Progress
from repose_jax.training import examples, optim
from repose_jax.training.setup import Run
from repose_jax.training.state import TrainState

ADVICE = "A lower learning rate, a longer warm-up or a smaller config.optim.clip_norm may help."


@contextlib.contextmanager
def metric_writer(workdir: pathlib.Path, train_state: TrainState):
    """Opens the writer of a run on the first process; yields None on the others."""
    if jax.process_index() > 0:
        yield None
    else:
        with contextlib.closing(MetricWriter(workdir, int(train_state.step))) as writer:
            yield writer


def draw(
    workdir: pathlib.Path, writer: MetricWriter, pictures: list[pathlib.Path], step: int
) -> pathlib.Path:
    """Draws the training curves, and adds them and other pictures to TensorBoard.

    Returns:
        The picture of the curves.
    """
    from repose_jax.evaluation import charts  # matplotlib is slow to import

    curves = workdir / "pictures" / "curves.png"
    curves.parent.mkdir(exist_ok=True)
    charts.curves(curves, read_records(workdir), title=f"Training of {workdir.absolute().name}")
    for picture in (curves, *pictures):
        if picture.suffix == ".png":
            writer.add_image(f"pictures/{picture.stem}", picture, step)
    return curves


class TrainLog:
    """Looks at the metrics of steps, and reports them with the speed since the last report."""

    def __init__(
        self,
        run: Run,
        unit: str,
        checkpoints: Checkpoints,
        writer: MetricWriter | None,
        progress: Progress,
    ):
        self.run, self.unit, self.checkpoints = run, unit, checkpoints
        self.writer, self.progress = writer, progress
        self.rate = optim.schedule(run.config.optim, run.steps_per_epoch, run.config.train.epochs)
        self.restart(progress.done)

    def restart(self, step: int) -> None:
        """Measures speed from here, without the time of an evaluation."""
        self.step, self.time = step, time.perf_counter()

    def look(self, metrics: Mapping[str, jax.Array] | None, at: int) -> None:
        """Takes the metrics of the steps up to `at`; step n has the batch n - 1.

        Raises:
            FloatingPointError: one of them is not finite.
        """
        if metrics is None:
            return
        columns, train = jax.device_get(metrics), self.run.config.train
        first = at + 1 - len(columns["loss"])
        rows = {
            now: {name: float(column[now - first]) for name, column in columns.items()}
            for now in range(first, at + 1)
        }
        speed = None
        for now, values in rows.items():
            if not all(map(math.isfinite, values.values())):  # the gradient too: it is in the state
                raise FloatingPointError(_not_finite(self.run, values, now, self.checkpoints))
            if self.writer and (now % train.log_every == 0 or now == self.run.last_step):
                speed = speed or self._speed(at)
                more = {"clips_per_s": speed, "lr": np.asarray(self.rate(now - 1)).item()}
                self.writer.write(now, "train", values | more)
                self.progress.show(f"{self._losses(values)}, {speed:.1f} clips/s")

    def _speed(self, step: int) -> float:
        steps, seconds = step - self.step, time.perf_counter() - self.time
        self.restart(step)
        return steps * self.run.config.train.batch_size / seconds if seconds > 0 else math.nan

    def _losses(self, values: Mapping[str, float]) -> str:
        parts = (
            f"{name} {values[name]:.4f}" + (f" {self.unit}" if name == "mpjpe" else "")
            for name, _ in self.run.objective.weights
        )
        return f"loss {values['loss']:.4f} ({', '.join(parts)})"


def _not_finite(run: Run, values: Mapping[str, float], at: int, checkpoints: Checkpoints) -> str:
    bad = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
    return (
        f"Not finite at step {at}: {', '.join(bad)}. "
        f"Its batch was {examples.names_of(run.config, run.train, at - 1)}. "
        f"The last good checkpoint is {checkpoints.path('latest') or 'none'}. {ADVICE}"
    )
