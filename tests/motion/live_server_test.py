"""The server of the live view, on the loopback interface."""

import http.client
import json
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from repose_jax.lifting.camera import camera
from repose_jax.motion import live_page
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
    assert found["latency"] == 0.2
    nobody = json.loads(line())
    assert [nobody[name] for name in ("pixels", "joints", "latency")] == [None] * 3


def test_pages_receive_messages_and_the_end():
    with LiveServer() as server:
        server.page = live_page.page("camera </script>", camera((640, 480)))
        text = urllib.request.urlopen(server.address).read().decode()
        assert text == server.page
        assert "{{" not in text
        assert "http://" not in text
        stream = urllib.request.urlopen(server.address + "poses")
        until(lambda: server.listeners == 1)
        server.send(line())
        assert json.loads(stream.readline().removeprefix(b"data: "))["time"] == 1.0
    assert b"event: end" in stream.read()


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
