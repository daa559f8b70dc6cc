// The floor, the camera, paths and people, drawn on the large canvas.

const show = {
  grid: true, paths: true, camera: false, image: true, labels: true, sides: true, hypotheses: true,
  repeat: true,
};
const root = getComputedStyle(document.documentElement);
let theme = {};

/** Reads the colours of the style sheet, as `[r, g, b]`. */
function readTheme() {
  theme = {};
  for (const name of ["page", "ink", "muted", "line", "sky", "ground", "grid", "shadow", "left",
    "right", "middle", "accent"]) theme[name] = rgb(root.getPropertyValue(`--${name}`).trim());
}
const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const css = (colour, alpha = 1) => `rgb(${colour.map(Math.round).join(" ")} / ${alpha})`;
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);
const mix = (a, b, share) => a.map((x, i) => x + share * (b[i] - x));

const left = new Set(motion.left), right = new Set(motion.right);
const named = Object.fromEntries(motion.joints.map((name, index) => [name, index]));
/** Radius of a bone at its upper and lower end, mm. */
const RADII = {
  knee: [62, 46], ankle: [46, 32], elbow: [40, 33], wrist: [33, 25], hip: [46, 58],
  shoulder: [40, 40], spine: [58, 56], thorax: [56, 50], neck: [38, 36], head: [0, 0],
};
const bones = motion.bones.map(([parent, joint]) => {
  const radii = RADII[motion.joints[joint].split("_").pop()] || [40, 40];
  const side = left.has(joint) ? "left" : right.has(joint) ? "right" : "middle";
  return { parent, joint, radii, side };
});

function background(ctx, width, height) {
  const fill = ctx.createLinearGradient(0, 0, 0, height);
  fill.addColorStop(0, css(theme.sky));
  fill.addColorStop(1, css(theme.ground));
  ctx.fillStyle = fill;
  ctx.fillRect(0, 0, width, height);
}

/** A grid of metres that fades with the distance from the target. */
function floor(ctx, eye, centre, reach) {
  const size = reach > 30000 ? 10000 : 1000, cells = Math.min(Math.ceil(reach / size), 24);
  const [cx, cz] = [centre[0], centre[2]].map(x => Math.round(x / size));
  const levels = Array.from({ length: 6 }, () => new Path2D());
  const line = (x0, z0, x1, z1) => {
    const away = Math.hypot((x0 + x1) / 2 - cx, (z0 + z1) / 2 - cz) / (cells + 0.5);
    if (away >= 1) return;
    const ends = segment(eye, [x0 * size, 0, z0 * size], [x1 * size, 0, z1 * size]);
    if (!ends) return;
    const path = levels[Math.floor(6 * (1 - away * away))] || levels[5];
    path.moveTo(ends[0][0], ends[0][1]);
    path.lineTo(ends[1][0], ends[1][1]);
  };
  for (let i = -cells; i <= cells; i++) {
    for (let j = -cells; j < cells; j++) {
      line(cx + i, cz + j, cx + i, cz + j + 1);
      line(cx + j, cz + i, cx + j + 1, cz + i);
    }
  }
  ctx.lineWidth = 1;
  levels.forEach((path, level) => {
    ctx.strokeStyle = css(theme.grid, 0.09 * (level + 1));
    ctx.stroke(path);
  });
}

/** The path of a person's pelvis on the floor: half a minute around faintly, the last seconds strongly. */
function walked(ctx, eye, person, frame) {
  const rowAt = time => clamp(frameAt(time) - person.first, 0, person.count - 1);
  const draw = (from, to, alpha, width) => {
    const a = rowAt(from), b = rowAt(to), step = Math.max(1, Math.ceil((b - a) / 400));
    const path = new Path2D();
    let before = null;
    for (let row = a; row <= b; row = row < b ? Math.min(row + step, b) : b + 1) {
      const [x, , z] = jointOf(person, row, motion.root);
      const ends = before && segment(eye, before, [x, 0, z]);
      if (ends) {
        path.moveTo(ends[0][0], ends[0][1]);
        path.lineTo(ends[1][0], ends[1][1]);
      }
      before = [x, 0, z];
    }
    ctx.lineWidth = width;
    ctx.lineCap = "round";
    ctx.strokeStyle = css(tint(person), alpha);
    ctx.stroke(path);
  };
  const now = times[frame];
  draw(now - 15, now + 15, 0.28, 1.5);
  if (frame > person.first) draw(now - 4, now, 0.75, 2.5);
}

/** Colour of a person; the neutral one if there is no other. */
const tint = person => (people.length > 1 ? rgb(person.colour) : theme.middle);

