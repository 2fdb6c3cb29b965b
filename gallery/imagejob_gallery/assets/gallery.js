// The page: its head, its filters, and the list of cards.

const content = JSON.parse(document.getElementById("content").textContent);
content.items ??= [];
const controls = Object.fromEntries(
  ["text", "rendition", "format", "sort", "failed"].map((id) => [id, document.getElementById(id)]),
);
const list = document.getElementById("items");
const searched = content.items.map((item) =>
  [item.source, item.code, item.message, ...(item.outputs ?? []).map((output) => output.key)]
    .join("\n")
    .toLowerCase(),
);
const compare = new Intl.Collator(undefined, { numeric: true }).compare;
const ORDERS = {
  report: () => 0,
  source: (a, b) => compare(a.source, b.source),
  size: (a, b) => b.size - a.size,
  saved: (a, b) => (b.saved ?? -Infinity) - (a.saved ?? -Infinity) || 0,
  "-saved": (a, b) => (a.saved ?? Infinity) - (b.saved ?? Infinity) || 0,
};

// The list is made of groups. Only groups near the window have their cards; the others have their height.

const GROUP = 48; // full rows with one to four columns
const COLUMN = 336; // pixels
let rowHeight = 450; // pixels: a guess, until a group was shown

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) fill(target);
      else if (target.hasChildNodes() && !target.contains(document.activeElement)) empty(target);
    }
  },
  { rootMargin: "1000px" },
);

function rows(group) {
  const columns = Math.max(1, Math.floor((list.clientWidth + 16) / COLUMN));
  return Math.ceil(group.indices.length / columns);
}

function fill(group) {
  if (group.hasChildNodes()) return;
  const { items, errors = {} } = content;
  group.append(...group.indices.map((index) => cardOf(items[index], errors, controls.rendition.value)));
  group.style.minHeight = "";
}

function empty(group) {
  rowHeight = group.offsetHeight / rows(group);
  group.style.minHeight = `${group.offsetHeight}px`;
  group.replaceChildren();
}

function groupOf(indices, place) {
  const group = element("ol", { className: "group", start: place * GROUP + 1 });
  group.setAttribute("aria-labelledby", "items-title");
  group.indices = indices;
  group.style.minHeight = `${rows(group) * rowHeight}px`;
  return group;
}

function matches(item, index) {
  const rendition = controls.rendition.value;
  const type = controls.format.value;
  if (controls.failed.checked && !item.code) return false;
  if (!searched[index].includes(controls.text.value.toLowerCase())) return false;
  if (!rendition && !type) return true;
  return (item.outputs ?? []).some(
    (output) => (!rendition || output.rendition === rendition) && (!type || output.type === type),
  );
}

function update() {
  const order = ORDERS[controls.sort.value];
  const { items } = content;
  const found = items.map((_, index) => index).filter((index) => matches(items[index], index));
  found.sort((a, b) => !items[a].code - !items[b].code || order(items[a], items[b]) || a - b);
  const groups = [];
  while (groups.length * GROUP < found.length) {
    groups.push(groupOf(found.slice(groups.length * GROUP, (groups.length + 1) * GROUP), groups.length));
  }
  near.disconnect();
  list.replaceChildren(...groups);
  if (groups.length) fill(groups[0]);
  for (const group of groups) near.observe(group);
  document.getElementById("count").textContent = `${found.length} of ${items.length} items`;
}

function definition(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function showHead() {
  document.title = `${content.job} – ImageJob gallery`;
  document.getElementById("job").textContent = content.job;
  const when = content.writtenAt.replace("T", " ").replace("+00:00", " UTC");
  const run = document.getElementById("run");
  run.append(element("b", { className: content.error ? "bad" : "good" }, content.outcome));
  run.append(` · run ${content.run}`);
  if (content.runId !== String(content.run)) run.append(" (", element("bdi", {}, content.runId), ")");
  run.append(` · ${when}`);
  if (content.outputsAt) run.append(" · ", element("bdi", {}, content.outputsAt));
}

function showProblem({ code, reason, message, meaning, remedy, runbook }) {
  const part = document.getElementById("problem");
  part.hidden = false;
  part.append(element("strong", {}, `${code} ${reason}`));
  part.append(element("p", {}, element("bdi", {}, message)));
  if (meaning) part.append(element("p", {}, element("b", {}, "Meaning: "), meaning.replaceAll("`", "")));
  if (!remedy) return;
  const advice = element("p", {}, element("b", {}, "What to do: "), remedy.replaceAll("`", ""), " ");
  part.append(advice);
  advice.append(element("a", { href: runbook }, "More in the runbook"), ".");
}

function showChecks(checks) {
  const part = document.getElementById("checks");
  part.hidden = false;
  const rows = checks.map(({ name, passed, message }) =>
    element("li", {}, element("b", { className: passed ? "good" : "bad" }, passed ? "ok" : "failed"), ` ${name}: ${message ?? ""}`),
  );
  part.append(element("h2", {}, "Checks"), element("ul", {}, ...rows));
}

function showSums({ totals, formats = [] }) {
  const part = document.getElementById("sums");
  part.append(
    element(
      "dl",
      {},
      definition("Items", totals.items),
      definition("Failed", totals.failed),
      definition("Up to date", totals.skipped),
      definition("Outputs", totals.outputs),
      definition("Sources", sizeText(totals.sourceBytes)),
      definition("Outputs written", sizeText(totals.outputBytes)),
      definition("Saved", sizeText(totals.bytesSaved)),
    ),
  );
  if (!formats.length) return;
  const heads = ["Format", "Outputs", "Bytes", "Mean"].map((text) => element("th", { scope: "col" }, text));
  const rows = formats.map(({ type, outputs, bytes }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, formatName(type)),
      ...[outputs, sizeText(bytes), sizeText(Math.round(bytes / outputs))].map((text) => element("td", {}, text)),
    ),
  );
  const caption = element("caption", {}, "Sizes by format");
  part.append(element("table", {}, caption, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
}

function showControls() {
  const options = (names) => names.map((name) => element("option", { value: name }, name));
  controls.rendition.append(...options(content.renditions ?? []));
  for (const { type } of content.formats ?? []) {
    controls.format.append(element("option", { value: type }, formatName(type)));
  }
  const form = document.getElementById("controls");
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = !content.items.length;
}

showHead();
if (content.error) showProblem(content.error);
if (content.checks) showChecks(content.checks);
if (content.items.length || !content.checks) showSums(content);
showControls();
update();
