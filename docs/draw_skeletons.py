"""Writes docs/skeletons.md and its pictures from the tables in repose_jax/skeleton/.

Run `python docs/draw_skeletons.py` after changing those tables.
"""

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from repose_jax.evaluation.panels import TEXT, side_colors
from repose_jax.skeleton import MAPS, SKELETONS, Skeleton

DOCS = Path(__file__).parent

TITLES = {
    "human36m": "Human3.6M, 17 joints",
    "mpi_inf_3dhp": "MPI-INF-3DHP, 17 joints",
    "coco17": "COCO, 17 joints",
    "halpe26": "Halpe, 26 joints (AlphaPose)",
    "openpose_body25": "OpenPose BODY_25",
    "openpose_body25b": "OpenPose BODY_25B",
    "openpose_coco18": "OpenPose COCO, 18 joints",
    "openpose_mpi15": "OpenPose MPI, 15 joints",
    "mpii16": "MPII, 16 joints",
    "blazepose33": "BlazePose, 33 landmarks (MediaPipe)",
}

NOTES = {
    "human36m": (
        "The order of the models and of all prepared data. `neck` lies at the height of the chin "
        "(other tables call it nose or neck/nose), `head` at the top of the head."
    ),
    "mpi_inf_3dhp": (
        "The order of the MPI-INF-3DHP protocol, a permutation of the one above: its `neck` is "
        "`thorax` there, its `head` is `neck`, its `head_top` is `head`."
    ),
    "coco17": "What most 2D detectors return. It has no pelvis, spine, neck or top of the head.",
    "halpe26": "COCO's joints, then head, neck, hip centre and feet.",
    "openpose_body25": "The neck is the midpoint of the shoulders. No top of the head.",
    "openpose_body25b": (
        "As many numbers as BODY_25 in another order, so a file does not show which of the two it "
        "contains. Its neck is above the shoulder line. No pelvis."
    ),
    "openpose_coco18": "COCO's joints in another order; the neck is the midpoint of the shoulders.",
    "openpose_mpi15": "No face. `chest` is the middle of the trunk.",
    "mpii16": "`neck` is the upper end of the neck, `thorax` its lower one. No face.",
    "blazepose33": "The landmarks of MediaPipe. No pelvis, neck or top of the head.",
}

INTRODUCTION = """\
# Joint orders and the maps between them

Written by `python docs/draw_skeletons.py` from the tables in
[`repose_jax/skeleton/`](../repose_jax/skeleton/); do not edit.

The person in the pictures faces you: **blue is the person's left side**, orange the right.
Joints are numbered from 0. A parent of – starts a tree; in the formats of 2D detectors the tree
only defines which joints a drawing connects.
"""

MAPS_INTRODUCTION = """\
## Maps

`convert(points, source, target)` computes every target joint from source joints, in any linear
frame (pixels, normalised, camera space). `convert_confidence` gives it the least confidence of
these joints, so it is absent as soon as one of them is.

Where the target joint is not among the source joints, it is an estimate with a bias:

- **head** from COCO, BODY_25 and BlazePose lies on the line from between the shoulders
  through between the ears, extended by 0.7 of its length. The middle of the eyes, often used
  instead, is far below the top of the head and moves with the face. It needs both ears: where one
  is not detected, its confidence is 0.
- **neck** is the nose in all detector formats that have one. The joint of Human3.6M lies further
  back, inside the head. MPII has an upper end of the neck; OpenPose's MPI neither, there it is the
  middle of thorax and head. [Measured](accuracy.md#a-real-recording), the nose serves the shipped
  weights as well as that middle, and a missing neck somewhat worse.
- **thorax** is the midpoint of the shoulders, or for Halpe and BODY_25 the neck. BODY_25 defines
  its neck as that midpoint; Halpe's neck is higher, as is MPII's thorax.
- **spine** is the midpoint of thorax and pelvis, on a straight line where real backs bend.
- **pelvis** is the midpoint of the hips where the format has none. Halpe's own is higher.
- **hips** are placed by annotators of images; those of Human3.6M are centres of rotation.

A model that was trained with one 2D detector therefore loses some accuracy with another, unless it
is trained on keypoints converted in the same way.
"""


