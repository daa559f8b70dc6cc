// Playback, gestures, keys and the panel.

const $ = id => document.getElementById(id);
const scene = $("scene");
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const state = { time: times[0], frame: 0, playing: false, speed: 1, follow: null, dirty: true };
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const redraw = () => { state.dirty = true; };
const DRAG = 0.008; // radians per px

// ---- time ----
const clockText = seconds => {
  const whole = Math.max(0, seconds) + 5e-3, minutes = Math.floor(whole / 60);
  return `${minutes}:${(whole % 60).toFixed(3).slice(0, -1).padStart(5, "0")}`;
};
function seek(frame) {
  state.frame = clamp(frame, 0, frames - 1);
  state.time = times[state.frame];
  redraw();
}
function play(on) {
  if (frames < 2) on = false;
  if (on && state.frame >= frames - 1) seek(0);
  state.playing = on;
  if (!on) seek(frameAt(state.time));
  $("play").setAttribute("aria-label", on ? "Pause" : "Play");
  $("sign").setAttribute("d", on ? "M8 5v14M16 5v14" : "M8 5v14l11-7z");
  $("sign").setAttribute("stroke-width", on ? "4" : "2");
}
function advance(seconds) {
  state.time += seconds * state.speed;
  if (state.time >= times[frames - 1]) {
    state.time = show.repeat ? times[0] : times[frames - 1];
    if (!show.repeat) play(false);
  }
  state.frame = frameAt(state.time);
  redraw();
}
function changeSpeed(step) {
  const list = $("speed");
  list.selectedIndex = clamp(list.selectedIndex + step, 0, list.options.length - 1);
  state.speed = Number(list.value);
}

// ---- point of view ----
function lookFrom(name) {
  view.name = name;
  if (name !== "camera") {
    [view.yaw, view.pitch] = ANGLES[name];
    frameAll();
  }
  press(name);
  redraw();
}
function press(name) {
  for (const button of $("views").children) {
    button.setAttribute("aria-pressed", button.dataset.view === name);
  }
}
/** Shows all of the motion; or the person who is followed. */
function frameAll() {
  const { clientWidth: width, clientHeight: height } = scene;
  const person = state.follow;
  const frame = person && clamp(state.frame, person.first, person.first + person.count - 1);
  const box = person ? bounds(person, frame) : bounds();
  if (person) {
    for (const axis of [0, 2]) {
      box[0][axis] -= 300;
      box[1][axis] += 300;
    }
  }
  Object.assign(view, fitted(box, view.yaw, view.pitch, width, height));
}
/** Leaves a fixed view for the free one, from where it stands. */
function free() {
  if (view.name === "camera") {
    const box = bounds(null, state.frame), middle = box[0].map((x, i) => (x + box[1][i]) / 2);
    const ahead = video.ahead;
    view.distance = Math.max(1000, dot(ahead, middle.map((x, i) => x - video.eye[i])));
    view.target = video.eye.map((x, i) => x + view.distance * ahead[i]);
    view.yaw = Math.atan2(-ahead[0], -ahead[2]);
    view.pitch = Math.asin(clamp(-ahead[1], -1, 1));
  }
  view.name = "free";
  press("free");
}
function rotate(dx, dy) {
  free();
  view.yaw -= dx * DRAG;
  view.pitch = clamp(view.pitch + dy * DRAG, -0.35, Math.PI / 2);
  redraw();
}
function move(dx, dy) {
  if (view.name === "camera") free();
  const eye = lens(scene.clientWidth, scene.clientHeight);
  const scale = view.distance / eye.focal;
  view.target = view.target.map((x, i) => x - scale * (dx * eye.right[i] - dy * eye.up[i]));
  redraw();
}
function zoom(factor) {
  if (view.name === "camera") free();
  view.distance = clamp(view.distance * factor, 600, 3e5);
  redraw();
}
function follow(person) {
  state.follow = person;
  for (const button of document.querySelectorAll("[data-follow]")) {
    button.setAttribute("aria-pressed", Boolean(person) && Number(button.dataset.follow) === person.number);
  }
  if (person && view.name === "camera") free();
  frameAll();
  redraw();
}
/** Moves the target with the person who is followed; smooth against jitter. */
function track(seconds) {
  const person = state.follow;
  if (!person || !person.present || view.name === "camera") return;
  const share = state.playing ? 1 - Math.exp(-seconds * Math.max(state.speed, 1) * 6) : 1;
  const height = view.target[1];
  view.target = view.target.map((x, i) => x + share * (person.now[3 * motion.root + i] - x));
  view.target[1] = height;
}

