"""Detectors by their names."""

from pathlib import Path
from typing import Literal

from repose_jax.detectors.detector import Detector
from repose_jax.runtime import names

BLAZEPOSE = ("blazepose", "blazepose-full", "blazepose-lite")
DETECTORS = BLAZEPOSE


def create(
    name_or_path: str | Path,
    weights_dir: str | Path | None = None,
    *,
    people: Literal["all", "one"] = "all",
) -> Detector:
    """Makes a detector for one video; its weights are found, or fetched on the first use.

    Args:
        name_or_path: one of `DETECTORS`.
        weights_dir: folder with the files of the weights.
        people: "one" if the video shows one person, who is looked for in whole frames alone.

    Raises:
        ValueError: the name is unknown, or a file of the weights is damaged.
        OSError: the weights are neither found nor fetched; says where to get them.
        ImportError: a package that the detector needs is missing.
    """
    name = str(name_or_path)
    if name in BLAZEPOSE:
        from repose_jax.detectors import blazepose

        return blazepose.create(name, weights_dir, people=people)
    raise ValueError(names.unknown("detector", name, DETECTORS))
