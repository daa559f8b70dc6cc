"""The page of a motion in a notebook or in a browser."""

import html as html_lib
import pathlib
import tempfile
import webbrowser

from repose_jax.motion import page
from repose_jax.motion.motion import Motion


def html(motion: Motion, *, height: int = 640) -> str:
    """Returns the page of a motion in a frame of its own, for the output of a notebook.

    Args:
        motion: the people.
        height: of the frame, px; it is as wide as the output.
    """
    source = html_lib.escape(page.page(motion), quote=True)
    style = "width: 100%; border: 1px solid #8884; border-radius: 8px"
    frame = f'<iframe srcdoc="{source}" height="{height}" style="{style}"></iframe>'
    return f"<div>{frame}</div>"  # IPython warns of a bare frame


def show(motion: Motion) -> None:
    """Displays the page of a motion: in a notebook below the cell, elsewhere in the browser.

    Outside of a notebook the page is a file in a temporary folder, and its address is printed.
    """
    if _in_notebook():
        from IPython.display import HTML, display

        display(HTML(html(motion)))
        return
    path = pathlib.Path(tempfile.mkdtemp(prefix="repose-")) / "index.html"
    page.write(path, motion)
    print(path.as_uri())
    webbrowser.open(path.as_uri())


def _in_notebook() -> bool:
    """Returns whether the output of this process is that of a notebook's cell."""
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    # A terminal has a shell too, but no kernel to send pages to.
    return shell is not None and hasattr(shell, "kernel")
