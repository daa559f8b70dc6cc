"""Makes the sample: a synthetic person who walks through a synthetic room.

    python -m examples.render_walk

It writes beside this file `walk.mp4`; `walk_truth.npz`, where the joints really are; and
`walk_alphapose.json`, what a simulated detector finds of them. It needs the extra "preview". The
same motion is made each time; the bytes of the video depend on the versions of JAX and of x264.
"""

import json
import pathlib

import numpy as np
from scipy.ndimage import gaussian_filter1d

from examples.scene.figure import Figure, figure
from examples.scene.picture import picture
from examples.scene.room import room
from examples.scene.view import View
from repose_jax.skeleton import HALPE26, HUMAN36M
from tfds_builders.mocap import occlusion
from tfds_builders.synthetic_motion import curves, motion, person

HERE = pathlib.Path(__file__).parent
FPS, SECONDS = 30, 5.0
SEED = 1
PLACE = (0.25, 0.0, -0.35)  # of the middle of the path in the room, m
ERROR, HIDDEN_ERROR = 12.0, 25.0  # deviation of the detector's error along each axis, mm
DEFINITION = 8.0  # deviation of where it places a joint on the body, mm


def walk() -> tuple[np.ndarray, np.ndarray]:
    """Generates a walk on a curve whose middle leads towards the camera.

    Returns:
        `[t, 17, 3]` joints and `[t, 3, 3]` nose and ears in the world, Y up, metres.
    """
    who = person.sample("walker", np.random.default_rng(SEED))
    rng = np.random.default_rng(100 + SEED)
    joints, face = motion.generate(who, "walk", SECONDS, rng)
    step = round(curves.FPS / FPS)
    joints, face = joints[::step], face[::step]
    left = joints[:, HUMAN36M.joints.index("left_hip")] - joints[:, 0]
    heading = np.unwrap(np.arctan2(left[:, 2], left[:, 0]))
    middle = (heading.min() + heading.max()) / 2
    cosine, sine = np.cos(middle), np.sin(middle)
    turn = np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])
    return joints @ turn + PLACE, face @ turn + PLACE


def detected(view: View, figures: list[Figure], joints: np.ndarray) -> np.ndarray:
    """Simulates a detector: `[t, 26, 3]` px and confidence of the points of Halpe-26.

    Errors drift, hidden joints have larger ones, and every point has an offset of its own.
    """
    rng = np.random.default_rng(SEED)
    points = np.array([one.landmarks for one in figures])
    depth = view.to_camera(points)[..., 2]
    seen = occlusion.visible(1000 * view.to_camera(joints)) == 1
    hidden = np.zeros(points.shape[:2], bool)
    for column, name in enumerate(HALPE26.joints):
        if name in HUMAN36M.joints:
            hidden[:, column] = ~seen[:, HUMAN36M.joints.index(name)]
    drift = gaussian_filter1d(rng.standard_normal((*hidden.shape, 2)), 0.08 * FPS, axis=0)
    drift /= drift.std()
    spread = np.where(hidden, HIDDEN_ERROR, ERROR)[..., None]
    error = spread * drift + DEFINITION * rng.standard_normal((1, *hidden.shape[1:], 2))
    error += 2 * rng.standard_normal(error.shape)  # and is new in every frame
    found = view.project(points) + error / 1000 * (view.focal / depth)[..., None]
    sure = np.where(hidden, 0.55, 0.92) + 0.04 * rng.standard_normal(hidden.shape)
    return np.concatenate([found, np.clip(sure, 0.05, 0.99)[..., None]], -1)


def write_alphapose(path: pathlib.Path, found: np.ndarray) -> None:
    """Writes detections as AlphaPose does: an entry for each person and frame."""
    entries = []
    for frame, pose in enumerate(found):
        low, high = pose[:, :2].min(0), pose[:, :2].max(0)
        digits = np.array([2, 2, 3])
        values = [round(float(v), int(d)) for row in pose for v, d in zip(row, digits, strict=True)]
        entries.append(
            {
                "image_id": f"{frame}.jpg",
                "category_id": 1,
                "keypoints": values,
                "score": round(float(pose[:, 2].sum()) / 8, 3),
                "box": [round(float(v), 1) for v in (*low, *(high - low))],
                "idx": 1,
            }
        )
    path.write_text(json.dumps(entries, separators=(",", ":")) + "\n", encoding="utf-8")


def write_truth(path: pathlib.Path, view: View, joints: np.ndarray) -> None:
    """Writes the true joints in the image, in camera axes and in the world, and the camera."""
    np.savez_compressed(
        path,
        keypoints_px=view.project(joints).round(2).astype(np.float32),
        joints_camera_mm=(1000 * view.to_camera(joints)).round(1).astype(np.float32),
        joints_mm=(1000 * joints).round(1).astype(np.float32),
        time_s=np.arange(len(joints)) / FPS,
        up_camera=view.rotation[:, 1],
        focal_px=view.focal,
        image_size=(view.width, view.height),
        joint_names=np.array(HUMAN36M.joints),
    )


def write_video(path: pathlib.Path, view: View, figures: list[Figure]) -> None:
    """Draws the frames and writes them as H.264."""
    import av

    background = room(view)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": "23", "preset": "veryslow", "threads": "1"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = view.width, view.height, "yuv420p"
        for number, one in enumerate(figures, 1):
            image = av.VideoFrame.from_ndarray(picture(view, one, background), format="rgb24")
            container.mux(stream.encode(image))
            print(f"\rframe {number} of {len(figures)}", end="", flush=True)
        container.mux(stream.encode())
    print()


def main() -> None:
    """Makes the files."""
    view = View()
    joints, face = walk()
    figures = [figure(*frame) for frame in zip(joints, face, strict=True)]
    write_truth(HERE / "walk_truth.npz", view, joints)
    write_alphapose(HERE / "walk_alphapose.json", detected(view, figures, joints))
    write_video(HERE / "walk.mp4", view, figures)


if __name__ == "__main__":
    main()