/** The camera of the video as a pyramid, with the side of the image that is up. */
function frustum(ctx, eye) {
  const { size, focal, centre } = motion.camera, depth = 700;
  const corner = (x, y) => video.eye.map((c, i) => c + depth * (video.ahead[i]
    + ((x - centre[0]) / focal) * video.right[i] + ((y - centre[1]) / focal) * video.down[i]));
  const [w, h] = size;
  const corners = [corner(0, 0), corner(w, 0), corner(w, h), corner(0, h)];
  const peak = corner(w / 2, -0.18 * h);
  const lines = corners.flatMap((c, i) => [[video.eye, c], [c, corners[(i + 1) % 4]]]);
  lines.push([corner(0.35 * w, 0), peak], [peak, corner(0.65 * w, 0)]);
  ctx.strokeStyle = css(theme.accent, 0.9);
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  for (const [a, b] of lines) {
    const ends = segment(eye, a, b);
    if (ends) { ctx.moveTo(ends[0][0], ends[0][1]); ctx.lineTo(ends[1][0], ends[1][1]); }
  }
  const foot = segment(eye, video.eye, [video.eye[0], 0, video.eye[2]]);
  if (foot) { ctx.moveTo(foot[0][0], foot[0][1]); ctx.lineTo(foot[1][0], foot[1][1]); }
  ctx.stroke();
}

/** The shadow of people who are lit from above, in one shape so that overlaps are not darker. */
function shadows(ctx, eye) {
  ctx.strokeStyle = css(theme.shadow, 0.13);
  ctx.lineCap = ctx.lineJoin = "round";
  for (const person of people) {
    if (!person.visible || !person.present) continue;
    const { now } = person, path = new Path2D();
    const [, , depth] = project(eye, now[0], 0, now[2]);
    if (depth < NEAR) continue;
    for (const { parent, joint } of bones) {
      const a = 3 * parent, b = 3 * joint;
      const ends = segment(eye, [now[a], 0, now[a + 2]], [now[b], 0, now[b + 2]]);
      if (ends) { path.moveTo(ends[0][0], ends[0][1]); path.lineTo(ends[1][0], ends[1][1]); }
    }
    ctx.lineWidth = (110 * eye.focal) / depth;
    ctx.stroke(path);
  }
}

/** A body part of two radii, as a shape. */
function capsule(ctx, x1, y1, r1, x2, y2, r2) {
  const length = Math.hypot(x2 - x1, y2 - y1);
  ctx.beginPath();
  if (length <= Math.abs(r1 - r2)) {
    const [x, y, r] = r1 > r2 ? [x1, y1, r1] : [x2, y2, r2];
    ctx.arc(x, y, r, 0, 2 * Math.PI);
    return;
  }
  const angle = Math.atan2(y2 - y1, x2 - x1), turn = Math.acos((r1 - r2) / length);
  ctx.arc(x1, y1, r1, angle + turn, angle - turn);
  ctx.arc(x2, y2, r2, angle - turn, angle + turn);
  ctx.closePath();
}

/** Colour of a part of a person. */
function paint(person, side) {
  if (side === "middle") return tint(person);
  if (show.sides) return theme[side];
  return mix(rgb(person.colour), side === "left" ? [255, 255, 255] : [0, 0, 0], 0.22);
}

/** Parts of the people with their depths: `{depth, draw}`. */
function parts(ctx, eye, frame) {
  const list = [];
  for (const person of people) {
    if (!person.visible || !person.present) continue;
    const row = rowOf(person, frame), { now } = person;
    const at = motion.joints.map((_, j) => project(eye, now[3 * j], now[3 * j + 1], now[3 * j + 2]));
    const add = (depth, draw) => list.push({ depth, draw });
    for (const bone of bones) {
      const a = at[bone.parent], b = at[bone.joint];
      if (a[2] < NEAR || b[2] < NEAR) continue;
      const status = Math.max(statusOf(person, row, bone.parent), statusOf(person, row, bone.joint));
      const head = bone.joint === named.head;
      add((a[2] + b[2]) / 2, () => limb(ctx, eye, a, b, head ? null : bone.radii,
        paint(person, bone.side), status));
    }
    for (let joint = 0; joint < JOINTS; joint++) {
      const [x, y, depth] = at[joint];
      const status = statusOf(person, row, joint);
      if (depth < NEAR || (status === SEEN && !left.has(joint) && !right.has(joint))) continue;
      const side = left.has(joint) ? "left" : right.has(joint) ? "right" : "middle";
      add(depth - 40, () => disc(ctx, x, y, (30 * eye.focal) / depth, paint(person, side), status));
    }
  }
  return list.sort((one, other) => other.depth - one.depth);
}

