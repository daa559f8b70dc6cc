"""Metrics of a run, to `WORKDIR/metrics.jsonl` and TensorBoard; the one file that writes them."""

import json
import math
import os
import pathlib
from collections.abc import Mapping

import tensorboardX


class MetricWriter:
    """Appends records; on resuming, first removes those after the step that is resumed from.

    From step 0 nothing is resumed: what is there is removed.
    """

    def __init__(self, workdir: pathlib.Path, resumed_step: int = 0):
        path = workdir / "metrics.jsonl"
        kept = []
        if resumed_step and path.exists():
            for line in path.read_text().splitlines():
                try:
                    record = json.loads(line)
                except json.JSONDecodeError:  # was being written when the run was killed
                    continue
                if record["step"] <= resumed_step:
                    kept.append(line + "\n")
        rewritten = path.with_suffix(".jsonl.new")
        rewritten.write_text("".join(kept))
        os.replace(rewritten, path)  # at once: a run that is killed here loses nothing
        self._file = path.open("a")
        self._board = tensorboardX.SummaryWriter(
            str(workdir / "tensorboard"), purge_step=resumed_step + 1 if resumed_step else None
        )

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Writes the values of one step; those that are not finite go to JSON as null."""
        finite = {k: v if math.isfinite(v) else None for k, v in values.items()}
        self._file.write(json.dumps({"step": step, "split": split, **finite}) + "\n")
        self._file.flush()
        for key, value in values.items():
            self._board.add_scalar(f"{split}/{key}", value, step)

    def close(self) -> None:
        """Writes out what is buffered."""
        self._file.close()
        self._board.close()
