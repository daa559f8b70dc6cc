"""Optional packages, each in an extra of the distribution."""

import importlib
from types import ModuleType


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Imports a module of an optional package.

    Args:
        module: its name, such as "cv2".
        extra: the extra that installs it, such as "video".
        purpose: what needs it, the subject of a sentence: "Reading a video".

    Raises:
        ImportError: it is not installed; names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package of {module!r}, which cannot be imported ({error}); "
            f'install it with: pip install "repose-jax[{extra}]"'
        ) from error