// ---- drawing ----
function draw() {
  const { clientWidth: width, clientHeight: height } = scene;
  if (!width || !height) return;
  const after = times[Math.min(state.frame + 1, frames - 1)], before = times[state.frame];
  const fraction = after > before ? (state.time - before) / (after - before) : 0;
  for (const person of people) place(person, state.frame, fraction);
  track(1 / 60);
  const ctx = sized(scene, width, height), eye = lens(width, height);
  background(ctx, width, height);
  const centre = view.name === "camera"
    ? video.eye.map((x, i) => x + 4000 * video.ahead[i]) : view.target;
  if (show.grid) floor(ctx, eye, centre, Math.max(4000, view.distance * 1.5));
  if (show.paths) people.filter(person => person.visible).forEach(person => walked(ctx, eye, person, state.frame));
  if (show.camera && view.name !== "camera") frustum(ctx, eye);
  if (show.grid) shadows(ctx, eye);
  for (const part of parts(ctx, eye, state.frame)) part.draw();
  if (show.labels && people.length > 1) labels(ctx, eye);
  if (eye.frame) imageFrame(ctx, eye, state.frame);
  if (show.grid) axes(ctx, eye, width - 46, 96);
  inset($("inset"), state.frame, width, height);
  report();
}
function report() {
  const shown = state.frame * motion.step;
  const text = clockText(times[state.frame]);
  $("clock").replaceChildren(text, make("small", `frame ${shown}`));
  $("scrub").value = state.frame;
  $("scrub").setAttribute("aria-valuetext", `frame ${shown}, ${text}`);
}

// ---- gestures ----
const pointers = new Map();
function gestures() {
  scene.addEventListener("pointerdown", event => {
    scene.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    scene.classList.add("held");
  });
  scene.addEventListener("pointermove", event => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY], dx = now[0] - before[0], dy = now[1] - before[1];
    if (pointers.size === 2) {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const spread = point => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      zoom(spread(before) / spread(now));
      move(dx / 2, dy / 2);
    } else if (event.shiftKey || event.buttons & 6) {
      move(dx, dy);
    } else {
      rotate(dx, dy);
    }
    pointers.set(event.pointerId, now);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    scene.addEventListener(name, event => {
      pointers.delete(event.pointerId);
      if (!pointers.size) scene.classList.remove("held");
    });
  }
  scene.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(Math.exp(clamp(event.deltaY * (event.deltaMode ? 16 : 1), -240, 240) * 0.0015));
  }, { passive: false });
  scene.addEventListener("contextmenu", event => event.preventDefault());
  scene.addEventListener("dblclick", () => { if (view.name !== "camera") { frameAll(); redraw(); } });
}

