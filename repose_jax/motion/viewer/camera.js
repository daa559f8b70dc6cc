// The point of view: an orbit about a target, or the camera of the video.

const view = { name: "free", yaw: 0.45, pitch: 0.16, distance: 5000, target: [0, 900, 0] };
const ANGLES = { free: [0.45, 0.16], front: [0, 0], side: [Math.PI / 2, 0], top: [0, Math.PI / 2] };
const NEAR = 60; // mm

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
];
/** Axes and centre of the video's camera in the world. */
function cameraPlace() {
  const { rotation, origin } = motion.camera, column = index => rotation.map(row => row[index]);
  return {
    right: column(0), down: column(1), ahead: column(2),
    eye: rotation.map(row => -dot(row, origin)),
  };
}
const video = cameraPlace();

/** Axes, eye and focal length of the view in a canvas of this size, px. */
function lens(width, height, at = view) {
  if (at.name === "camera") {
    const { size, focal, centre } = motion.camera;
    const scale = Math.min((width - 24) / size[0], (height - 200) / size[1]);
    const top = (height - 20) / 2 - (size[1] / 2) * scale;
    return {
      right: video.right, up: video.down.map(x => -x), back: video.ahead.map(x => -x),
      eye: video.eye, focal: focal * scale, scale,
      x: width / 2 + (centre[0] - size[0] / 2) * scale, y: top + centre[1] * scale,
      frame: [width / 2 - (size[0] / 2) * scale, top, size[0] * scale, size[1] * scale],
    };
  }
  const { yaw, pitch, distance, target } = at;
  const right = [Math.cos(yaw), 0, -Math.sin(yaw)];
  const back = [Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch)];
  return {
    right, back, up: cross(back, right), eye: target.map((x, i) => x + distance * back[i]),
    focal: 1.6 * Math.min(width, height), x: width / 2, y: height / 2 - 24,
  };
}

/** Screen position and depth of a point, `[x, y, depth]`; depth below NEAR is behind the viewer. */
function project(eye, x, y, z) {
  const dx = x - eye.eye[0], dy = y - eye.eye[1], dz = z - eye.eye[2];
  const depth = -(dx * eye.back[0] + dy * eye.back[1] + dz * eye.back[2]);
  const scale = eye.focal / Math.max(depth, 1);
  return [
    eye.x + scale * (dx * eye.right[0] + dy * eye.right[1] + dz * eye.right[2]),
    eye.y - scale * (dx * eye.up[0] + dy * eye.up[1] + dz * eye.up[2]),
    depth,
  ];
}

/** The segment between two points in front of the viewer, projected; null if there is none. */
function segment(eye, a, b) {
  const ahead = point => -dot(eye.back, point.map((x, i) => x - eye.eye[i]));
  const da = ahead(a), db = ahead(b);
  if (da < NEAR && db < NEAR) return null;
  const cut = (from, to, df, dt) =>
    df >= NEAR ? from : from.map((x, i) => x + ((NEAR - df) / (dt - df)) * (to[i] - x));
  return [project(eye, ...cut(a, b, da, db)), project(eye, ...cut(b, a, db, da))];
}

/** Smallest and largest coordinates of visible people in all frames, or of `only` in one. */
function bounds(only = null, frame = null) {
  const low = [Infinity, 0, Infinity], high = [-Infinity, 0, -Infinity];
  for (const person of people) {
    if (!person.visible || (only && person !== only)) continue;
    const start = frame === null ? 0 : rowOf(person, frame);
    if (start < 0) continue;
    const stop = frame === null ? person.count : start + 1;
    const step = Math.max(1, Math.floor((stop - start) / 400));
    for (let row = start; row < stop; row += step) {
      for (let joint = 0; joint < JOINTS; joint++) {
        jointOf(person, row, joint).forEach((x, axis) => {
          low[axis] = Math.min(low[axis], x);
          high[axis] = Math.max(high[axis], x);
        });
      }
    }
  }
  return low[0] > high[0] ? [[-1000, 0, -1000], [1000, 1800, 1000]] : [low, high];
}

/** Target and distance that show a box from the angles of the view. */
function fitted(box, yaw, pitch, width, height) {
  const [low, high] = box;
  const target = low.map((x, i) => (x + high[i]) / 2);
  let distance = 3 * Math.hypot(...high.map((x, i) => x - low[i])) + 500;
  for (let round = 0; round < 8; round++) {
    const eye = lens(width, height, { name: "free", yaw, pitch, distance, target });
    let share = 0;
    for (let corner = 0; corner < 8; corner++) {
      const point = low.map((x, i) => ((corner >> i) & 1 ? high[i] : x));
      const [x, y, depth] = project(eye, ...point);
      if (depth < NEAR) { share = 2; continue; }
      share = Math.max(share, Math.abs(x - eye.x) / (width / 2 - 30),
        Math.abs(y - eye.y) / (height / 2 - 105));
    }
    distance *= share;
  }
  return { target, distance: Math.min(Math.max(distance, 1200), 2e5) };
}
