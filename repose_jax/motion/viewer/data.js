// The motion as page.py writes it: quantised arrays in base64, in the order of the frames shown.

const ABSENT = -32768;

/** Bytes of a base64 text. */
function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const shorts = text => new Int16Array(bytesOf(text).buffer);
/** Time of each frame shown, s. */
const times = Float64Array.from(new Int32Array(bytesOf(motion.times).buffer), t => t / 1e4);
const frames = times.length;

const people = motion.people.map((person, index) => ({
  number: person.number,
  first: person.first, // row of the first frame in `times`
  count: person.count,
  origin: person.origin, // mm
  unit: person.unit, // mm
  joints: shorts(person.joints), // [count, 17, 3], units from the origin
  hypotheses: shorts(person.hypotheses), // [count, any number, 17, 3], as the joints
  pixels: shorts(person.pixels), // [count, 17, 2], in motion.pixel px; ABSENT where missing
  status: bytesOf(person.status), // [count, 5], two bits a joint
  colour: motion.colours[index],
  visible: true,
  now: new Float32Array(3 * JOINTS), // joints at the time shown, mm
  present: false,
}));
for (const person of people) person.others = new Float32Array(person.hypotheses.length / person.count);

/** Status of a joint in a row of a person. */
const statusOf = (person, row, joint) =>
  (person.status[row * 5 + (joint >> 2)] >> (2 * (joint & 3))) & 3;

/** Joints and hypotheses of a person at a frame and a fraction of the way to the next, to `now` and `others`. */
function place(person, frame, fraction) {
  const row = rowOf(person, frame);
  person.present = row >= 0;
  if (!person.present) return;
  const { origin, unit } = person, next = Math.min(row + 1, person.count - 1);
  for (const [values, now] of [[person.joints, person.now], [person.hypotheses, person.others]]) {
    const size = now.length, a = row * size, b = next * size;
    for (let i = 0; i < size; i++) {
      now[i] = origin[i % 3] + unit * (values[a + i] + fraction * (values[b + i] - values[a + i]));
    }
  }
}

/** A joint of a row, mm. */
function jointOf(person, row, joint) {
  const at = 3 * (row * JOINTS + joint);
  return [0, 1, 2].map(axis => person.origin[axis] + person.unit * person.joints[at + axis]);
}

/** A joint in the image, px, or null where nothing was detected. */
function pixelOf(person, row, joint) {
  const at = 2 * (row * JOINTS + joint), x = person.pixels[at];
  return x === ABSENT ? null : [x * motion.pixel, person.pixels[at + 1] * motion.pixel];
}

/** Draws the image of the frame shown; this page has none. */
function picture() {}
