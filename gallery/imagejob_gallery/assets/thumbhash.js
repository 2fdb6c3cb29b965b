"use strict";

// Draws a ThumbHash (https://evanw.github.io/thumbhash/) on a canvas: the format, not its library.

const THUMB_SIDE = 32;

function drawThumbHash(canvas, text) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return; // not base64
  }
  if (bytes.length < 5) return;
  canvas.width = canvas.height = THUMB_SIDE;
  const image = new ImageData(THUMB_SIDE, THUMB_SIDE);
  image.data.set(thumbHashSamples(bytes));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// RGBA of THUMB_SIDE x THUMB_SIDE pixels; the shape of the image is left to the page.
function thumbHashSamples(bytes) {
  const low = bytes[0] | (bytes[1] << 8) | (bytes[2] << 16);
  const high = bytes[3] | (bytes[4] << 8);
  const translucent = low >> 23;
  const landscape = high >> 15;
  const longest = translucent ? 5 : 7;
  const across = Math.max(3, landscape ? longest : high & 7);
  const down = Math.max(3, landscape ? high & 7 : longest);
  let place = translucent ? 12 : 10; // in half bytes

  // A channel is the sum of cosine waves: its mean, and what the next half bytes say.
  function channel(mean, scale, nx, ny) {
    const waves = [];
    for (let y = 0; y < ny; y++) {
      for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++) {
        const half = ((bytes[place >> 1] ?? 0) >> ((place & 1) << 2)) & 15;
        waves.push([x, y, (half / 7.5 - 1) * scale * 2]);
        place++;
      }
    }
    return (fx, fy) => waves.reduce((sum, [x, y, height]) => sum + height * fx[x] * fy[y], mean);
  }

  const lightness = channel((low & 63) / 63, ((low >> 18) & 31) / 31, across, down);
  const yellow = channel(((low >> 6) & 63) / 31.5 - 1, (((high >> 3) & 63) / 63) * 1.25, 3, 3);
  const red = channel(((low >> 12) & 63) / 31.5 - 1, (((high >> 9) & 63) / 63) * 1.25, 3, 3);
  const opacity = translucent
    ? channel((bytes[5] & 15) / 15, (bytes[5] >> 4) / 15, 5, 5)
    : () => 1;
  const cosines = Array.from({ length: THUMB_SIDE }, (_, at) =>
    Array.from({ length: 8 }, (_, wave) => Math.cos((Math.PI / THUMB_SIDE) * (at + 0.5) * wave)),
  );
  const samples = new Uint8ClampedArray(THUMB_SIDE * THUMB_SIDE * 4);
  cosines.forEach((fy, y) =>
    cosines.forEach((fx, x) => {
      const l = lightness(fx, fy);
      const q = red(fx, fy);
      const b = l - (2 / 3) * yellow(fx, fy);
      const r = (3 * l - b + q) / 2;
      const colours = [r, r - q, b, opacity(fx, fy)].map((value) => value * 255);
      samples.set(colours, (y * THUMB_SIDE + x) * 4);
    }),
  );
  return samples;
}
