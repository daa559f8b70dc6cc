"""Weights come from a folder, the cache or a download, and are checked."""

import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile

import pytest

from repose_jax.detectors import weights
from repose_jax.detectors.weights import Source

GOOD, OTHER = b"the weights" * 100, b"other weights" * 100


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("REPOSE_WEIGHTS", str(folder))
    monkeypatch.setattr(weights, "FILES", {"a.tflite": (sha256(GOOD),), "b": (sha256(OTHER),)})
    monkeypatch.setattr(weights, "SOURCES", ())
    return folder


@pytest.fixture
def server():
    """A local server of `files`, by their paths; other paths are not found."""
    files = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", files
        running.shutdown()
        thread.join()


@pytest.fixture
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def zipped(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, content in members.items():
            opened.writestr(f"folder/{name}", content)
    return stream.getvalue()


def test_the_named_folder_comes_before_the_cache(cache, tmp_path):
    for folder in (cache, tmp_path / "named"):
        folder.mkdir()
        (folder / "a.tflite").write_bytes(GOOD)
    assert weights.locate("a.tflite") == cache / "a.tflite"
    assert weights.locate("a.tflite", tmp_path / "named") == tmp_path / "named" / "a.tflite"
    (tmp_path / "named" / "a.tflite").unlink()
    assert weights.locate("a.tflite", tmp_path / "named") == cache / "a.tflite"


def test_any_set_of_the_named_folder_comes_before_the_cache(cache, tmp_path):
    cache.mkdir()
    (cache / "a.tflite").write_bytes(GOOD)
    (tmp_path / "b").write_bytes(OTHER)
    assert weights.locate_any([["a.tflite"], ["b"]], tmp_path) == [tmp_path / "b"]
    assert weights.locate_any([["a.tflite"], ["b"]]) == [cache / "a.tflite"]


def test_the_cache_is_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("REPOSE_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights.cache_dir() == tmp_path / "repose_jax" / "detectors"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.cache_dir() == tmp_path / ".cache" / "repose_jax" / "detectors"


def test_a_damaged_file_of_the_named_folder_is_an_error(cache, tmp_path):
    (tmp_path / "a.tflite").write_bytes(GOOD[:-1])
    with pytest.raises(ValueError, match=r"a\.tflite: damaged, or another release: its SHA-256"):
        weights.locate("a.tflite", tmp_path)


def test_a_missing_folder_is_an_error(cache, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder of weights"):
        weights.locate("a.tflite", tmp_path / "none")


def test_a_file_is_fetched_once(cache, server, no_proxy, monkeypatch):
    url, files = server
    files["/a"] = GOOD
    monkeypatch.setattr(weights, "SOURCES", (Source("url", f"{url}/a", {"a.tflite": ""}),))
    assert weights.locate("a.tflite").read_bytes() == GOOD
    files.clear()
    assert weights.locate("a.tflite") == cache / "a.tflite"
    assert [path.name for path in cache.iterdir()] == ["a.tflite"]  # nothing is left over


@pytest.mark.parametrize("reason", ["not writable", "a file", "no home"])
def test_without_a_cache_the_files_are_fetched_for_this_once(
    reason, cache, server, no_proxy, monkeypatch, capsys
):
    if reason == "not writable":
        monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    elif reason == "a file":
        cache.touch()
    else:
        for name in ("REPOSE_WEIGHTS", "XDG_CACHE_HOME", "HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    url, files = server
    files["/a"] = GOOD
    sources = tuple(Source("url", f"{url}/{name}", {"a.tflite": ""}) for name in "ba")
    monkeypatch.setattr(weights, "SOURCES", sources)
    found = weights.locate("a.tflite")
    assert found.read_bytes() == GOOD
    assert found.parent != cache
    warning, *fetching = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: the detector's weights are not kept (")
    assert all(line.startswith("Fetching") for line in fetching)


def test_a_damaged_file_of_the_cache_is_fetched_again(cache, server, no_proxy, monkeypatch):
    url, files = server
    files["/a"] = GOOD
    cache.mkdir()
    (cache / "a.tflite").write_bytes(GOOD[:50])
    monkeypatch.setattr(weights, "SOURCES", (Source("url", f"{url}/a", {"a.tflite": ""}),))
    assert weights.locate("a.tflite").read_bytes() == GOOD


def test_files_come_out_of_one_archive(cache, server, no_proxy, monkeypatch):
    url, files = server
    files["/z"] = zipped(a=GOOD, b=OTHER)
    source = Source("url", f"{url}/z", {"a.tflite": "folder/a", "b": "folder/b"})
    monkeypatch.setattr(weights, "SOURCES", (source,))
    paths = weights.locate_any([["c"], ["a.tflite", "b"]])
    assert [path.read_bytes() for path in paths] == [GOOD, OTHER]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (zipped(a=OTHER), f"the SHA-256 {sha256(OTHER)}"),
        (zipped(other=GOOD), "the download holds 0 files folder/a"),
        (zipped(a=GOOD)[:100], "the download is not a whole archive"),
        (zipped(a=GOOD).replace(GOOD, b"x" * len(GOOD), 1), "the download is not a whole archive"),
        (None, "404"),
    ],
    ids=["other", "without", "truncated", "changed", "missing"],
)
def test_what_is_not_the_file_is_not_kept(cache, server, no_proxy, monkeypatch, content, reason):
    url, files = server
    files["/z"] = content
    monkeypatch.setattr(weights, "SOURCES", (Source("url", f"{url}/z", {"a.tflite": "folder/a"}),))
    with pytest.raises(FileNotFoundError, match="The detector needs a.tflite") as error:
        weights.locate("a.tflite")
    message = str(error.value)
    assert "\n" not in message
    for part in (reason, f"{url}/z", str(cache), "--detector-weights"):
        assert part in message
    assert list(cache.iterdir()) == []


def test_the_next_source_is_tried(cache, server, no_proxy, monkeypatch):
    url, files = server
    files["/second"] = GOOD
    sources = [Source("url", f"{url}/{name}", {"a.tflite": ""}) for name in ("first", "second")]
    monkeypatch.setattr(weights, "SOURCES", tuple(sources))
    assert weights.locate("a.tflite").read_bytes() == GOOD


def test_without_any_source_the_error_says_so(cache):
    with pytest.raises(FileNotFoundError, match="no download is known"):
        weights.locate("b")


def test_npm_brings_a_package(cache, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "pose.tgz", "w:gz") as opened:
        member = tarfile.TarInfo("package/a")
        member.size = len(GOOD)
        opened.addfile(member, io.BytesIO(GOOD))
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f'#!/bin/sh\n[ "$3" = "pose@1" ] && cp {tmp_path}/pose.tgz .\n')
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    source = Source("npm", "pose@1", {"a.tflite": "package/a"})
    monkeypatch.setattr(weights, "SOURCES", (source,))
    assert weights.locate("a.tflite").read_bytes() == GOOD


def test_without_npm_the_error_says_so(cache, monkeypatch):
    monkeypatch.setattr(weights.shutil, "which", lambda name: None)
    source = Source("npm", "pose@1", {"a.tflite": "package/a"})
    monkeypatch.setattr(weights, "SOURCES", (source,))
    with pytest.raises(FileNotFoundError, match=r"npm pack pose@1 \(npm is not installed\)"):
        weights.locate("a.tflite")


def test_every_known_file_has_a_source_and_a_sum():
    fetched = {name for source in weights.SOURCES for name in source.members}
    assert fetched == set(weights.FILES)
    for sums in weights.FILES.values():
        assert all(len(value) == 64 and int(value, 16) for value in sums)
