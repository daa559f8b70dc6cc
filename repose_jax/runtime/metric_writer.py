"""Metrics and pictures of a run, in `WORKDIR/metrics.jsonl` and TensorBoard."""

import json
import math
import pathlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from repose_jax.runtime.whole_file import whole, writing

_PROTO: Any = event_pb2  # whose classes are made on import
_FLUSH = 60.0  # seconds between two writes of buffered events


def read_records(workdir: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the records of `metrics.jsonl` in a workdir; empty if there are none.

    It is only a log: a line that is damaged is left out, with a warning; so is the last one without
    a warning if it was not written to its end, because the run was killed.
    """
    path = workdir / "metrics.jsonl"
    content = path.read_bytes() if path.exists() else b""
    *lines, last = content.split(b"\n")
    records = [_record(line) for line in lines]
    bad = [str(number) for number, record in enumerate(records, 1) if record is None]
    if bad:
        numbers = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        lines_are = f"line {numbers} is" if len(bad) == 1 else f"lines {numbers} are"
        print(f"warning: {path}: {lines_are} damaged and left out.", flush=True)
    return [record for record in (*records, _record(last)) if record is not None]


def _record(line: bytes) -> dict[str, Any] | None:
    """Returns the record of a line, or None if it is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    good = isinstance(record, dict) and isinstance(record.get("step"), int | float)
    return record if good else None


class MetricWriter:
    """Appends records to those of a run; on resuming, first removes those after that step.

    Everything is written by the caller's thread, which gets the errors of a full disk.

    Args:
        workdir: folder of the run.
        resumed_step: step of the state that the run resumes from; 0 removes all records.

    Raises:
        OSError: the disk is full; so do the methods.
    """

    def __init__(self, workdir: pathlib.Path, resumed_step: int = 0):
        self._path = workdir / "metrics.jsonl"
        kept = [r for r in read_records(workdir) if resumed_step and r["step"] <= resumed_step]
        with whole(self._path) as path:
            path.write_text("".join(json.dumps(r) + "\n" for r in kept), encoding="utf-8")
        self._file = self._path.open("a", encoding="utf-8")
        self._board_path = workdir / "tensorboard"
        with writing(self._board_path):
            self._board_path.mkdir(exist_ok=True)
            self._board = EventsWriter(str(self._board_path / "events"))
        self._flushed = time.monotonic()
        if resumed_step:  # TensorBoard forgets what follows, too
            log = _PROTO.SessionLog
            start = log(status=log.SessionStatus.START)
            self._add(resumed_step + 1, session_log=start)

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Writes the values of one step; those that are not finite go to JSON as null."""
        finite = {k: v if math.isfinite(v) else None for k, v in values.items()}
        with writing(self._path):
            self._file.write(json.dumps({"step": step, "split": split, **finite}) + "\n")
            self._file.flush()
        for key, value in values.items():
            self._add(step, summary=summary.scalar(f"{split}/{key}", value))

    def add_image(self, name: str, picture: pathlib.Path, step: int) -> None:
        """Adds a picture to TensorBoard.

        Args:
            name: its name there.
            picture: a file that Pillow reads, such as a PNG.
            step: step of the run.
        """
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._add(step, summary=summary.image(name, pixels, dataformats="HWC"))

    def close(self) -> None:
        """Writes buffered records."""
        with writing(self._path.parent):
            self._file.close()
            self._board.close()

    def _add(self, step: int, **content: Any) -> None:
        with writing(self._board_path):
            self._board.write_event(_PROTO.Event(step=step, wall_time=time.time(), **content))
            if time.monotonic() - self._flushed > _FLUSH:
                self._board.flush()
                self._flushed = time.monotonic()
