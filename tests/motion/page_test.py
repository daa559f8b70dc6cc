"""The page that plays a motion: what it embeds, and that a browser runs it without an error."""

import base64
import dataclasses
import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
from small_motion import small_motion, with_hypotheses

from repose_jax.motion import page, show
from repose_jax.motion.motion import SEEN

MOTION = small_motion(people=2, frames=40)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Scripts(html.parser.HTMLParser):
    """The scripts of a page by id, cut out as a browser does."""

    def __init__(self, text):
        super().__init__()
        self.found, self.title, self._into = {}, "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self._into = dict(attrs).get("id", "") if tag == "script" else tag

    def handle_data(self, data):
        if self._into == "title":
            self.title += data
        elif self.lasttag == "script" and self._into is not None:
            self.found[self._into] = self.found.get(self._into, "") + data

    def handle_endtag(self, tag):
        self._into = None


def embedded(text):
    return json.loads(Scripts(text).found["motion"])


def array(text, dtype, *shape):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def status(person):
    packed = array(person["status"], np.uint8, person["count"], 5)
    return (packed[..., None] >> np.array([0, 2, 4, 6]) & 3).reshape(-1, 20)[:, :17]


def test_embeds_positions_to_a_tenth_of_a_millimetre_and_pixels_to_a_tenth():
    data = embedded(page.page(MOTION))
    np.testing.assert_allclose(array(data["times"], "<i4", -1) / 1e4, MOTION.time_s, atol=1e-4)
    for person, found in zip(MOTION.people, data["people"], strict=True):
        assert (found["number"], found["first"]) == (person.number, person.frame[0])
        joints = array(found["joints"], "<i2", found["count"], 17, 3)
        placed = found["origin"] + found["unit"] * joints.astype(float)
        np.testing.assert_allclose(placed, person.joints_mm, atol=0.06)
        np.testing.assert_array_equal(status(found), person.status)
        pixels = array(found["pixels"], "<i2", found["count"], 17, 2)
        seen = person.status == SEEN
        assert (pixels[~seen] == -32768).all()
        expected = person.keypoints_px[seen, :2]
        np.testing.assert_allclose(pixels[seen] * data["pixel"], expected, atol=0.1)


def test_keeps_positions_that_do_not_fit_millimetres_and_pixels_far_outside():
    person = MOTION.people[0]
    walked = np.linspace(0, 500_000, len(person.frame))[:, None, None]
    far = dataclasses.replace(
        person, joints_mm=person.joints_mm + walked, keypoints_px=person.keypoints_px * 100
    )
    data = embedded(page.page(dataclasses.replace(MOTION, people=(far,))))
    (found,) = data["people"]
    joints = array(found["joints"], "<i2", found["count"], 17, 3)
    placed = found["origin"] + found["unit"] * joints.astype(float)
    np.testing.assert_allclose(placed, far.joints_mm, atol=5)


def test_embeds_hypotheses_like_positions():
    motion = with_hypotheses(MOTION)
    for person, found in zip(motion.people, embedded(page.page(motion))["people"], strict=True):
        for name, expected in (
            ("joints", person.joints_mm[:, None]),
            ("hypotheses", motion.world.hypotheses(person, np.arange(len(person.frame)))),
        ):
            joints = array(found[name], "<i2", *expected.shape)
            placed = found["origin"] + found["unit"] * joints.astype(float)
            np.testing.assert_allclose(placed, expected, atol=0.06)


def test_hypotheses_count_as_poses_of_a_motion_too_long(monkeypatch):
    monkeypatch.setattr(page, "MAX_POSES", 80)
    assert embedded(page.page(MOTION))["step"] == 1
    assert embedded(page.page(with_hypotheses(MOTION)))["step"] == 4


def test_shows_every_second_frame_of_a_motion_too_long(monkeypatch):
    monkeypatch.setattr(page, "MAX_POSES", 50)
    data = embedded(page.page(MOTION))
    assert data["step"] == 2
    assert "one frame of 2" in data["notes"][0]
    times = array(data["times"], "<i4", -1) / 1e4
    np.testing.assert_allclose(times, MOTION.time_s[::2], atol=1e-4)
    for person, found in zip(MOTION.people, data["people"], strict=True):
        shown = 2 * (found["first"] + np.arange(found["count"]))
        np.testing.assert_array_equal(shown, person.frame[person.frame % 2 == 0])


def test_no_text_can_end_the_script_or_become_markup():
    bad = "</script><script>alert(1)</script><!--{{script}}"
    motion = dataclasses.replace(
        MOTION, name=bad, format=bad, warnings=(bad,), settings={bad: bad, "none": None}
    )
    text = page.page(motion, ["person_1.bvh", f"{bad}.csv"])
    scripts = Scripts(text)
    assert len(scripts.found) == 2
    assert scripts.title == f"{bad}: motion in 3D"
    data = embedded(text)
    assert (data["name"], data["warnings"], data["settings"][0]) == (bad, [bad], [bad, bad])


