// The network or the pipeline as it was typed, laid out by dagre.
class NetworkView {
  constructor(picture) {
    this.picture = picture;
    this.name = picture.view === "pipeline" ? "Pipeline" : "Network";
    link(picture);
    const clusters = new Map(picture.clusters.map((cluster) => [cluster.id, cluster]));
    const frames = (id) => {
      const out = [];
      for (let at = clusters.get(id); at; at = clusters.get(at.parent)) {
        const path = at.path || at.id;
        out.unshift({ path, name: path.split(".").pop(), type: at.type, callback: at.callback });
      }
      return out;
    };
    const leaves = picture.nodes.map((node, i) => ({
      key: node.id,
      label: node.layer || node.text[0],
      name: (node.layer || node.text[0]).split(".").pop(),
      frames: frames(node.cluster),
      nodes: [i],
    }));
    this.root = treeOf(leaves, (unit) => {
      const node = picture.nodes[unit.nodes[0]];
      return [node.type, node.outputs, node.arguments, node.callbacks].join(";");
    });
  }

  /** What stands on a card. */
  lines(unit) {
    if (unit.leaf) {
      const node = this.picture.nodes[unit.nodes[0]];
      if (this.picture.view === "pipeline") return node.text;
      const type = node.kind === "input" ? "input" : node.kind === "output" ? "output" : node.type;
      const kernel = (node.arguments ?? []).filter(([key]) =>
        ["kernel_size", "stride", "p", "num_heads"].includes(key),
      );
      const more = kernel.map(([key, value]) =>
        key === "kernel_size"
          ? ` ${value.replace(/[[\]]/g, "").replace(/, /g, "\u00d7")}`
          : ` ${key[0]}${value}`,
      );
      const shape = (node.outputs?.[0] ?? "").replace(/^f32 /, "");
      return [node.layer || node.text[0], type + more.join(""), shape].filter((line) => line);
    }
    const parameters = sum(this.picture, unit, "parameters");
    const what =
      unit.type && unit.type !== "Sequential" ? unit.type : unit.kind === "section" ? "section" : "block";
    return [
      unit.kind === "block" ? unit.label : this.prefixed(unit),
      `${what}, ${plural(unit.nodes.length, "layer")}`,
      parameters ? plural(parameters, "parameter") : "",
    ].filter((line) => line);
  }

  prefixed(unit) {
    const block = unit.parent.kind === "block" ? unit.parent.label + "." : "";
    return block + unit.label;
  }

  lookOf(unit) {
    if (!unit.leaf) return unit.kind === "section" ? "section" : "block";
    const node = this.picture.nodes[unit.nodes[0]];
    if (node.callbacks) return "callback";
    return node.kind === "layer" && node.parameters ? "weights" : node.kind;
  }

  layout() {
    const { items, frames, owner } = visible(this.root);
    const depth = Math.max(0, ...frames.map((unit) => this.depth(unit)));
    const graph = new dagre.graphlib.Graph({ compound: true });
    graph.setGraph({
      rankdir: "TB",
      nodesep: 22,
      ranksep: 34 + 12 * depth,
      edgesep: 12,
      marginx: 20,
      marginy: 20,
    });
    graph.setDefaultEdgeLabel(() => ({}));
    for (const unit of items) {
      const text = this.lines(unit);
      const width = Math.max(
        widthOf(text[0], "name") + (unit.times > 1 ? 40 : 0),
        ...text.slice(1).map((line) => widthOf(line, "soft")),
      );
      graph.setNode(unit.key, {
        unit,
        text,
        width: Math.min(
          250,
          Math.max(
            96,
            width + (!unit.leaf ? 52 : ["input", "output", "term"].includes(this.lookOf(unit)) ? 46 : 30),
          ),
        ),
        height: 16 + 15.5 * text.length,
      });
    }
    for (const unit of this.root.inside()) unit.shown = false;
    for (const unit of frames) (graph.setNode(unit.key, { unit }), (unit.shown = true));
    for (const unit of [...items, ...frames])
      if (unit.parent !== this.root) graph.setParent(unit.key, unit.parent.key);
    const edges = new Map();
    this.picture.links.forEach(([from, to], i) => {
      const a = owner.get(from),
        b = owner.get(to);
      if (a === b) return;
      const key = `${a.key}>${b.key}`;
      if (!edges.has(key)) edges.set(key, { from: a, to: b, links: [] });
      edges.get(key).links.push(i);
    });
    for (const edge of edges.values()) graph.setEdge(edge.from.key, edge.to.key, { edge });
    dagre.layout(graph);
    return { graph, items, frames, edges, owner };
  }

  draw(page) {
    const { graph, frames, items } = (this.laid = this.layout());
    const back = svg("g"),
      lines = svg("g"),
      cards = svg("g");
    for (const unit of frames) back.append(this.frame(unit, graph.node(unit.key), page));
    for (const e of graph.edges()) lines.append(this.edge(graph.edge(e), page));
    for (const unit of items) cards.append(this.card(unit, graph.node(unit.key), page));
    const { width = 0, height = 0 } = graph.graph();
    this.size = { x: 0, y: 0, width: Math.max(width, 10), height: Math.max(height, 10) };
    return svg("g", {}, back, lines, cards);
  }

