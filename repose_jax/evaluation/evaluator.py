"""A test set, and how predictions for it are made and scored."""

import dataclasses
from typing import Any

from jax.sharding import Mesh

from repose_jax.data.clips import Clips
from repose_jax.evaluation import score
from repose_jax.evaluation.predict import Predictor, model_predictor
from repose_jax.evaluation.protocols.protocol import Protocol
from repose_jax.evaluation.tally import Tally


@dataclasses.dataclass(frozen=True)
class Evaluator:
    """A test set, and how predictions for it are made and scored.

    Attributes:
        clips: test clips.
        protocol: how results are counted.
        mesh: the devices.
        batch_size: clips in a batch, over all devices.
        flip: average with the prediction for the mirrored clip (test-time augmentation).
        window: read the centre frame of every window of so many frames; None to read all that the
            model gives.
    """

    clips: Clips
    protocol: Protocol
    mesh: Mesh
    batch_size: int
    flip: bool
    window: int | None

    def predictor(self, graphdef: Any, variables: tuple[Any, ...]) -> Predictor:
        """Returns the predictor of a model: its static half, its parameters and statistics."""
        return model_predictor(graphdef, variables, flip=self.flip, window=self.window)

    def score(self, predictor: Predictor) -> Tally:
        """Scores a predictor on the test clips, as the protocol treats predictions."""
        protocol, clips = self.protocol, self.clips
        return score.evaluate(
            predictor,
            clips,
            batch_size=self.batch_size,
            mesh=self.mesh,
            zero_root=protocol.zero_root and clips.root_relative,
            scale=protocol.scale(clips.sequences.image_size) if protocol.scale else None,
        )
