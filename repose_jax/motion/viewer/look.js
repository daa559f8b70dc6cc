// Point of view, gestures and switches; `state`, `frameAll` and `refresh` are those of the page.

const $ = id => document.getElementById(id);
const scene = $("scene");
const make = (tag, text, attributes = {}) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const redraw = () => { state.dirty = true; };
const DRAG = 0.008; // radians per px

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
/** Moves the target with the person who is followed; smooth against jitter. */
function track(seconds) {
  const person = state.follow;
  if (!person || !person.present || view.name === "camera") return;
  const share = state.playing ? 1 - Math.exp(-seconds * Math.max(state.speed, 1) * 6) : 1;
  const height = view.target[1];
  view.target = view.target.map((x, i) => x + share * (person.now[3 * motion.root + i] - x));
  view.target[1] = height;
}

/** Draws the large canvas. */
function drawScene(width, height) {
  const ctx = sized(scene, width, height), eye = lens(width, height);
  background(ctx, width, height);
  if (eye.frame && show.image) picture(ctx, ...eye.frame);
  const centre = view.name === "camera"
    ? video.eye.map((x, i) => x + 4000 * video.ahead[i]) : view.target;
  if (show.grid) floor(ctx, eye, centre, Math.max(4000, view.distance * 1.5));
  if (show.paths) people.filter(person => person.visible && person.count).forEach(person => walked(ctx, eye, person, state.frame));
  if (show.camera && view.name !== "camera") frustum(ctx, eye);
  if (show.grid) shadows(ctx, eye);
  for (const part of parts(ctx, eye, state.frame)) part.draw();
  if (show.hypotheses) hypotheses(ctx, eye);
  if (show.labels && people.length > 1) labels(ctx, eye);
  if (eye.frame) imageFrame(ctx, eye, state.frame);
  if (show.grid) axes(ctx, eye, width - 46, 96);
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
const VIEW_KEYS = {
  0: () => lookFrom("free"), 1: () => lookFrom("front"), 2: () => lookFrom("side"),
  3: () => lookFrom("top"), 4: () => lookFrom("camera"),
  a: () => rotate(-12, 0), d: () => rotate(12, 0), w: () => rotate(0, 12), s: () => rotate(0, -12),
  "+": () => zoom(0.9), "=": () => zoom(0.9), "-": () => zoom(1 / 0.9),
  g: () => toggle("grid"), p: () => toggle("paths"), c: () => toggle("camera"), i: () => toggle("image"),
  t: () => switchTheme(), h: () => fold(),
};
/** Calls an action of a table by the key that is pressed. */
function keys(actions) {
  document.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    // A button or a link that has the focus is pressed by space.
    if (event.key === " " && event.target.closest("button, a, summary, input[type=checkbox]")) return;
    const action = actions[event.key] || actions[event.key.toLowerCase()];
    if (!action) return;
    event.preventDefault();
    action(event);
  });
}

// ---- switches ----
const OPTIONS = {
  grid: "Floor", paths: "Paths", camera: "Camera", image: "Image", labels: "Numbers",
  sides: "Left and right", hypotheses: "Hypotheses", repeat: "Repeat",
};
function fillOptions(names) {
  for (const name of names) {
    const button = make("button", OPTIONS[name], { "data-option": name, "aria-pressed": show[name] });
    button.addEventListener("click", () => toggle(name));
    $("options").append(button);
  }
}
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
const pairs = (list, values) => {
  for (const [name, value] of values) list.append(make("dt", name), make("dd", value));
};
function viewControls() {
  for (const button of $("views").children) button.addEventListener("click", () => lookFrom(button.dataset.view));
  $("theme").addEventListener("click", () => switchTheme());
  $("fold").addEventListener("click", fold);
}