def test_links_the_files_beside_it_by_person():
    files = ["person_1.bvh", "person_1_angles.csv", "person_12.npz", "preview.mp4", "a b#?.csv"]
    groups = dict(embedded(page.page(MOTION, files))["files"])
    assert [link[:2] for link in groups["Person 1"]] == [
        ["bvh", "./person_1.bvh"],
        ["angles.csv", "./person_1_angles.csv"],
    ]
    assert groups["Person 12"][0][0] == "npz"
    assert [link[1] for link in groups["All"]] == ["./preview.mp4", "./a%20b%23%3F.csv"]


def test_is_one_file_that_needs_no_network():
    text = page.page(MOTION)
    assert "{{" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert not re.search(r"https?://|\bimport\b|\bfetch\(", text)


@pytest.mark.parametrize("people", [0, 1])
def test_writes_a_motion_of_few_or_none(people, tmp_path):
    path = tmp_path / "index.html"
    motion = small_motion(people, frames=1)
    page.write(path, motion)
    assert len(embedded(path.read_text(encoding="utf-8"))["people"]) == people


def browse(address: str, folder: pathlib.Path) -> tuple[str, str]:
    """Returns the document that a browser made of a page, and what it logged."""
    assert CHROMIUM is not None
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    options += " --disable-background-networking --disable-component-update --enable-logging=stderr"
    done = subprocess.run(
        [
            *(CHROMIUM, *options.split(), f"--user-data-dir={folder / 'profile'}"),
            *("--window-size=900,600", "--virtual-time-budget=1500", "--dump-dom", address),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout, "\n".join(x for x in done.stderr.splitlines() if "CONSOLE" in x)


USE = """<script>
const pressed = " ArrowRight ArrowLeft Home ] 0 1 2 3 4 a d w s + - f f g p c i t h End".split(" ");
for (const key of pressed.map(key => key || " ")) {
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  draw();
}
const canvas = document.getElementById("scene");
canvas.setPointerCapture = () => {};
const point = (type, pointerId, clientX, more) => canvas.dispatchEvent(
  new PointerEvent(type, { pointerId, clientX, clientY: 200, bubbles: true, ...more }));
const yaw = view.yaw, distance = view.distance;
point("pointerdown", 1, 100); point("pointermove", 1, 150); draw();
const turned = view.yaw !== yaw;
point("pointerdown", 2, 300); point("pointermove", 2, 400); draw();
const nearer = view.distance < distance;
point("pointerup", 1, 150); point("pointerup", 2, 400);
point("pointerdown", 1, 100); point("pointermove", 1, 150, { shiftKey: true }); draw();
canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: 100 })); draw();
for (const control of document.querySelectorAll("button, input[type=checkbox]")) {
  control.click();
  draw();
}
const started = performance.now();
for (let i = 0; i < 20; i++) { seek(i); draw(); }
console.assert(times.length < 2 || (turned && nearer), "gestures");
document.body.append(`used ${Math.round((performance.now() - started) / 20)} ms`);
</script>"""


@pytest.mark.outside
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("people", [0, 1, 2])
@pytest.mark.parametrize("view", ["free", "top", "camera"])
def test_a_browser_runs_it_without_an_error(people, view, tmp_path):
    path = tmp_path / "index.html"
    motion = small_motion(people, frames=31 if people else 1)
    page.write(path, dataclasses.replace(motion, name="</script>"), ["person_1.bvh"])
    document, log = browse(f"{path.as_uri()}#t=0.5&view={view}&camera=1&theme=dark", tmp_path)
    assert log == ""
    assert '<h1 id="name">&lt;/script&gt;</h1>' in document
    assert document.count('class="person"') == people
    if people:
        assert "frame 15" in document


@pytest.mark.outside
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("motion", [MOTION, with_hypotheses(small_motion(1))])
def test_hypotheses_can_be_hidden_where_there_are_some(motion, tmp_path):
    path = tmp_path / "index.html"
    page.write(path, motion)
    some = motion.people[0].hypotheses_mm is not None
    document, log = browse(f"{path.as_uri()}#t=0.5", tmp_path)
    assert log == ""
    assert ('data-option="hypotheses"' in document) == some


@pytest.mark.outside
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("people", [0, 1, 2])
def test_every_key_control_and_gesture_works_without_an_error(people, tmp_path):
    path = tmp_path / "index.html"
    text = page.page(with_hypotheses(small_motion(people, frames=31)), ["person_1.bvh"])
    path.write_text(text.replace("</body>", f"{USE}</body>"), encoding="utf-8")
    document, log = browse(path.as_uri(), tmp_path)
    assert log == ""
    assert re.search(r"used \d+ ms", document)


@pytest.mark.outside
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_runs_in_the_frame_of_a_notebook(tmp_path):
    path = tmp_path / "cell.html"
    path.write_text(show.html(small_motion(people=2, frames=31)), encoding="utf-8")
    _, log = browse(path.as_uri(), tmp_path)
    assert log == ""
