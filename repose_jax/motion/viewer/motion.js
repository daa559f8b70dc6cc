// The motion of a page: names, the camera, and where a time is in it.

const motion = JSON.parse(document.getElementById("motion").textContent);
const JOINTS = motion.joints.length;
const SEEN = 0, FILLED = 1, MISSING = 2;

/** Last frame at or before a time. */
function frameAt(time) {
  let low = 0, high = frames - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle; else high = middle - 1;
  }
  return low;
}

/** Row of a person in a frame, or -1. */
function rowOf(person, frame) {
  const row = frame - person.first;
  return row >= 0 && row < person.count ? row : -1;
}
