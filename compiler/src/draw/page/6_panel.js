// What is known of one thing, beside the picture.
class Panel {
  constructor(page) {
    this.page = page;
    this.place = document.getElementById("panel");
  }

  hide() {
    this.turn(true);
  }

  /** What was in the middle stays there. */
  turn(hidden) {
    const { canvas, at } = this.page,
      before = canvas.getBoundingClientRect().width;
    this.place.hidden = hidden;
    at.x += (canvas.getBoundingClientRect().width - before) / 2;
  }

  show(unit, node) {
    const { picture } = this.page.view;
    this.place.replaceChildren(
      html(
        "button",
        { class: "close", "aria-label": "Close", title: "Close (Esc)", onclick: () => this.page.clear() },
        "\u00d7",
      ),
    );
    const i = node >= 0 ? node : unit.nodes[0];
    if (unit.leaf) this.node(picture, unit, i, node >= 0);
    else this.block(picture, unit);
    this.turn(false);
  }

  block(picture, unit) {
    const facts = [
      ["layers", count(unit.nodes.length)],
      ["repeated", unit.times > 1 ? `\u00d7${unit.times}` : ""],
      ["parameters", count(sum(picture, unit, "parameters"))],
      ["FLOPs", operations(sum(picture, unit, "flops"))],
      ["time", sum(picture, unit, "time") ? duration(sum(picture, unit, "time")) : ""],
    ];
    this.place.append(
      html("h2", {}, unit.label),
      html("p", { class: "kind" }, unit.type ?? unit.kind),
      this.table(facts),
    );
  }

  node(picture, unit, i, single) {
    const node = picture.nodes[i];
    const typed = picture.view === "network" ? node : this.typed(node);
    const about = (pictureOf("network")?.types ?? []).find((entry) => entry.type === typed?.type);
    const add = (...elements) => this.place.append(...elements.filter(Boolean));
    add(html("h2", {}, node.layer || node.text[0]), html("p", { class: "kind" }, this.kind(node, single)));
    if (node.file)
      add(
        html(
          "div",
          { class: "place", title: "where it was typed" },
          `${node.file}:${node.line ?? 0}:${node.column ?? 0}`,
        ),
      );
    for (const step of node.via ?? []) add(html("p", { class: "via" }, `in ${step}`));
    for (const call of node.callbacks ?? []) add(html("p", { class: "called" }, `\u0192 ${call}`));
    if (node.merge) this.merge(node.merge, add);
    if (typed?.arguments?.length) add(html("h3", {}, "Parameters"), this.table(typed.arguments));
    this.shapes(node, add);
    const facts = [
      ["learned numbers", typed?.parameters ? count(typed.parameters) : ""],
      [picture.view === "network" ? "bytes a sample" : "bytes", node.bytes ? bytes(node.bytes) : ""],
      ["FLOPs a sample", typed?.flops ? operations(typed.flops) : ""],
      ["device", node.device === undefined ? "" : picture.devices[node.device]],
      ["replica", node.replica === undefined ? "" : String(node.replica)],
      ["time", node.time ? duration(node.time) : ""],
    ];
    if (facts.some(([, value]) => value)) add(html("h3", {}, "Facts"), this.table(facts));
    if (about) {
      add(
        html("h3", {}, about.type),
        about.formula && html("pre", { class: "formula" }, about.formula),
        html("p", { class: "doc" }, about.doc),
      );
    }
    this.neighbours(picture, "From", picture.into[i], add);
    this.neighbours(picture, "To", picture.outOf[i], add);
    if (unit.nodes.length > 1) this.neighbours(picture, "All of this row", unit.nodes, add);
  }

  /** The layer of an operation. */
  typed(node) {
    return pictureOf("network")?.nodes.find((other) => (other.layer || other.text[0]) === node.layer);
  }

  kind(node, single) {
    const what = {
      input: "input",
      term: "loss or metric",
      output: "output",
      sync: "synchronization point",
      common: "common to all replicas",
      callback: "callback",
    }[node.kind];
    const who = node.replica !== undefined && single ? `replica ${node.replica}` : "";
    return [node.kind === "sync" ? "" : node.type, what, who, node.backward ? "backward" : ""]
      .filter((word, i, all) => word && all.indexOf(word) === i)
      .join(", ");
  }

  merge(merge, add) {
    add(
      html("h3", {}, "Merged"),
      this.table([
        ["how", merge.how],
        ["values", count(merge.values)],
        ["bytes of each", bytes(merge.bytes)],
        [
          "replicas",
          merge.last - merge.first === 1 ? String(merge.first) : `${merge.first} \u2026 ${merge.last - 1}`,
        ],
        ["tree", merge.tree],
      ]),
    );
  }

  shapes(node, add) {
    const rows = [
      ...(node.inputs ?? []).map((type, i, all) => [all.length > 1 ? `input ${i}` : "input", type]),
      ...(node.outputs ?? []).map((type, i, all) => [all.length > 1 ? `output ${i}` : "output", type]),
    ];
    if (rows.length) add(html("h3", {}, "Shapes"), this.table(rows));
  }

  neighbours(picture, title, nodes, add) {
    if (!nodes.length) return;
    const links = html("div", { class: "links" });
    for (const i of nodes.slice(0, 24)) {
      const node = picture.nodes[i];
      const text = `${node.layer || node.text[0]}${node.kind === "layer" && picture.view === "replicas" ? ` ${node.type}` : ""}${node.replica === undefined ? "" : ` r${node.replica}`}`;
      links.append(html("button", { onclick: () => this.page.go(i) }, text));
    }
    if (nodes.length > 24) links.append(`and ${nodes.length - 24} more`);
    add(html("h3", {}, title), links);
  }

  table(rows) {
    return html(
      "table",
      {},
      ...rows
        .filter(([, value]) => value !== "")
        .map(([key, value]) => html("tr", {}, html("th", { scope: "row" }, key), html("td", {}, value))),
    );
  }
}
