// Where the rows, lanes and bands of the braid are.
class BraidPlaces {
  constructor(picture) {
    this.picture = picture;
    const several = data.pictures.filter((each) => each.view === "replicas").length > 1;
    this.name = several ? `Phase ${/: ([^,]*),/.exec(picture.title)?.[1]}` : "Replicas";
    link(picture);
    const blocks = pictureOf("network")?.clusters;
    this.blocks = blocks && new Set(blocks.map((cluster) => cluster.path));
    const rows = this.rows();
    this.root = treeOf(
      rows,
      (unit) =>
        `${this.picture.nodes[unit.nodes[0]].type}/${this.picture.nodes[unit.nodes[0]].outputs}/${unit.nodes.length}`,
    );
    for (const unit of this.root.children)
      if (unit.key === "block:backward pass" && unit.children.length <= openUpTo) unit.open = true;
  }

  /** What all replicas do alike is one row, in an order in which values are made before they are used. */
  rows() {
    const rows = new Map(),
      seen = new Map(),
      rowOf = [];
    this.picture.nodes.forEach((node, i) => {
      const base = [node.kind, node.layer || node.text[0], node.type, node.backward ?? ""].join("|");
      const who = `${base}@${node.kind === "sync" ? node.merge?.first : (node.replica ?? `d${node.device}`)}`;
      seen.set(who, (seen.get(who) ?? 0) + 1);
      const key = `${base}|${seen.get(who)}`;
      if (!rows.has(key)) rows.set(key, { key, nodes: [] });
      rows.get(key).nodes.push(i);
      rowOf[i] = rows.get(key);
    });
    const list = [...rows.values()];
    list.forEach((row, i) => (row.index = i));
    const edges = new Set(
      this.picture.links.map(([from, to]) => rowOf[from].index * list.length + rowOf[to].index),
    );
    const order = inOrder(
      list.length,
      [...edges].map((e) => [Math.floor(e / list.length), e % list.length]),
    );
    return order.map((i) => this.row(list[i]));
  }

  row({ key, nodes }) {
    const node = this.picture.nodes[nodes[0]];
    const label = node.layer || node.text[0];
    const frames = node.backward ? [{ path: "backward pass", name: "backward pass" }] : [];
    const parts = label.split(/ \+ | and /)[0].split(".");
    for (let n = 1; n < parts.length; ++n) {
      const path = parts.slice(0, n).join(".");
      if (this.blocks && !this.blocks.has(path)) break; // "fc1.weight" is no block
      frames.push({ path: node.backward ? `${path} (backward)` : path, name: parts[n - 1] });
    }
    return { key, label, name: parts[parts.length - 1], frames, nodes };
  }

  // Where things are. Lanes are far enough apart for a bead, and near enough to be seen together.
  measure(items) {
    const replicas = Math.max(1, this.picture.replicas ?? 1);
    const lane = replicas <= 4 ? 64 : replicas <= 8 ? 48 : replicas <= 16 ? 30 : Math.max(8, 480 / replicas);
    const left = Math.min(
      310,
      76 +
        Math.max(
          60,
          ...items.map((unit) => widthOf(this.title(unit), "name") + widthOf(this.subtitle(unit), "soft")),
        ),
    );
    const device = new Array(replicas).fill(0);
    for (const node of this.picture.nodes)
      if (node.replica !== undefined && node.device !== undefined) device[node.replica] = node.device;
    const x = device.map((d, r) => left + lane / 2 + 10 + r * lane + d * lane * 0.6);
    const names = this.picture.devices ?? [];
    const own = names.map((_, d) => x.filter((_, r) => device[r] === d));
    const bands = names.map((name, d) => {
      const strands = own[d].length ? own[d] : [left + 10 + lane / 2];
      const from = Math.min(...strands) - lane * 0.8 + 1.5,
        to = Math.max(...strands) + lane * 0.8 - 1.5;
      return {
        name,
        x: from,
        width: to - from,
        middle: (Math.min(...strands) + Math.max(...strands)) / 2,
        side: to - Math.max(9, lane * 0.22),
      };
    });
    const right = Math.max(...bands.map((band) => band.x + band.width), left + 60);
    Object.assign(this, { replicas, lane, left, right, x, bands, middle: (x[0] + x[replicas - 1]) / 2 });
  }

  title(unit) {
    return unit.leaf
      ? unit.label
      : `${unit.kind === "block" || unit.parent.kind !== "block" ? unit.label : `${unit.parent.label}.${unit.label}`}${unit.times > 1 ? ` \u00d7${unit.times}` : ""}`;
  }

  subtitle(unit) {
    if (unit.leaf) return this.picture.nodes[unit.nodes[0]].type ?? "";
    return plural(unit.leaves().length, "step");
  }

  /** The hexagons of a row: one for each group of replicas; of a closed block one for all that is in it. */
  knots(unit) {
    const nodes = unit.nodes.filter((i) => this.picture.nodes[i].merge);
    if (unit.leaf)
      return nodes.map((i) => ({
        node: i,
        ...this.picture.nodes[i].merge,
        text: bytes(this.picture.nodes[i].merge.bytes),
      }));
    if (!nodes.length) return [];
    const merges = nodes.map((i) => this.picture.nodes[i].merge);
    const total = merges.reduce((all, merge) => all + merge.bytes, 0);
    return [
      {
        node: -1,
        first: Math.min(...merges.map((m) => m.first)),
        last: Math.max(...merges.map((m) => m.last)),
        text: `${plural(nodes.length, "merge")}, ${bytes(total)}`,
      },
    ];
  }

  place() {
    const { items, frames, owner } = visible(this.root);
    const at = new Map(items.map((unit, i) => [unit, i]));
    const edges = new Set();
    for (const [from, to] of this.picture.links)
      edges.add(at.get(owner.get(from)) * items.length + at.get(owner.get(to)));
    const order = inOrder(
      items.length,
      [...edges].map((e) => [Math.floor(e / items.length), e % items.length]),
    );
    this.measure(items);
    let y = 48,
      knotted = false;
    this.placed = order.map((i) => {
      const unit = items[i],
        knots = this.knots(unit);
      y += knots.length ? (knotted ? 84 : 66) : knotted ? 62 : 32;
      knotted = knots.length > 0;
      return { unit, knots, y };
    });
    this.row_of = new Map(this.placed.map((row) => [row.unit, row]));
    this.bottom = y + 44;
    this.owner = owner;
    return frames;
  }
}
