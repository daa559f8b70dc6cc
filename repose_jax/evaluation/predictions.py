"""Predictions for test sequences beside the ground truth, in memory and as `predictions.npz`."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import BinaryIO

import numpy as np
from jaxtyping import Bool, Float

from repose_jax.data.clips import Clips
from repose_jax.data.sequences import Sequences

Lift = Callable[[Sequences, int, slice], Float[np.ndarray, "t j 3"]]
"""Lifts rows of the sequence of a number from their detections: camera axes, mm."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Poses of every frame of the test sequences, in mm, relative to the root of the frame.

    Attributes:
        clips: test clips, from which they were predicted.
        poses: `[n, j, 3]` predictions; NaN in frames that no clip covers.
        truth: `[n, j, 3]` ground truth.
        valid: `[n]` frames that count: in a clip, valid in the dataset, of a known scale.
    """

    clips: Clips
    poses: Float[np.ndarray, "n j 3"]
    truth: Float[np.ndarray, "n j 3"]
    valid: Bool[np.ndarray, " n"]

    def write(self, path: pathlib.Path | BinaryIO) -> None:
        """Writes arrays that NumPy reads without pickle.

        Rows `offsets[i]:offsets[i + 1]` of the first six belong to sequence i:

        - `prediction` and `truth` `[n, 17, 3]`: camera axes, mm, relative to the root of the frame,
          joints in Human3.6M's order; a prediction is NaN in frames that no clip covers
        - `keypoints_2d` `[n, 17, 2]`, px, and `confidence` `[n, 17]`: the detections
        - `valid` `[n]`: frames that count in an evaluation
        - `activity` `[n]`: the dataset's number of the activity; 0 if unknown
        - `offsets` `[s + 1]`: first row of each sequence, and the number of rows
        - `names`, `subjects`, `actions`, `fps` `[s]` and `image_size` `[s, 2]`, px
        """
        sequences = self.clips.sequences
        np.savez_compressed(
            path,
            prediction=self.poses,
            truth=self.truth,
            keypoints_2d=sequences.keypoints_2d,
            confidence=sequences.confidence,
            valid=self.valid,
            activity=sequences.activity,
            offsets=sequences.offsets,
            names=np.array(sequences.names),
            subjects=np.array(sequences.subjects),
            actions=np.array(sequences.actions),
            fps=sequences.fps,
            image_size=sequences.image_size,
        )
