"""Writes the address of the repository into the README and the notebook, once it has one.

    python docs/set_repository.py https://github.com/OWNER/NAME

The badges then open the notebook in Colab, and the notebook clones the repository. Until then they
open Colab's own browser of GitHub, which asks for the address.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parents[1]
NOTEBOOK = "notebooks/repose_colab.ipynb"
COLAB = "https://colab.research.google.com/github"
BADGE = r"(\(https://colab\.research\.google\.com/assets/colab-badge\.svg\)\]\()[^)]*\)"


def set_repository(root: pathlib.Path, address: str) -> None:
    """Changes the files below `root`; another address may have been set before.

    Raises:
        ValueError: the address is not that of a repository on GitHub.
    """
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    if found is None:
        raise ValueError(f"{address!r} is not like https://github.com/OWNER/NAME.")
    address = f"https://github.com/{found[1]}"
    colab = f"{COLAB}/{found[1]}/blob/main/{NOTEBOOK}"
    clone = r"git clone \S+ repose_jax([^#\n]*?)(?: +#.*)?\n"
    setting = r'(REPOSITORY = )\\"[^"]*\\"'
    for name, change in (
        ("README.md", (clone, rf"git clone {address} repose_jax\1\n")),
        (NOTEBOOK, (setting, rf'\1\\"{address}\\"')),
    ):
        path = root / name
        text = path.read_text(encoding="utf-8")
        for pattern, new in (change, (BADGE, rf"\g<1>{colab})")):
            text, count = re.subn(pattern, new, text)
            if count != 1:
                raise ValueError(f"{name} has {count} places like {pattern}; expected one.")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    set_repository(ROOT, *sys.argv[1:])