def draw_skeleton(skeleton: Skeleton) -> Figure:
    """Draws a joint order: a person who faces us, numbered joints and their names."""
    places = np.array([_place(skeleton, joint) for joint in skeleton.joints])
    figure = Figure(figsize=(6.6, 6.0), dpi=100, facecolor="white")
    axes = figure.add_axes((0.01, 0.01, 0.62, 0.98))
    axes.set(aspect="equal", xlim=(-3.3, 3.3), ylim=(-5.6, 5.1))
    axes.axis("off")
    colors = side_colors(skeleton)
    for parent, child in skeleton.bones:
        axes.plot(
            *places[[parent, child]].T, color=colors[child], lw=5, solid_capstyle="round", zorder=1
        )
    axes.scatter(*places.T, s=190, c=colors, edgecolors="white", linewidths=1.5, zorder=2)
    for number, (x, y) in enumerate(places):
        axes.text(
            x, y - 0.015, str(number), color="white", fontsize=8, weight="bold", zorder=3,
            ha="center", va="center",
        )  # fmt: skip
    heights = 0.93 - np.arange(skeleton.size) * min(0.045, 0.88 / skeleton.size)
    figure.text(0.64, 0.965, skeleton.name, color=TEXT, fontsize=13, weight="bold", va="center")
    for number, (joint, color, y) in enumerate(zip(skeleton.joints, colors, heights, strict=True)):
        figure.text(
            0.675, y - 0.01, str(number), color=color, fontsize=10, weight="bold",
            ha="right", va="center",
        )  # fmt: skip
        figure.text(0.69, y - 0.01, joint, color=color, fontsize=10, va="center")
    return figure


# Where a drawing puts the joints of a person who faces us: (x, y), left side at x > 0.
_PLACES = {
    "pelvis": (0.0, 0.0),
    "hip": (0.62, -0.12),
    "knee": (0.78, -2.2),
    "ankle": (0.88, -4.2),
    "heel": (0.55, -4.75),
    "big_toe": (1.02, -5.2),
    "small_toe": (1.58, -4.95),
    "spine": (0.0, 1.25),
    "thorax": (0.0, 2.5),
    "neck": (0.0, 2.55),
    "shoulder": (1.0, 2.4),
    "elbow": (1.95, 1.1),
    "wrist": (2.65, -0.35),
    "nose": (0.0, 3.45),
    "eye": (0.42, 3.9),
    "ear": (0.98, 3.7),
    "head": (0.0, 3.5),
    "head_top": (0.0, 4.65),
    "chest": (0.0, 1.25),
    "pinky": (2.98, -0.95),
    "index": (2.62, -1.15),
    "thumb": (2.22, -0.75),
    "foot_index": (1.3, -5.2),
}
# "neck" and "head" are higher in Human3.6M than elsewhere; BlazePose has more joints in the face.
_OWN_PLACES = {
    ("human36m", "neck"): (0.0, 3.4),
    ("human36m", "head"): (0.0, 4.4),
    ("mpii16", "neck"): (0.0, 3.3),
    ("blazepose33", "eye_inner"): (0.32, 4.0),
    ("blazepose33", "eye"): (0.7, 4.15),
    ("blazepose33", "eye_outer"): (1.08, 4.05),
    ("blazepose33", "ear"): (1.42, 3.7),
    ("blazepose33", "mouth"): (0.36, 3.0),
}


def _place(skeleton: Skeleton, joint: str) -> tuple[float, float]:
    part = joint.removeprefix("left_").removeprefix("right_")
    x, y = _OWN_PLACES.get((skeleton.name, part)) or _PLACES[part]
    return (-x, y) if joint.startswith("right_") else (x, y)


def page() -> str:
    """Returns the text of docs/skeletons.md."""
    parts = [INTRODUCTION, *(_section(skeleton) for skeleton in SKELETONS.values())]
    return "\n".join([*parts, MAPS_INTRODUCTION, *(_map(*pair) for pair in MAPS)])


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _section(skeleton: Skeleton) -> str:
    name = skeleton.name
    rows = [
        (str(number), f"`{joint}`", "–" if parent < 0 else f"{parent} `{skeleton.joints[parent]}`")
        for number, (joint, parent) in enumerate(
            zip(skeleton.joints, skeleton.parents, strict=True)
        )
    ]
    root = "none" if skeleton.root < 0 else f"{skeleton.root}"
    return f"""\
## {TITLES[name]}

{textwrap.fill(f"`{name}`: {NOTES[name]}", 100)}

![Joint order {name}](images/skeleton_{name}.png)

{_table(("index", "joint", "parent"), rows)}

Left: {_numbers(skeleton.left)}.
Right, in the same order: {_numbers(skeleton.right)}. Root: {root}.
"""


def _numbers(values: tuple[int, ...]) -> str:
    return ", ".join(map(str, values))


def _map(source: str, target: str) -> str:
    sources, recipes = SKELETONS[source].joints, MAPS[source, target]

    def term(joint: str, weight: float) -> str:
        factor = "" if weight == 1 else f"{weight:g} · "
        return f"{factor}{sources.index(joint)} `{joint}`".replace("-", "−")

    rows = [
        (f"{number} `{joint}`", " + ".join(term(*part) for part in recipes[joint]))
        for number, joint in enumerate(SKELETONS[target].joints)
    ]
    return f"### {source} → {target}\n\n{_table((target, source), rows)}\n"


def main():
    """Writes the page and a picture of every skeleton."""
    (DOCS / "images").mkdir(exist_ok=True)
    for name, skeleton in SKELETONS.items():
        draw_skeleton(skeleton).savefig(DOCS / "images" / f"skeleton_{name}.png", dpi=100)
    (DOCS / "skeletons.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
