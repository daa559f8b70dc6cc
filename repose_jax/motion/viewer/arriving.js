// The motion while it arrives: the poses of the last half minute, one person.

const LASTING = 30; // s
const GONE = 1; // s without a pose after which the person is not shown
const times = [];
let frames = 0;
const person = {
  number: 1, first: 0, count: 0, colour: motion.colours[0], visible: true, present: false,
  rows: [], // of each time: {joints: [3 x 17] mm, status: [17]}
  now: new Float32Array(3 * JOINTS), // joints as shown, mm
  pixels: null, // [17] of [x, y] or null in the newest image
};
const people = [person];
const newest = { image: new Image(), ready: false, time: 0 };

/** Takes a message; returns whether the person has just come. */
function arrive(message) {
  person.pixels = message.pixels;
  newest.time = message.time;
  const image = new Image();
  image.onload = () => { Object.assign(newest, { image, ready: true }); redraw(); };
  image.src = `data:image/jpeg;base64,${message.image}`;
  if (times.length && message.time < times[times.length - 1]) forget(times.length);
  if (!message.joints) {
    if (!(message.time - times[frames - 1] < GONE)) person.present = false;
    return false;
  }
  const came = !person.present;
  times.push(message.time);
  person.rows.push({ joints: message.joints, status: message.status });
  forget(Math.max(0, times.findIndex(time => time >= message.time - LASTING)));
  frames = person.count = times.length;
  if (came) person.now.set(message.joints);
  person.present = true;
  Object.assign(motion.camera, { rotation: message.rotation, origin: message.origin });
  Object.assign(video, cameraPlace());
  return came;
}
function forget(count) {
  times.splice(0, count);
  person.rows.splice(0, count);
  frames = person.count = times.length;
}

const statusOf = (_, row, joint) => person.rows[row].status[joint];
const pixelOf = (_, row, joint) => person.pixels && person.pixels[joint];
const jointOf = (_, row, joint) => person.rows[row].joints.slice(3 * joint, 3 * joint + 3);

/** Moves the joints shown towards the newest pose, which they reach before the next one. */
function approach(seconds) {
  if (!person.present || !frames) return false;
  const { joints } = person.rows[frames - 1], { now } = person;
  const share = 1 - Math.exp(-seconds / 0.03);
  let apart = 0;
  for (let i = 0; i < now.length; i++) {
    const step = joints[i] - now[i];
    now[i] += share * step;
    apart = Math.max(apart, Math.abs(step));
  }
  return apart > 0.5;
}

/** Draws the newest image of the camera. */
function picture(ctx, x, y, width, height) {
  if (newest.ready) ctx.drawImage(newest.image, x, y, width, height);
}
