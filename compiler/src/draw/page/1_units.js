// What a picture shows: units, which are leaves, blocks, repeats of equal blocks, or sections of what
// is long. A block that is closed is drawn as one thing.
const data = JSON.parse(document.getElementById("graph").textContent);
const pictureOf = (view) => data.pictures.find((picture) => picture.view === view);

const longest = 80; // children of one unit; what has more is cut into sections
const most = 500; // things drawn at once
const openUpTo = 30; // leaves that are shown without a click

class Unit {
  constructor(kind, key, label, parent) {
    Object.assign(this, { kind, key, label, parent, children: [], nodes: [], open: false, times: 1 });
  }
  get leaf() {
    return this.children.length === 0;
  }
  leaves() {
    return this.leaf ? [this] : this.children.flatMap((child) => child.leaves());
  }
  *inside() {
    for (const child of this.children) {
      yield child;
      yield* child.inside();
    }
  }
}

/** Two units with equal signatures are drawn as one and a multiplier. */
function signature(unit, node) {
  if (unit.leaf) return `${unit.name}:${node(unit)}`;
  return `${unit.type ?? ""}(${unit.children.map((child) => signature(child, node)).join()})`;
}

function named(children) {
  const end = (unit, at) => (unit.kind === "section" ? end(unit.children.at(at), at) : unit.name);
  const first = end(children[0], 0),
    last = end(children[children.length - 1], -1);
  return first === last ? first : `${first} \u2026 ${last}`;
}

function gather(kind, parent, children) {
  const whole = new Unit(kind, `${kind}:${children[0].key}`, named(children), parent);
  whole.name = whole.label;
  whole.children = children;
  for (const child of children) child.parent = whole;
  return whole;
}

/** Neighbours that are equal blocks become one repeat. */
function repeats(unit, node) {
  for (const child of unit.children) repeats(child, node);
  const out = [];
  for (let i = 0; i < unit.children.length;) {
    let end = i + 1;
    const first = unit.children[i];
    if (!first.leaf) {
      const one = signature(first, node);
      while (
        end < unit.children.length &&
        !unit.children[end].leaf &&
        signature(unit.children[end], node) === one
      )
        ++end;
    }
    const run = unit.children.slice(i, end);
    if (run.length === unit.children.length && run.length > 1 && unit.parent) unit.times = run.length;
    else if (run.length > 1) {
      const whole = gather("repeat", unit, run);
      whole.times = run.length;
      out.push(whole);
      i = end;
      continue;
    }
    out.push(...run);
    i = end;
  }
  unit.children = out;
}

/** What follows each other in a long list becomes sections: no cycle can come of that. */
function sections(unit) {
  for (const child of [...unit.children]) sections(child);
  while (unit.children.length > longest) {
    const size = Math.max(20, Math.ceil(Math.sqrt(unit.children.length)));
    const out = [];
    for (let i = 0; i < unit.children.length; i += size) {
      const part = unit.children.slice(i, i + size);
      if (part.length > 1) {
        const whole = gather("section", unit, part);
        if (unit.times > 1) whole.times = part.reduce((all, child) => all + child.times, 0);
        out.push(whole);
      } else out.push(part[0]);
    }
    unit.children = out;
  }
}

/** `leaves`: {key, name, label, frames: [{path, type, callback}], nodes: [index]} in an order that works. */
function treeOf(leaves, like) {
  const root = new Unit("root", "", "", null);
  const blocks = new Map();
  root.open = true;
  for (const leaf of leaves) {
    let at = root;
    for (const frame of leaf.frames) {
      let block = blocks.get(frame.path);
      if (!block) {
        block = new Unit("block", `block:${frame.path}`, frame.path, at);
        Object.assign(block, { name: frame.name, type: frame.type, callback: frame.callback });
        blocks.set(frame.path, block);
        at.children.push(block);
      }
      at = block;
    }
    const unit = new Unit("leaf", leaf.key, leaf.label, at);
    Object.assign(unit, { name: leaf.name, nodes: leaf.nodes });
    at.children.push(unit);
  }
  repeats(root, like);
  sections(root);
  for (const unit of root.inside()) if (!unit.leaf) unit.nodes = unit.leaves().flatMap((leaf) => leaf.nodes);
  if (leaves.length <= openUpTo) for (const unit of root.inside()) unit.open = true;
  return root;
}

