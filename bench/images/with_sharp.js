// sharp: node with_sharp.js WAY FORM COUNT OUT SOURCE...; one thread, no cache. WAY: chain | clone.
const sharp = require("sharp");
const fs = require("fs");
const [way, form, count, out, ...paths] = process.argv.slice(2);
const sources = paths.map((path) => fs.readFileSync(path));
const SIDES = [1600, 800, 200];
sharp.cache(false);
sharp.concurrency(1);

function encoded(image) {
  if (form === "JPEG") return image.jpeg({ quality: 82, optimiseCoding: true });
  if (form === "WebP") return image.webp({ quality: 80, effort: 4 });
  if (form === "AVIF") return image.avif({ quality: 60, effort: 1 });
  return image.png({ compressionLevel: 1 });
}

function keep(number, side, data) {
  if (out !== "-" && number === 0) fs.writeFileSync(`${out}/${side}.png`, data);
}

// One decode; each rendition from the pixels of the one before.
async function chain(number, source) {
  let input = sharp(source);
  for (const side of SIDES) {
    const { data, info } = await input.resize(side).raw().toBuffer({ resolveWithObject: true });
    const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
    keep(number, side, await encoded(sharp(data, raw)).toBuffer());
    input = sharp(data, raw);
  }
}

// As its documentation has it: clones of one stream.
async function clone(number, source) {
  const image = sharp(source);
  await Promise.all(
    SIDES.map(async (side) => keep(number, side, await encoded(image.clone().resize(side)).toBuffer())),
  );
}

(async () => {
  for (let number = 0; number < Number(count); number += 1) {
    await (way === "chain" ? chain : clone)(number, sources[number % sources.length]);
  }
  console.log(fs.readFileSync("/proc/self/status", "utf8").match(/VmHWM.*/)[0]);
})();
