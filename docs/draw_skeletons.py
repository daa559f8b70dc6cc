"""Writes docs/skeletons.md and its pictures from the tables in repose_jax/skeleton.py.

Run `python docs/draw_skeletons.py` after changing those tables.
"""

import textwrap
from pathlib import Path

from repose_jax.evaluation.pictures import draw_skeleton
from repose_jax.skeleton import MAPS, SKELETONS, Skeleton

DOCS = Path(__file__).parent

TITLES = {
    "human36m": "Human3.6M, 17 joints",
    "mpi_inf_3dhp": "MPI-INF-3DHP, 17 joints",
    "coco17": "COCO, 17 joints",
    "halpe26": "Halpe, 26 joints (AlphaPose)",
    "openpose_body25": "OpenPose BODY_25",
    "openpose_body25b": "OpenPose BODY_25B",
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
}

INTRODUCTION = """\
# Joint orders and the maps between them

Written by `python docs/draw_skeletons.py` from the tables in
[`repose_jax/skeleton.py`](../repose_jax/skeleton.py); do not edit.

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

- **head** from COCO and BODY_25 lies on the line from between the shoulders through between the
  ears, extended by 0.7 of its length. The middle of the eyes, often used instead, is far below the
  top of the head and moves with the face. It needs both ears: where one is not detected, its
  confidence is 0.
- **neck** is the nose in all detector formats. The joint of Human3.6M lies further back, inside
  the head.
- **thorax** is the midpoint of the shoulders, or for Halpe and BODY_25 the neck. BODY_25 defines
  its neck as that midpoint; Halpe's neck is higher.
- **spine** is the midpoint of thorax and pelvis, on a straight line where real backs bend.
- **pelvis** is the midpoint of the hips where the format has none. Halpe's own is higher.
- **hips** are placed by annotators of images; those of Human3.6M are centres of rotation.

A model that was trained with one 2D detector therefore loses some accuracy with another, unless it
is trained on keypoints converted in the same way.
"""


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