/** What is to be drawn: units that are leaves or closed, and the open ones around them. */
function visible(root) {
  const items = [],
    frames = [],
    owner = new Map();
  const walk = (unit) => {
    for (const child of unit.children) {
      if (!child.leaf && child.open) {
        frames.push(child);
        walk(child);
      } else {
        items.push(child);
        for (const node of child.nodes) owner.set(node, child);
      }
    }
  };
  walk(root);
  return { items, frames, owner };
}

/** Indices in an order in which every edge leads forward; where there are cycles, the first is taken. */
function inOrder(count, edges) {
  const out = Array.from({ length: count }, () => []),
    missing = new Array(count).fill(0);
  for (const [from, to] of edges) if (from !== to) (out[from].push(to), ++missing[to]);
  const order = [],
    done = new Array(count).fill(false);
  let ready = [],
    low = 0;
  for (let i = 0; i < count; ++i) if (!missing[i]) ready.push(i);
  const take = (i) => {
    done[i] = true;
    order.push(i);
    for (const next of out[i]) if (--missing[next] === 0 && !done[next]) insert(ready, next);
  };
  while (order.length < count) {
    if (ready.length) {
      const next = ready.shift();
      if (!done[next]) take(next);
    } else {
      while (done[low]) ++low;
      take(low);
    }
  }
  return order;
}

function insert(sorted, value) {
  let low = 0,
    high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  sorted.splice(low, 0, value);
}

/** Indices of nodes and edges by id, once. */
function link(picture) {
  const at = new Map(picture.nodes.map((node, i) => [node.id, i]));
  picture.links = picture.edges.map((edge) => [at.get(edge.from), at.get(edge.to)]);
  picture.at = at;
  picture.into = picture.nodes.map(() => []);
  picture.outOf = picture.nodes.map(() => []);
  for (const [from, to] of picture.links) (picture.outOf[from].push(to), picture.into[to].push(from));
  picture.slowest = 0;
  for (const node of picture.nodes) picture.slowest = Math.max(picture.slowest, node.time ?? 0);
}

/** The chain of nodes that takes longest: by a trace, else by an estimate, 16 operations a byte. */
function criticalPath(picture) {
  const order = inOrder(picture.nodes.length, picture.links);
  const best = new Array(picture.nodes.length).fill(0),
    before = best.map(() => -1);
  let last = -1;
  for (const i of order) {
    best[i] += picture.slowest
      ? (picture.nodes[i].time ?? 0)
      : (picture.nodes[i].bytes ?? 0) + work(picture, i) / 16;
    for (const next of picture.outOf[i])
      if (best[i] > best[next] || before[next] < 0) ((best[next] = best[i]), (before[next] = i));
    if (last < 0 || best[i] >= best[last]) last = i;
  }
  const nodes = new Set(),
    edges = new Set();
  for (let i = last; i >= 0; i = before[i]) {
    nodes.add(i);
    if (before[i] >= 0) edges.add(`${before[i]}>${i}`);
  }
  return { nodes, edges, cost: best[last] ?? 0, timed: picture.slowest > 0 };
}

/** Floating-point operations: of a replica, its share of its layer's, spread over the layer's operations. */
function work(picture, i) {
  const node = picture.nodes[i];
  if (picture.view !== "replicas") return node.flops ?? 0;
  if (!picture.flops) {
    picture.flops = new Map((pictureOf("network")?.nodes ?? []).map((n) => [n.layer, n.flops ?? 0]));
    picture.steps = new Map();
    for (const n of picture.nodes)
      picture.steps.set(`${n.layer}@${n.replica}`, (picture.steps.get(`${n.layer}@${n.replica}`) ?? 0) + 1);
  }
  if (node.kind !== "layer") return 0;
  const samples = Number(/\[(\d+)/.exec(node.outputs?.[0] ?? "")?.[1] ?? 1);
  return (
    ((picture.flops.get(node.layer) ?? 0) * samples) / picture.steps.get(`${node.layer}@${node.replica}`)
  );
}
