// Drawing: elements, texts that fit, numbers that are read.
const svgSpace = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(svgSpace, name);
  for (const [key, value] of Object.entries(attributes))
    if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes))
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const pen = document.createElement("canvas").getContext("2d");
const faces = {
  name: '600 12.5px ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif',
  soft: '11.5px ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif',
};

function widthOf(text, face) {
  pen.font = faces[face];
  return pen.measureText(text).width;
}

/** The end of a path says more than its beginning. */
function fitted(text, face, width, keepEnd = false) {
  if (widthOf(text, face) <= width) return text;
  let low = 0,
    high = text.length;
  const cut = (n) => (keepEnd ? "\u2026" + text.slice(text.length - n) : text.slice(0, n) + "\u2026");
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (widthOf(cut(middle), face) <= width) low = middle;
    else high = middle - 1;
  }
  return cut(low);
}

const count = (n) => n.toLocaleString("en-US");
const plural = (n, one) => `${count(n)} ${one}${n === 1 ? "" : "s"}`;

function scaled(n, units, step) {
  let unit = 0;
  while (n >= step && unit + 1 < units.length) ((n /= step), ++unit);
  return `${unit && n < 100 ? n.toFixed(1).replace(/\.0$/, "") : Math.round(n)} ${units[unit]}`;
}
const bytes = (n) => scaled(n, ["B", "KiB", "MiB", "GiB", "TiB"], 1024);
const operations = (n) => scaled(n, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP"], 1000);
const duration = (us) => scaled(us, ["\u00b5s", "ms", "s"], 1000);
const strand = (replica) => `var(--s${replica % 8})`;

const stops = [
  [253, 233, 184],
  [247, 163, 92],
  [209, 36, 47],
  [92, 12, 58],
];

/** 0 is pale, 1 is dark; small parts of the whole stay apart. */
function heat(share) {
  const at = Math.sqrt(Math.min(1, Math.max(0, share))) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  const mixed = stops[i].map((low, k) => Math.round(low + (stops[i + 1][k] - low) * (at - i)));
  return `rgb(${mixed.join()})`;
}

const sum = (picture, unit, key) => unit.nodes.reduce((all, i) => all + (picture.nodes[i][key] ?? 0), 0);

/** A line through points with round corners. */
function through(points) {
  let d = `M${points[0].x},${points[0].y}`;
  for (let i = 1; i + 1 < points.length; ++i) {
    const a = points[i],
      b = points[i + 1];
    const x = i + 2 < points.length ? (a.x + b.x) / 2 : b.x,
      y = i + 2 < points.length ? (a.y + b.y) / 2 : b.y;
    d += `Q${a.x},${a.y} ${x},${y}`;
  }
  if (points.length === 2) d += `L${points[1].x},${points[1].y}`;
  return d;
}
