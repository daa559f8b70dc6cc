// The stream of poses, and the panel.

const state = { frame: 0, playing: true, speed: 1, follow: null, dirty: true };

/** Shows the person, upright or not, and some floor. */
function frameAll() {
  const { clientWidth: width, clientHeight: height } = scene;
  const root = 3 * motion.root, at = person.present ? [0, 1, 2].map(i => person.now[root + i]) : [0, 0, 0];
  const box = [[at[0] - 800, 0, at[2] - 800], [at[0] + 800, 1900, at[2] + 800]];
  Object.assign(view, fitted(box, view.yaw, view.pitch, width, height));
}
function follow(on) {
  state.follow = on ? person : null;
  $("follow").setAttribute("aria-pressed", on);
  if (on && view.name !== "camera") frameAll();
  redraw();
}
const refresh = redraw;

function draw() {
  const { clientWidth: width, clientHeight: height } = scene;
  if (!width || !height) return;
  state.frame = Math.max(frames - 1, 0);
  track(1 / 60);
  drawScene(width, height);
  inset($("inset"), state.frame, width, height);
}
function loop(last, now) {
  if (approach(Math.min((now - last) / 1000, 0.25))) state.dirty = true;
  if (state.dirty) {
    state.dirty = false;
    draw();
  }
  requestAnimationFrame(next => loop(now, next));
}

// ---- stream ----
function condition(name, text) {
  $("condition").dataset.condition = name;
  $("condition").querySelector("span").textContent = text;
}
function figures(message) {
  const [rate, latency, dropped] = $("figures").querySelectorAll("b");
  rate.textContent = message.rate ? `${message.rate.toFixed(message.rate < 10 ? 1 : 0)} / s` : "–";
  latency.textContent = message.latency === null ? "–" : `${Math.round(1000 * message.latency)} ms`;
  dropped.textContent = message.dropped;
}
function listen() {
  const stream = new EventSource("poses");
  stream.onmessage = event => {
    const message = JSON.parse(event.data);
    if (arrive(message) && view.name !== "camera") frameAll();
    figures(message);
    condition(...(person.present ? ["live", "Live"] : message.pixels ? ["waiting", "Someone comes"]
      : ["waiting", "Nobody is seen"]));
    redraw();
  };
  stream.onerror = () => condition("ended", "Not connected");
  stream.addEventListener("end", event => {
    stream.close();
    condition("ended", JSON.parse(event.data).reason);
  });
}

// ---- start ----
function start() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  switchTheme(asked.get("theme") || (dark ? "dark" : "light"));
  $("name").textContent = motion.name;
  pairs($("facts"), motion.facts);
  fillOptions(["grid", "paths", "camera", "image"]);
  $("follow").addEventListener("click", () => follow(!state.follow));
  viewControls();
  gestures();
  keys({ ...VIEW_KEYS, f: () => follow(!state.follow) });
  const name = asked.get("view");
  lookFrom(name === "camera" || name in ANGLES ? name : "free");
  follow(true);
  new ResizeObserver(draw).observe($("stage"));
  listen();
  requestAnimationFrame(now => loop(now, now));
}
start();
