// The 2D joints in the image's frame, and the bar of times.

/** Draws the detected joints of visible people from a corner; `scale` is canvas px per image px. */
function detections(ctx, frame, scale, x, y, width, colour = paint) {
  ctx.lineCap = "round";
  for (const person of people) {
    const row = rowOf(person, frame);
    if (!person.visible || row < 0) continue;
    const points = motion.joints.map((_, joint) => {
      const found = pixelOf(person, row, joint);
      return found && [x + scale * found[0], y + scale * found[1]];
    });
    for (const { parent, joint, side } of bones) {
      const a = points[parent], b = points[joint];
      if (!a || !b) continue;
      ctx.strokeStyle = css(colour(person, side));
      ctx.lineWidth = width;
      ctx.beginPath();
      ctx.moveTo(...a);
      ctx.lineTo(...b);
      ctx.stroke();
    }
    for (const point of points) {
      if (!point) continue;
      ctx.fillStyle = css(theme.ink);
      ctx.beginPath();
      ctx.arc(...point, width * 0.65, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
}

/** The image's frame on the large canvas, when the view is that of the camera. */
function imageFrame(ctx, eye, frame) {
  const { width, height } = ctx.canvas;
  ctx.fillStyle = css(theme.ground, 0.6);
  ctx.beginPath();
  ctx.rect(0, 0, width, height);
  ctx.rect(...eye.frame);
  ctx.fill("evenodd");
  ctx.strokeStyle = css(theme.muted, 0.7);
  ctx.lineWidth = 1;
  ctx.strokeRect(...eye.frame);
  if (!show.image) return;
  detections(ctx, frame, eye.scale, eye.frame[0], eye.frame[1], 1.5, () => theme.ink);
}

/** Sizes a canvas to its place on the screen; returns its context in CSS px. */
function sized(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2.5);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ctx = canvas.getContext("2d");
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return ctx;
}

/** Draws the small picture of the image. */
function inset(canvas, frame, stageWidth, stageHeight) {
  const hidden = !show.image || view.name === "camera";
  canvas.hidden = hidden;
  if (hidden) return;
  const [w, h] = motion.camera.size;
  const [most, tallest, share] = canvas.classList.contains("picture") ? [320, 420, 0.42] : [260, 210, 0.28];
  const scale = Math.min(Math.min(most, 0.34 * stageWidth) / w, Math.min(tallest, share * stageHeight) / h);
  canvas.style.width = `${w * scale + 2}px`;
  canvas.style.height = `${h * scale + 2}px`;
  const ctx = sized(canvas, w * scale, h * scale);
  ctx.clearRect(0, 0, w * scale, h * scale);
  picture(ctx, 0, 0, w * scale, h * scale);
  detections(ctx, frame, scale, 0, 0, 1.6);
}

/** Draws when each person is in the video; paler where fewer joints were seen. */
function lanes(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width) return;
  const ctx = sized(canvas, width, height);
  ctx.clearRect(0, 0, width, height);
  ctx.fillStyle = css(theme.line, 0.8);
  ctx.beginPath();
  ctx.roundRect(0, 0, width, height, 6);
  ctx.fill();
  const rows = Math.min(people.length, 8), pitch = (height - 6) / Math.max(rows, 1);
  const span = Math.max(frames - 1, 1);
  people.slice(0, rows).forEach((person, lane) => {
    const tall = Math.max(2, Math.min(pitch - 2, 14));
    const y = 3 + pitch * (lane + 0.5) - tall / 2;
    const from = (person.first / span) * width;
    const to = Math.max(((person.first + person.count - 1) / span) * width, from + 2);
    for (let x = Math.floor(from); x < to; x += 2) {
      const row = Math.min(person.count - 1, Math.max(0, Math.round((x / width) * span) - person.first));
      let seen = 0;
      for (let joint = 0; joint < JOINTS; joint++) seen += statusOf(person, row, joint) === SEEN;
      ctx.fillStyle = css(people.length > 1 ? rgb(person.colour) : theme.accent,
        (person.visible ? 1 : 0.25) * (0.15 + 0.6 * (seen / JOINTS) ** 2));
      ctx.fillRect(x, y, 2, tall);
    }
  });
}
