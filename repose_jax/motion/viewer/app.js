// Playback, gestures, keys and the panel.

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const state = { time: times[0], frame: 0, playing: false, speed: 1, follow: null, dirty: true };

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
function follow(person) {
  state.follow = person;
  for (const button of document.querySelectorAll("[data-follow]")) {
    button.setAttribute("aria-pressed", Boolean(person) && Number(button.dataset.follow) === person.number);
  }
  if (person && view.name === "camera") free();
  frameAll();
  redraw();
}

// ---- drawing ----
function draw() {
  const { clientWidth: width, clientHeight: height } = scene;
  if (!width || !height) return;
  const after = times[Math.min(state.frame + 1, frames - 1)], before = times[state.frame];
  const fraction = after > before ? (state.time - before) / (after - before) : 0;
  for (const person of people) place(person, state.frame, fraction);
  track(1 / 60);
  drawScene(width, height);
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
  ...VIEW_KEYS,
  " ": () => play(!state.playing),
  ArrowLeft: step(-1), ArrowRight: step(1),
  Home: () => seek(0), End: () => { play(false); seek(frames - 1); },
  "[": () => changeSpeed(-1), "]": () => changeSpeed(1),
  f: () => follow(people[people.indexOf(state.follow) + 1] || null),
};

// ---- panel ----
function refresh() {
  lanes($("lanes"));
  redraw();
}
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
  const useless = people.length > 1 ? [] : ["labels", "sides"];
  if (!people.some(person => person.others.length)) useless.push("hypotheses");
  fillOptions(Object.keys(OPTIONS).filter(name => !useless.includes(name)));
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
  viewControls();
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
  keys(KEYS);
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