/** A limb, or the head where there are no radii; faint when filled, dashed when not seen. */
function limb(ctx, eye, a, b, radii, colour, status) {
  const scales = [eye.focal / a[2], eye.focal / b[2]];
  if (status === MISSING) {
    ctx.strokeStyle = css(colour, 0.9);
    ctx.lineWidth = Math.max(1.5, 16 * scales[0]);
    ctx.lineCap = "butt";
    ctx.setLineDash([ctx.lineWidth * 2, ctx.lineWidth * 1.6]);
    ctx.beginPath();
    ctx.moveTo(a[0], a[1]);
    ctx.lineTo(b[0], b[1]);
    ctx.stroke();
    ctx.setLineDash([]);
    return;
  }
  const alpha = status === FILLED ? 0.45 : 1;
  if (radii) {
    capsule(ctx, a[0], a[1], radii[0] * scales[0], b[0], b[1], radii[1] * scales[1]);
  } else {
    // The head reaches from the chin (neck) to its top (head), a little wider than half of it.
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]), radius = 84 * scales[1];
    ctx.beginPath();
    ctx.ellipse((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.max(radius, length / 2 + 20 * scales[1]),
      radius, Math.atan2(b[1] - a[1], b[0] - a[0]), 0, 2 * Math.PI);
  }
  const across = [b[1] - a[1], a[0] - b[0]], length = Math.hypot(...across) || 1;
  const sign = across[1] > 0 ? -1 : 1; // the light comes from above
  const half = radii ? Math.max(radii[0] * scales[0], radii[1] * scales[1]) : 90 * scales[0];
  const reach = across.map(x => (sign * half * x) / length);
  const x = (a[0] + b[0]) / 2, y = (a[1] + b[1]) / 2;
  const fill = ctx.createLinearGradient(x + reach[0], y + reach[1], x - reach[0], y - reach[1]);
  fill.addColorStop(0, css(mix(colour, [255, 255, 255], 0.32), alpha));
  fill.addColorStop(0.45, css(colour, alpha));
  fill.addColorStop(1, css(mix(colour, [0, 0, 0], 0.28), alpha));
  ctx.strokeStyle = css(mix(theme.sky, theme.ground, 0.5), status === FILLED ? 0.3 : 0.9);
  ctx.lineWidth = 2;
  ctx.stroke();
  ctx.fillStyle = fill;
  ctx.fill();
}

/** A joint: a disc when seen, a ring when filled, a cross when not seen. */
function disc(ctx, x, y, radius, colour, status) {
  const size = Math.max(radius, 2);
  ctx.beginPath();
  ctx.lineWidth = Math.max(1.5, size / 3);
  ctx.strokeStyle = css(status === SEEN ? mix(colour, [0, 0, 0], 0.3) : colour);
  if (status === MISSING) {
    ctx.moveTo(x - size, y - size); ctx.lineTo(x + size, y + size);
    ctx.moveTo(x + size, y - size); ctx.lineTo(x - size, y + size);
    ctx.stroke();
    return;
  }
  ctx.arc(x, y, size, 0, 2 * Math.PI);
  ctx.fillStyle = status === SEEN ? css(mix(colour, [255, 255, 255], 0.55)) : css(theme.sky);
  ctx.fill();
  ctx.stroke();
}

/** The hypotheses of the people as thin lines, over all parts so that none hides them. */
function hypotheses(ctx, eye) {
  ctx.lineWidth = 1;
  for (const person of people) {
    if (!person.visible || !person.present || !person.others) continue;
    const { others } = person, paths = { left: new Path2D(), right: new Path2D(), middle: new Path2D() };
    for (let start = 0; start < others.length; start += 3 * JOINTS) {
      const at = joint => others.subarray(start + 3 * joint, start + 3 * joint + 3);
      for (const { parent, joint, side } of bones) {
        const ends = segment(eye, at(parent), at(joint));
        if (ends) { paths[side].moveTo(ends[0][0], ends[0][1]); paths[side].lineTo(ends[1][0], ends[1][1]); }
      }
    }
    for (const [side, path] of Object.entries(paths)) {
      ctx.strokeStyle = css(mix(paint(person, side), theme.ink, 0.3), 0.55);
      ctx.stroke(path);
    }
  }
}

/** The number of each person above the head. */
function labels(ctx, eye) {
  ctx.font = "650 12px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (const person of people) {
    if (!person.visible || !person.present) continue;
    const at = 3 * named.head, { now } = person;
    const [x, top, depth] = project(eye, now[at], now[at + 1] + 60, now[at + 2]);
    if (depth < NEAR) continue;
    const y = top - 18;
    const text = String(person.number), width = Math.max(20, ctx.measureText(text).width + 12);
    ctx.beginPath();
    ctx.roundRect(x - width / 2, y - 10, width, 20, 10);
    ctx.fillStyle = person.colour;
    ctx.fill();
    ctx.fillStyle = "#ffffff";
    ctx.fillText(text, x, y + 0.5);
  }
}

/** The world's axes in a corner: x right of the camera, y up, z towards it. */
function axes(ctx, eye, x, y) {
  const ends = [["x", "#d9483b", 0], ["y", "#2f9e5a", 1], ["z", "#3b6fd9", 2]].map(
    ([name, colour, i]) => ({ name, colour, dx: 24 * eye.right[i], dy: -24 * eye.up[i], z: eye.back[i] }));
  ctx.font = "600 11px system-ui, sans-serif";
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineCap = "round";
  ctx.lineWidth = 2;
  for (const { name, colour, dx, dy } of ends.sort((a, b) => a.z - b.z)) {
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.beginPath();
    ctx.moveTo(x, y);
    ctx.lineTo(x + dx, y + dy);
    ctx.stroke();
    ctx.fillText(name, x + 1.4 * dx, y + 1.4 * dy);
  }
}
