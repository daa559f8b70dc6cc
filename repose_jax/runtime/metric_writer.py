"""Metrics and pictures of a run, in `WORKDIR/metrics.jsonl` and TensorBoard."""

import contextlib
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorboardX
from PIL import Image


def read_records(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the records of `metrics.jsonl` in a workdir; empty if there are none.

    A line that was not written to its end, because the run was killed, or that is damaged, is left
    out: it is only a log.
    """
    path = workdir / "metrics.jsonl"
    records = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, RecursionError):
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record.get("step"), int | float):
                records.append(record)
    return records


class MetricWriter:
    """Appends records to those of a run; on resuming, first removes those after that step.

    Args:
        workdir: folder of the run.
        resumed_step: step of the state that the run resumes from; 0 removes all records.
    """

    def __init__(self, workdir: pathlib.Path, resumed_step: int = 0):
        path = workdir / "metrics.jsonl"
        kept = [r for r in read_records(workdir) if resumed_step and r["step"] <= resumed_step]
        rewritten = path.with_suffix(".jsonl.new")
        rewritten.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
        os.replace(rewritten, path)  # at once: a run that is killed here loses nothing
        self._file = path.open("a", encoding="utf-8")
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

    def add_image(self, name: str, picture: pathlib.Path, step: int) -> None:
        """Adds a picture to TensorBoard.

        Args:
            name: its name there.
            picture: a file that Pillow reads, such as a PNG.
            step: step of the run.
        """
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._board.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Writes buffered records."""
        self._file.close()
        self._board.close()
