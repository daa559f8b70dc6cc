"""The server of the live view, on the loopback interface."""

import http.client
import json
import re
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from repose_jax.lifting.camera import camera
from repose_jax.motion import live_page, live_server
from repose_jax.motion.live_server import LiveServer
from repose_jax.motion.motion import World

IMAGE = np.zeros((24, 32, 3), np.uint8)


def line(**changes) -> str:
    plain = {
        "time_s": 1.0,
        "image": IMAGE,
        "keypoints_px": None,
        "joints_mm": None,
        "confidence": np.zeros(17),
        "world": None,
        "latency_s": np.nan,
        "rate": 0.0,
        "dropped": 0,
    }
    return live_page.message(**{**plain, **changes})


def until(condition) -> None:
    stop = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < stop
        time.sleep(0.005)


def test_a_message_is_json_with_null_for_what_is_missing():
    points = np.full((17, 2), 5.0)
    points[3] = np.nan
    world = World(np.eye(3), np.zeros(3), "given")
    found = json.loads(
        line(keypoints_px=points, joints_mm=np.full((17, 3), 7.4), world=world, latency_s=0.2)
    )
    assert found["pixels"][2:4] == [[5.0, 5.0], None]
    assert found["joints"] == [7] * 51
    assert (found["latency"], found["dropped"]) == (0.2, 0)
    nobody = json.loads(line())
    assert [nobody[name] for name in ("pixels", "joints", "latency")] == [None] * 3


def test_the_page_is_one_file_that_may_load_nothing_else():
    with LiveServer() as server:
        server.page = live_page.page("camera </script>", camera((640, 480)))
        answer = urllib.request.urlopen(server.address)
        text = answer.read().decode()
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert answer.headers["Cache-Control"] == "no-store"
    assert text == server.page
    assert not re.search(r"\{\{|https?://|(?:src|href)=\"(?!data:)", text)
    assert "<title>camera &lt;/script&gt;: live</title>" in text


def event(stream) -> tuple[str, str]:
    """Reads the name and the data of a server-sent event, past comments."""
    name, data = "message", ""
    while (text := stream.readline().decode().rstrip("\n")) or not data:
        field, _, value = text.partition(": ")
        name, data = (value if field == "event" else name), (value if field == "data" else data)
    return name, data


def test_pages_receive_messages_and_the_reason_of_the_end():
    with LiveServer() as server:
        streams = [urllib.request.urlopen(server.address + "poses") for _ in range(2)]
        assert streams[0].headers["Content-Type"] == "text/event-stream"
        until(lambda: server.listeners == 2)
        for time_s in (1.0, 1.5):
            server.send(line(time_s=time_s))
            for stream in streams:
                name, data = event(stream)
                assert (name, json.loads(data)["time"]) == ("message", time_s)
        server.reason = 'camera 0: "out"\nat once'
    for stream in streams:
        name, data = event(stream)
        assert (name, json.loads(data)) == ("end", {"reason": server.reason})
        assert stream.read() == b""


def test_a_page_that_opens_later_or_reads_slowly_gets_the_newest_message():
    with LiveServer() as server:
        for number in range(5):
            server.send(str(number))
        stream = urllib.request.urlopen(server.address + "poses")
        assert event(stream) == ("message", "4")


def test_a_page_without_messages_is_kept_by_comments(monkeypatch):
    monkeypatch.setattr(live_server, "_SILENCE_S", 0.02)
    with LiveServer() as server:
        stream = urllib.request.urlopen(server.address + "poses")
        assert stream.readline() == b": nothing new\n"


def test_a_page_that_is_closed_does_no_harm():
    with LiveServer() as server:
        stream = urllib.request.urlopen(server.address + "poses")
        until(lambda: server.listeners == 1)
        stream.close()

        def gone():
            server.send(line())
            return server.listeners == 0

        until(gone)
        assert urllib.request.urlopen(server.address).status == 200


def test_other_names_of_this_computer_and_other_paths_are_refused():
    with LiveServer() as server:
        host = server.address.removeprefix("http://").rstrip("/")
        for path, name, status in (("/", "evil.test", 403), ("/a", "localhost", 404)):
            connection = http.client.HTTPConnection(host)
            connection.request("GET", path, headers={"Host": name})
            assert connection.getresponse().status == status
            connection.close()


def test_a_port_in_use_is_one_line():
    with LiveServer() as server:
        port = int(server.address.rstrip("/").rpartition(":")[2])
        with pytest.raises(ValueError, match=f"port {port}: not available"):
            LiveServer(port)
