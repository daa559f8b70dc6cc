"""Writes docs/images/lifted.png and lifted.gif: a test subject, lifted by the weights that ship.

Run `PYTHONPATH=. python docs/draw_lifted.py --data_dir=DIR`, where
`repose prepare cmu_mocap --source=allasfamc.zip --data_dir=DIR` has prepared the data.
"""

from pathlib import Path

import repose_jax
from repose_jax.cli.arguments import Parser
from repose_jax.data import sequences
from repose_jax.evaluation import pictures
from repose_jax.evaluation.panels import Clip
from repose_jax.lifting.predictor import lift_sequence

IMAGES = Path(__file__).parent / "images"
SPLIT = "cmu_mocap/30fps:test"
RUN, SWORDPLAY = "02_03/view0", "02_07/view0"
FRAMES = (0, 10, 16, 23, 30)  # of the run: different phases of its steps


def lifted(predictor: repose_jax.Predictor, found: sequences.Sequences, name: str) -> Clip:
    """Returns the middle three seconds of a sequence, lifted as any video is."""
    number = found.names.index(name)
    rows = pictures.middle(found, number, int(found.lengths[number]))
    joints = lift_sequence(predictor, found, number, rows)
    return pictures.excerpt(found, number, rows, joints, target=found.joints_3d[rows])


def main():
    """Writes both pictures, and prints the errors of what they show."""
    parser = Parser(description=__doc__)
    parser.add_argument("--data_dir", help="folder of the prepared datasets")
    found = sequences.load([SPLIT], parser.parse_args().data_dir)
    predictor = repose_jax.load()
    clips = {name: lifted(predictor, found, name) for name in (RUN, SWORDPLAY)}
    IMAGES.mkdir(exist_ok=True)
    title = "Running (take 02_03 of CMU, not in the training), lifted from its 2D joints"
    pictures.still(IMAGES / "lifted.png", clips[RUN], frames=FRAMES, title=title)
    title = "Swordplay (take 02_07 of CMU, not in the training)"
    pictures.animation(IMAGES / "lifted.gif", clips[SWORDPLAY], fps=30, title=title)
    for name, clip in clips.items():
        if clip.mpjpe is not None:
            print(f"{name}: MPJPE {clip.mpjpe.mean():.1f} mm over {len(clip.mpjpe)} frames")


if __name__ == "__main__":
    main()