  frame(unit, box, page) {
    const levels =
      1 +
      Math.max(
        0,
        ...[...unit.inside()]
          .filter((each) => each.open && !each.leaf && each.shown)
          .map((each) => this.depth(each) - this.depth(unit)),
      );
    const x = box.x - box.width / 2,
      y = box.y - box.height / 2 - 13 * levels;
    box = { ...box, height: box.height + 13 * levels + 4 * (levels - 1) };
    const text = `${unit.kind === "block" ? unit.label : this.prefixed(unit)}${unit.times > 1 ? ` \u00d7${unit.times}` : ""}`;
    const head = svg(
      "g",
      {
        class: "frame-head",
        tabindex: 0,
        role: "button",
        "aria-label": `close ${text}`,
        "data-frame": unit.key,
      },
      svg("rect", { x: x + 6, y: y + 3, width: widthOf(text, "name") + 30, height: 18, fill: "transparent" }),
      svg("path", { d: `M${x + 10},${y + 12}h8`, class: "plus", stroke: "var(--soft)", "stroke-width": 1.6 }),
      svg("text", { x: x + 23, y: y + 16, class: "soft name" }, fitted(text, "name", box.width - 30, true)),
    );
    page.clickable(head, () => page.toggle(unit));
    return svg(
      "g",
      {},
      svg("rect", {
        class: "frame",
        x,
        y,
        width: box.width,
        height: box.height,
        rx: 10,
        style: unit.callback ? "stroke: var(--called); stroke-width: 2" : null,
      }),
      head,
    );
  }

  depth(unit) {
    return unit.parent ? 1 + this.depth(unit.parent) : 0;
  }

  edge({ points, edge }, page) {
    const hot = page.critical && edge.links.some((i) => page.path.edges.has(this.picture.links[i].join(">")));
    const near = page.selected && (edge.from === page.selected || edge.to === page.selected);
    const from = this.picture.edges[edge.links[0]];
    const line = svg("path", {
      class: `edge${hot ? " critical" : near ? " near" : ""}`,
      d: through(points),
      "marker-end": "url(#arrow)",
    });
    const text = edge.links.length === 1 && from.text;
    if (!text) return line;
    const middle = points[points.length >> 1];
    return svg("g", {}, line, svg("text", { class: "soft", x: middle.x + 5, y: middle.y }, text));
  }

  card(unit, box, page) {
    const x = box.x - box.width / 2,
      y = box.y - box.height / 2,
      look = this.lookOf(unit);
    const hot = page.critical && unit.nodes.some((i) => page.path.nodes.has(i));
    const group = svg("g", {
      class: `item${hot ? " critical" : ""}${page.selected === unit ? " selected" : ""}`,
      tabindex: 0,
      role: "button",
      "data-key": unit.key,
      "aria-label": box.text.join(", ") + (unit.leaf ? "" : ", closed"),
    });
    const time = page.timed && this.share(unit);
    if (unit.times > 1 || unit.kind === "repeat")
      for (const d of [8, 4])
        group.append(
          svg("rect", { class: "under", x: x + d, y: y + d, width: box.width, height: box.height, rx: 7 }),
        );
    const shape = look === "input" || look === "output" || look === "term" ? Math.min(22, box.height / 2) : 7;
    group.append(
      svg("rect", {
        class: "card",
        x,
        y,
        width: box.width,
        height: box.height,
        rx: shape,
        style: time ? `fill: ${heat(time)}` : null,
      }),
    );
    if (shape === 7)
      group.append(
        svg("path", {
          class: `bar ${look}`,
          d: `M${x + 7},${y}a7,7 0 0 0 -7,7v${box.height - 14}a7,7 0 0 0 7,7h-2v-${box.height}z`,
        }),
      );
    else group.append(svg("circle", { class: `bar ${look}`, cx: x + 13, cy: box.y, r: 4 }));
    const ink = time ? (time > 0.18 ? "fill: #fff" : "fill: #23272e") : null;
    box.text.forEach((line, i) =>
      group.append(
        svg(
          "text",
          { class: i ? "soft" : "name", x: x + (shape === 7 ? 14 : 24), y: y + 20 + 15.5 * i, style: ink },
          fitted(line, i ? "soft" : "name", box.width - (!unit.leaf ? 44 : shape === 7 ? 24 : 36), !i),
        ),
      ),
    );
    if (!unit.leaf) {
      group.append(
        svg("path", {
          class: "plus",
          d: `M${x + box.width - 20},${y + 16}h10m-5,-5v10`,
          style: ink ? "stroke: currentColor" : null,
        }),
      );
      if (unit.times > 1)
        group.append(
          svg(
            "text",
            { class: "times", x: x + box.width - 28, y: y + 20, "text-anchor": "end", style: ink },
            `\u00d7${unit.times}`,
          ),
        );
    }
    if (unit.callback || look === "callback")
      group.append(
        svg("circle", { class: "called-mark", cx: x + box.width - 3, cy: y + 3, r: 8 }),
        svg(
          "text",
          { class: "on-mark", x: x + box.width - 3, y: y + 6.5, "text-anchor": "middle" },
          "\u0192",
        ),
      );
    page.clickable(group, () => (unit.leaf ? page.select(unit) : page.toggle(unit)));
    return group;
  }

  share(unit) {
    return sum(this.picture, unit, "time") / Math.max(1e-9, this.picture.slowest);
  }

  placeOf(unit) {
    const box = this.laid.graph.node(unit.key);
    return box && { x: box.x, y: box.y - box.height / 2 };
  }

  legend(page) {
    if (page.timed) return page.ramp();
    return [
      ["weights", "with weights"],
      ["layer", "without"],
      ["block", "block: click to open"],
      ["input", "input"],
      ["term", "loss, metric"],
      ["output", "output"],
      ["called", "callback"],
    ].map(([colour, text]) => ({ colour: `var(--${colour === "block" ? "ink" : colour})`, text }));
  }
}