// ---- keys ----
function second(direction) {
  const frame = frameAt(state.time + direction);
  seek(direction > 0 ? Math.max(frame, state.frame + 1) : Math.min(frame, state.frame - 1));
}
const step = direction => event => {
  play(false);
  if (event.shiftKey) second(direction); else seek(state.frame + direction);
};
const KEYS = {
  " ": () => play(!state.playing),
  ArrowLeft: step(-1), ArrowRight: step(1),
  Home: () => seek(0), End: () => { play(false); seek(frames - 1); },
  "[": () => changeSpeed(-1), "]": () => changeSpeed(1),
  0: () => lookFrom("free"), 1: () => lookFrom("front"), 2: () => lookFrom("side"),
  3: () => lookFrom("top"), 4: () => lookFrom("camera"),
  a: () => rotate(-12, 0), d: () => rotate(12, 0), w: () => rotate(0, 12), s: () => rotate(0, -12),
  "+": () => zoom(0.9), "=": () => zoom(0.9), "-": () => zoom(1 / 0.9),
  f: () => follow(people[people.indexOf(state.follow) + 1] || null),
  g: () => toggle("grid"), p: () => toggle("paths"), c: () => toggle("camera"), i: () => toggle("image"),
  t: () => switchTheme(), h: () => fold(),
};
function keys() {
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    // A button or a link that has the focus is pressed by space.
    if (event.key === " " && event.target.closest("button, a, summary, input[type=checkbox]")) return;
    const action = KEYS[event.key] || KEYS[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}

// ---- panel ----
const OPTIONS = {
  grid: "Floor", paths: "Paths", camera: "Camera", image: "Image", labels: "Numbers",
  sides: "Left and right", repeat: "Repeat",
};
function toggle(name) {
  show[name] = !show[name];
  $("options").querySelector(`[data-option=${name}]`)?.setAttribute("aria-pressed", show[name]);
  redraw();
}
function fold() {
  const folded = document.body.classList.toggle("folded");
  $("fold").setAttribute("aria-expanded", !folded);
  refresh();
}
function switchTheme(name) {
  const dark = document.documentElement.dataset.theme === "dark";
  document.documentElement.dataset.theme = name || (dark ? "light" : "dark");
  readTheme();
  refresh();
}
function refresh() {
  lanes($("lanes"));
  redraw();
}
const pairs = (list, values) => {
  for (const [name, value] of values) list.append(make("dt", name), make("dd", value));
};
function fillList(id, sentences) {
  $(id).hidden = !sentences.length;
  $(id).querySelector("ul").replaceChildren(...sentences.map(sentence => make("li", sentence)));
}
function fillPeople() {
  for (const person of people) {
    const line = make("div", undefined, { class: "person" }), label = make("label");
    const box = make("input", undefined, { type: "checkbox", checked: "" });
    const dot = make("span", person.number, { class: "dot" });
    dot.style.background = css(tint(person));
    const from = times[person.first], to = times[person.first + person.count - 1];
    label.append(box, dot, make("small", `${clockText(from)} – ${clockText(to)}`));
    box.setAttribute("aria-label", `Person ${person.number}`);
    box.addEventListener("change", () => { person.visible = box.checked; refresh(); });
    const button = make("button", "Follow", { "data-follow": person.number, "aria-pressed": false,
      title: `Keep person ${person.number} in the middle (F)` });
    button.addEventListener("click", () => follow(state.follow === person ? null : person));
    line.append(label, button);
    $("people").append(line);
  }
  if (!people.length) $("people").append(make("p", "Nobody was found."));
}
function fillPanel() {
  $("name").textContent = motion.name;
  $("lead").textContent = motion.lead;
  for (const note of motion.notes) $("notes").append(make("p", note));
  pairs($("facts"), motion.facts);
  fillList("assumptions", motion.assumptions);
  fillList("warnings", motion.warnings);
  fillPeople();
  for (const [name, text] of Object.entries(OPTIONS)) {
    if (people.length < 2 && (name === "labels" || name === "sides")) continue;
    const button = make("button", text, { "data-option": name, "aria-pressed": show[name] });
    button.addEventListener("click", () => toggle(name));
    $("options").append(button);
  }
  $("files").hidden = !motion.files.length;
  for (const [group, links] of motion.files) {
    const line = make("div", undefined, { class: "group" }), chips = make("div", undefined, { class: "chips" });
    for (const [text, href, title] of links) chips.append(make("a", text, { href, title, download: "" }));
    line.append(make("span", group), chips);
    $("files").append(line);
  }
  $("settings").hidden = !motion.settings.length;
  pairs($("settings").querySelector("dl"), motion.settings);
}
function controls() {
  $("play").addEventListener("click", () => play(!state.playing));
  $("back").addEventListener("click", step(-1));
  $("next").addEventListener("click", step(1));
  $("scrub").max = frames - 1;
  $("scrub").addEventListener("input", event => { play(false); seek(Number(event.target.value)); });
  $("speed").addEventListener("change", event => { state.speed = Number(event.target.value); });
  for (const button of $("views").children) button.addEventListener("click", () => lookFrom(button.dataset.view));
  $("theme").addEventListener("click", () => switchTheme());
  $("fold").addEventListener("click", fold);
}

// ---- start ----
/** Settings of the address: `#t=1.5&view=side&play=0&follow=1&theme=dark&camera=1`. */
function readAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  switchTheme(asked.get("theme") || (dark ? "dark" : "light"));
  for (const name of Object.keys(show)) if (asked.has(name)) show[name] = asked.get(name) === "1";
  if (asked.has("t")) seek(frameAt(Number(asked.get("t"))));
  const [low, high] = bounds();
  const wide = Math.hypot(high[0] - low[0], high[2] - low[2]) > 9000 ? people[0] : null;
  state.follow = people.find(person => String(person.number) === asked.get("follow")) || wide;
  return asked;
}
function loop(last, now) {
  const seconds = Math.min((now - last) / 1000, 0.25);
  if (state.playing && pointers.size < 2) advance(seconds);
  if (state.dirty) {
    state.dirty = false;
    draw();
  }
  requestAnimationFrame(next => loop(now, next));
}
function start() {
  const asked = readAddress();
  fillPanel();
  controls();
  gestures();
  keys();
  const name = asked.get("view");
  lookFrom(name === "camera" || name in ANGLES ? name : "free");
  follow(state.follow);
  if (asked.has("view")) lookFrom(view.name);
  // Drawn at once, so that no frame of another size is stretched on the screen.
  new ResizeObserver(() => { lanes($("lanes")); draw(); }).observe($("stage"));
  refresh();
  play(asked.get("play") !== "0" && !still && !asked.has("t"));
  requestAnimationFrame(now => loop(now, now));
}
start();
