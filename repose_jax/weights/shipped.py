"""The weights that ship with this package, by name; each file is checked by its SHA-256."""

import dataclasses
import hashlib
import pathlib

from repose_jax.runtime.names import unknown

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Shipped:
    """A file of weights in this folder.

    Attributes:
        file: its name.
        sha256: the hash of its bytes.
    """

    file: str
    sha256: str


SHIPPED: dict[str, Shipped] = {
    "repose_lift": Shipped(
        "repose_lift.safetensors",
        "20b40d6be76f622a17a7919925101a1616fd3eb1485577bba5b824841eeb11a9",
    ),
}
"""Name to file; the first is the default."""


def find(name: str | None = None) -> pathlib.Path:
    """Returns the file of shipped weights, after a check of its bytes.

    Args:
        name: a key of `SHIPPED`; None for the first.

    Raises:
        ValueError: an unknown name, or the file is not the one that was shipped.
        FileNotFoundError: the file is missing.
    """
    if name is None:
        name = next(iter(SHIPPED), None)
    if name is None:
        raise ValueError("This version ships no weights; give a workdir or a .safetensors file.")
    if name not in SHIPPED:
        raise ValueError(unknown("shipped model", name, SHIPPED))
    shipped = SHIPPED[name]
    path = FOLDER / shipped.file
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; install repose_jax again.")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != shipped.sha256:
        raise ValueError(
            f"{path} is not the file that was shipped (SHA-256 {found[:12]}..., expected "
            f"{shipped.sha256[:12]}...); install repose_jax again."
        )
    return path
