// One item of the list. All text is set as text, never as HTML.

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function sizeText(bytes) {
  let unit = 0;
  let size = bytes;
  for (; Math.abs(size) >= 1024 && unit < 4; unit++) size /= 1024;
  return `${unit ? size.toFixed(1) : size} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

function savedText(bytes, of) {
  const percent = Math.round((bytes / of - 1) * 100);
  return `${percent > 0 ? "+" : "−"}${Math.abs(percent)} %`;
}

function formatName(type) {
  return { "image/webp": "WebP" }[type] ?? type.replace("image/", "").toUpperCase();
}

function cardOf(item, errors, preferred) {
  const card = element("li", { className: item.code ? "item failed" : "item" });
  card.append(element("h3", {}, element("bdi", {}, item.source)));
  card.append(element("p", { className: "facts" }, factsText(item)));
  if (item.code) card.append(errorPart(item, errors[item.code]));
  const shown = item.outputs?.filter((output) => output.url) ?? [];
  if (shown.length) card.append(comparePart(item, shown, preferred));
  else if (item.outputs) card.append(outputsPart(item, item.outputs, () => {}));
  else if (!item.code) card.append(element("p", { className: "note" }, "No outputs were published."));
  for (const note of item.notes ?? []) card.append(element("p", { className: "note" }, note));
  if (item.srcset) card.append(srcsetPart(item));
  return card;
}

function factsText(item) {
  const facts = [];
  if (item.format) facts.push(item.format);
  if (item.width) facts.push(`${item.width} × ${item.height}`);
  if (item.size) facts.push(sizeText(item.size));
  if (item.skipped) facts.push("up to date");
  const text = element("span", {}, facts.join(" · "));
  if (!item.url) return text;
  const label = `Open the source ${item.source}`;
  text.append(facts.length ? " · " : "", element("a", { href: item.url, "aria-label": label }, "Open"));
  return text;
}

function errorPart(item, known) {
  const what = known ? `${item.code} ${known.name}` : item.code;
  const part = element("div", { className: "error" }, element("strong", {}, what));
  part.append(element("p", {}, element("bdi", {}, item.message)));
  if (known) {
    part.append(element("p", {}, element("b", {}, "Meaning: "), `${known.meaning}.`));
    part.append(element("p", {}, element("b", {}, "What to do: "), known.remedy));
  }
  return part;
}

// The rendition with the source over it; the slider says how much of the source is shown, from the left.
function comparePart(item, outputs, preferred) {
  const placeholder = element("canvas", { "aria-hidden": "true" });
  if (item.thumbHash) drawThumbHash(placeholder, item.thumbHash);
  const after = element("img", { loading: "lazy", decoding: "async", className: "after" });
  const before = element("img", { decoding: "async", className: "before", alt: "", hidden: true });
  const problem = element("p", { className: "unshown", hidden: true });
  const figure = element("div", { className: "compare" }, placeholder, after, before, problem);

  function show(output) {
    problem.hidden = true;
    after.alt = `${output.rendition} of ${item.source}`;
    after.src = output.url;
    placeholder.style.aspectRatio = `${output.width || 1} / ${output.height || 1}`;
  }
  after.addEventListener("load", () => (placeholder.hidden = true));
  after.addEventListener("error", () => {
    problem.textContent = "This image cannot be loaded, or the browser does not show its format.";
    problem.hidden = false;
  });
  if (item.color) placeholder.style.background = item.color;
  const chosen = outputs.find((output) => output.rendition === preferred) ?? widest(outputs);
  show(chosen);
  const part = element("div", {}, figure);
  if (item.url) {
    figure.append(slider(item, figure, before));
    part.append(element("p", { className: "hint", "aria-hidden": "true" }, "source ◂ slide ▸ rendition"));
  }
  part.append(outputsPart(item, item.outputs, show, chosen));
  return part;
}

function widest(outputs) {
  return outputs.reduce((best, output) => (output.width > best.width ? output : best));
}

function slider(item, figure, before) {
  const label = `Part of the source that is shown over the rendition of ${item.source}`;
  const range = element("input", { type: "range", min: 0, max: 100, value: 0, "aria-label": label });
  range.setAttribute("aria-valuetext", "rendition only");
  range.addEventListener("input", () => {
    if (!before.getAttribute("src")) before.src = item.url; // sources are large: loaded when asked for
    before.hidden = range.value === "0";
    figure.style.setProperty("--part", range.value / 100);
    range.setAttribute("aria-valuetext", `${range.value} % source`);
  });
  before.addEventListener("error", () => {
    range.disabled = true;
    before.hidden = true;
    figure.append(
      element("p", { className: "unshown", role: "status" }, "The browser does not show the source."),
    );
  });
  return range;
}

function outputsPart(item, outputs, show, chosen) {
  const list = element("ul", { className: "outputs" });
  for (const output of outputs) {
    const facts = [formatName(output.type), `${output.width} × ${output.height}`, sizeText(output.bytes)];
    if (item.size) facts.push(savedText(output.bytes, item.size));
    const row = element("li", {}, renditionPart(list, output, output === chosen, show), ` ${facts.join(" · ")}`);
    if (output.url) {
      const label = `Open ${output.rendition} of ${item.source}`;
      row.append(" · ", element("a", { href: output.url, title: output.key, "aria-label": label }, "Open"));
    }
    list.append(row);
  }
  return list;
}

function renditionPart(list, output, pressed, show) {
  if (!output.url) return element("b", {}, output.rendition);
  const button = element("button", { type: "button" }, output.rendition);
  button.setAttribute("aria-pressed", pressed);
  button.addEventListener("click", () => {
    for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    show(output);
  });
  return button;
}

function srcsetPart(item) {
  const text = element("textarea", { readOnly: true, rows: 3, value: item.srcset, spellcheck: false });
  text.setAttribute("aria-label", `srcset of ${item.source}`);
  const done = element("span", { role: "status" });
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(item.srcset);
      done.textContent = "Copied";
    } catch {
      text.focus();
      text.select();
      done.textContent = "Selected: press Ctrl+C or ⌘C to copy";
    }
  });
  return element("details", {}, element("summary", {}, "srcset"), text, copy, " ", done);
}
