"""The page of a motion in a notebook and in a browser."""

import html
import pathlib
import re
import types
import urllib.parse
import warnings

from small_motion import small_motion

from repose_jax.motion import page, show

MOTION = small_motion(people=1, frames=5)


def test_the_frame_holds_the_page():
    (source,) = re.findall(r'srcdoc="([^"]*)"', show.html(MOTION))
    assert html.unescape(source) == page.page(MOTION)


def test_displays_the_frame_in_a_notebook(monkeypatch):
    shown = []
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: shell)
    monkeypatch.setattr("IPython.display.display", shown.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        show.show(MOTION)
    assert [display.data for display in shown] == [show.html(MOTION)]


def test_opens_the_browser_elsewhere(monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    show.show(MOTION)
    (address,) = opened
    path = pathlib.Path(urllib.parse.unquote(urllib.parse.urlparse(address).path))
    assert path.read_text(encoding="utf-8") == page.page(MOTION)
    assert capsys.readouterr().out.strip() == address
