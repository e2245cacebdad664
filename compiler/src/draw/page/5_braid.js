// The replicas as a braid: one strand each, that flows down through what is computed. Where values
// are merged the strands cross in a hexagon; devices are the bands they run in.
class BraidView extends BraidPlaces {
  draw(page) {
    const frames = this.place();
    const back = svg("g"),
      heads = svg("g"),
      skips = svg("g"),
      strands = svg("g", { class: page.critical ? "dim" : null }),
      rows = svg("g"),
      beads = svg("g");
    for (const band of this.bands) {
      back.append(
        svg("rect", { class: "band", x: band.x, y: 26, width: band.width, height: this.bottom - 30, rx: 12 }),
        svg("text", { class: "band-name", x: band.middle, y: 18, "text-anchor": "middle" }, band.name),
      );
    }
    for (let r = 0; r < this.replicas; ++r)
      if (this.lane >= 24)
        back.append(
          svg(
            "text",
            { class: "name", x: this.x[r], y: 46, "text-anchor": "middle", style: `fill: ${strand(r)}` },
            `r${r}`,
          ),
        );
    this.weave(strands, page);
    this.skip(skips);
    for (const row of this.placed) {
      rows.append(this.line(row, page));
      this.beads(row, beads, page);
    }
    frames.forEach((unit) => heads.append(this.bracket(unit, page)));
    this.size = { x: 0, y: 0, width: this.right + 190, height: this.bottom };
    return svg("g", {}, back, rows, skips, strands, beads, heads);
  }

  // A strand's way: its lane, and the place in each hexagon where it is mirrored, so that all cross.
  weave(into, page) {
    const crossings = [];
    let turn = -1; // mirrored; between two hexagons that follow each other, they cross again
    for (const row of this.placed) {
      turn = row.knots.length ? -turn : -1;
      for (const knot of row.knots) {
        const members = knot.last - knot.first,
          middle = (this.x[knot.first] + this.x[knot.last - 1]) / 2;
        knot.gap = Math.min(24, 30 - 2.4 * members > 11 ? 30 - 2.4 * members : 88 / members, this.lane * 0.6);
        knot.middle = middle;
        knot.half = Math.max((widthOf(knot.text, "name") + 30) / 2, ((members - 1) * knot.gap) / 2 + 20);
        knot.right = middle + knot.half + (row.unit.leaf ? 0 : 4);
        for (let r = knot.first; r < knot.last; ++r)
          (row.way ??= [])[r] = middle - turn * (r - knot.first - (members - 1) / 2) * knot.gap;
      }
    }
    for (let r = 0; r < this.replicas; ++r) {
      const own = this.placed.filter(
        (row) =>
          row.way?.[r] !== undefined || row.unit.nodes.some((i) => this.picture.nodes[i].replica === r),
      );
      let x = this.x[r],
        y = own.length ? own[0].y : 0;
      const draw = (d, rank, crosses) => crossings.push({ r, d, rank, crosses, hot: false });
      own.forEach((row, i) => {
        if (i === 0 && row.way?.[r] === undefined) return;
        const to = row.way?.[r] ?? this.x[r];
        const knotted = row.way?.[r] !== undefined,
          left = x !== this.x[r];
        const run = 16,
          bend = 52; // straight beside the hexagon, and to where the lane begins
        const slope = (a, from, b, to) =>
          draw(
            `M${a},${from}C${a},${(from + to) / 2} ${b},${(from + to) / 2} ${b},${to}`,
            Math.round(from + to),
            true,
          );
        const straight = (x, from, to) => to > from && draw(`M${x},${from}V${to}`, to, false);
        const lane = this.x[r];
        if (left && knotted && row.y - y < 100) {
          straight(x, y, y + run);
          slope(x, y + run, to, row.y - run);
          straight(to, row.y - run, row.y);
        } else {
          let at = y;
          if (left) {
            straight(x, y, y + run);
            slope(x, y + run, lane, y + bend);
            at = y + bend;
          }
          if (knotted) {
            straight(lane, at, row.y - bend);
            slope(lane, row.y - bend, to, row.y - run);
            straight(to, row.y - run, row.y);
          } else straight(lane, at, row.y);
        }
        ((x = to), (y = row.y));
      });
    }
    this.paint(into, crossings, page);
  }

  // Straight parts first; then each crossing, the strand on top by turns from the left and the right.
  paint(into, crossings, page) {
    const hot = page.critical
      ? new Set([...page.path.nodes].map((i) => this.picture.nodes[i].replica))
      : null;
    const line = ({ r, d }, back) => {
      if (back) into.append(svg("path", { class: "halo inside", d }));
      into.append(svg("path", { class: `strand${hot?.has(r) ? " critical" : ""}`, d, stroke: strand(r) }));
    };
    for (const piece of crossings) if (!piece.crosses) line(piece, false);
    const ranks = new Map();
    for (const piece of crossings.filter((c) => c.crosses)) {
      if (!ranks.has(piece.rank)) ranks.set(piece.rank, []);
      ranks.get(piece.rank).push(piece);
    }
    [...ranks.keys()]
      .sort((a, b) => a - b)
      .forEach((rank, i) => {
        const pieces = ranks.get(rank);
        if (i % 2) pieces.reverse();
        for (const piece of pieces) line(piece, true);
      });
  }

  // What a later row reads, past rows that lie between: beside the strand, or beside the hexagons.
  skip(into) {
    const seen = new Set();
    this.picture.links.forEach(([from, to]) => {
      const a = this.row_of.get(this.owner.get(from)),
        b = this.row_of.get(this.owner.get(to));
      const first = this.picture.nodes[from],
        second = this.picture.nodes[to],
        who = first.replica;
      if (a === b || b.y < a.y || (second.backward && !first.backward)) return;
      const whole = a.way?.[who] !== undefined && b.way?.[who] !== undefined;
      const key = `${a.y}>${b.y}@${whole ? "" : `${who}/${second.replica}`}`;
      if (seen.has(key)) return;
      seen.add(key);
      const between = this.placed.filter((row) => row.y > a.y && row.y < b.y).length;
      const start = this.spot(a, first),
        end = this.spot(b, second);
      if (who !== undefined && who === second.replica) {
        if (between)
          into.append(
            whole
              ? this.arc(a.knots[0].right, b.knots[0].right, a.y, b.y, Math.min(110, 26 + 7 * between))
              : this.arc(start.x, end.x, a.y, b.y, Math.min(this.lane * 0.42, 7 + 3 * between), strand(who)),
          );
      } else if (!first.merge && !second.merge && a.unit.leaf && b.unit.leaf)
        into.append(
          svg("path", {
            class: "thread",
            d: `M${start.x},${a.y}C${start.x},${(a.y + b.y) / 2} ${end.x},${(a.y + b.y) / 2} ${end.x},${b.y}`,
          }),
        );
    });
  }

  arc(x1, x2, y1, y2, by, stroke = "var(--soft)") {
    const out = Math.max(x1, x2) + by;
    return svg("path", {
      class: "skip",
      stroke,
      d: `M${x1},${y1}C${out},${y1 + 22} ${out},${y1 + 22} ${out},${(y1 + y2) / 2}S${out},${y2 - 22} ${x2},${y2}`,
    });
  }

  spot(row, node) {
    if (node.replica !== undefined) return { x: row.way?.[node.replica] ?? this.x[node.replica], y: row.y };
    const band = node.device !== undefined && !(row.unit && !row.unit.leaf) ? this.bands[node.device] : null;
    return { x: band ? band.side : this.middle, y: row.y };
  }

  line({ unit, y, knots }, page) {
    const title = this.title(unit),
      subtitle = this.subtitle(unit);
    const group = svg("g", {
      class: `row${page.selected === unit ? " selected" : ""}`,
      tabindex: 0,
      role: "button",
      "data-key": unit.key,
      "aria-label": `${title}, ${subtitle}${unit.leaf ? "" : ", closed"}`,
    });
    group.append(
      svg("rect", { class: "row-back", x: 8, y: y - 15, width: this.right + 170, height: 30, rx: 7 }),
    );
    const room = this.left - 44 - widthOf(subtitle, "soft");
    group.append(
      svg("text", { class: "soft", x: this.left - 12, y: y + 4, "text-anchor": "end" }, subtitle),
      svg(
        "text",
        { class: "name", x: this.left - 20 - widthOf(subtitle, "soft"), y: y + 4, "text-anchor": "end" },
        fitted(title, "name", room, true),
      ),
    );
    if (!unit.leaf)
      group.append(
        svg("path", {
          class: "plus",
          d: `M${14},${y}h9m-4.5,-4.5v9`,
          stroke: "var(--soft)",
          "stroke-width": 1.6,
        }),
      );
    const said = this.remark(unit, knots);
    if (said)
      group.append(svg("text", { class: "soft", x: this.right + 12, y: y + 4 }, fitted(said, "soft", 160)));
    page.clickable(group, () => (unit.leaf ? page.select(unit) : page.toggle(unit)));
    return group;
  }

  remark(unit, knots) {
    const node = this.picture.nodes[unit.nodes[0]];
    if (unit.leaf && node.callbacks) return `\u0192 ${node.callbacks[0]}`;
    if (unit.leaf && knots.length)
      return `${knots[0].how}${knots[0].values > 1 ? `, ${knots[0].values} values` : ""}`;
    if (unit.leaf && node.replica !== undefined) return (node.outputs?.[0] ?? "").replace(/^f32 /, "");
    return "";
  }

  beads({ unit, y, knots }, into, page) {
    const hot = (i) => page.critical && page.path.nodes.has(i);
    if (unit.leaf)
      for (const i of unit.nodes) if (!this.picture.nodes[i].merge) this.bead(unit, i, y, into, page, hot(i));
    const all = [...new Set(unit.nodes.map((i) => this.picture.nodes[i].replica))];
    if (!unit.leaf && !knots.length)
      for (const r of all.length > 1 ? all.filter((each) => each !== undefined) : all)
        into.append(
          this.pressable(
            svg("rect", {
              class: `bead${page.critical && unit.nodes.some((i) => this.picture.nodes[i].replica === r && hot(i)) ? " critical" : ""}`,
              x: (r === undefined ? this.middle : this.x[r]) - 8,
              y: y - 8,
              width: 16,
              height: 16,
              rx: 4,
              style: `fill: ${this.colour(unit, r, page)}`,
            }),
            () => page.toggle(unit),
          ),
        );
    for (const knot of knots)
      into.append(
        this.knot(
          unit,
          knot,
          y,
          page,
          unit.nodes.some((i) => this.picture.nodes[i].merge && hot(i)),
        ),
      );
  }

  bead(unit, i, y, into, page, hot) {
    const node = this.picture.nodes[i],
      { x } = this.spot({ y }, node);
    const style = `fill: ${this.colour(unit, node.replica, page, node)}`;
    const attributes = {
      class: `bead${hot ? " critical" : ""}${page.node === i ? " selected" : ""}`,
      style,
      "data-node": node.id,
    };
    const small = this.lane < 24 ? 4 : 6.5;
    let shape;
    if (node.kind === "output" || node.kind === "term") {
      const width = widthOf(node.text[0], "name") + 26;
      shape = svg(
        "g",
        {},
        svg("rect", {
          ...attributes,
          x: x - width / 2,
          y: y - 12,
          width,
          height: 24,
          rx: 12,
          style: `fill: var(--${node.kind})`,
        }),
        svg(
          "text",
          { class: "name", x, y: y + 4, "text-anchor": "middle", style: "fill: var(--sheet)" },
          node.text[0],
        ),
      );
    } else if (node.callbacks)
      shape = svg("path", {
        ...attributes,
        d: `M${x},${y - 9}l9,9l-9,9l-9,-9z`,
        style: "fill: var(--called)",
      });
    else if (node.kind === "common")
      shape = svg("rect", { ...attributes, x: x - 6, y: y - 6, width: 12, height: 12, rx: 2 });
    else if (node.kind === "input")
      shape = svg("circle", {
        ...attributes,
        cx: x,
        cy: y,
        r: small,
        style: `fill: var(--sheet); stroke: ${strand(node.replica ?? 0)}; stroke-width: 3`,
      });
    else shape = svg("circle", { ...attributes, cx: x, cy: y, r: small });
    shape.append(
      svg(
        "title",
        {},
        `${node.text.join(", ")}${node.replica === undefined ? "" : `, replica ${node.replica}`}`,
      ),
    );
    into.append(this.pressable(shape, () => page.select(unit, i)));
  }

  colour(unit, replica, page, node = null) {
    if (page.timed) {
      const own = node
        ? [node]
        : unit.nodes.map((i) => this.picture.nodes[i]).filter((n) => n.replica === replica);
      const time = own.reduce((all, n) => all + (n.time ?? 0), 0);
      return time ? heat(time / this.picture.slowest) : "var(--faint)";
    }
    return replica === undefined ? "var(--soft)" : strand(replica);
  }

  knot(unit, knot, y, page, hot) {
    const half = knot.half,
      h = 14;
    const selected = page.selected === unit && (page.node === knot.node || page.node < 0);
    const shape = (d) =>
      `M${knot.middle - half - d},${y}l10,${-h - d}h${2 * (half + d) - 20}l10,${h + d}l-10,${h + d}h${-(2 * (half + d) - 20)}z`;
    const group = svg("g", {
      class: `knot${selected ? " selected" : ""}${hot ? " critical" : ""}`,
      tabindex: 0,
      role: "button",
      "data-key": unit.key,
      "aria-label": `merge, ${knot.text}, replicas ${knot.first} to ${knot.last - 1}`,
    });
    if (!unit.leaf) group.append(svg("path", { class: "hexagon", d: shape(4), style: "fill: none" }));
    group.append(
      svg("path", {
        class: "hexagon",
        d: shape(0),
        style:
          page.timed && knot.node >= 0 && this.picture.nodes[knot.node].time
            ? `fill: ${heat(this.picture.nodes[knot.node].time / this.picture.slowest)}`
            : null,
      }),
      svg("text", { x: knot.middle, y: y + 4, "text-anchor": "middle" }, knot.text),
    );
    page.clickable(group, () => (unit.leaf ? page.select(unit, knot.node) : page.toggle(unit)));
    return group;
  }

  // Beads are reached from the panel of their row: the keyboard goes through rows and knots.
  pressable(shape, press) {
    shape.addEventListener("click", (event) => (event.stopPropagation(), press()));
    return shape;
  }

  // An open block: a line beside its rows, that closes it.
  bracket(unit, page) {
    const rows = unit.leaves().length && this.placed.filter((row) => this.within(row.unit, unit));
    if (!rows?.length) return svg("g");
    let depth = 0;
    for (let at = unit.parent; at && at !== this.root; at = at.parent) ++depth;
    const x = 12 + 7 * depth,
      top = Math.min(...rows.map((row) => row.y)) - 13,
      end = Math.max(...rows.map((row) => row.y)) + 13;
    const group = svg(
      "g",
      {
        class: "frame-head",
        tabindex: 0,
        role: "button",
        "data-frame": unit.key,
        "aria-label": `close ${this.title(unit)}`,
      },
      svg("title", {}, `close ${this.title(unit)}`),
      svg("rect", { x: x - 3, y: top, width: 9, height: end - top, fill: "transparent" }),
      svg("path", {
        d: `M${x + 4},${top}h-4V${end}h4`,
        fill: "none",
        stroke: "var(--faint)",
        "stroke-width": 2,
      }),
    );
    page.clickable(group, () => page.toggle(unit));
    return group;
  }

  within(unit, outer) {
    for (let at = unit; at; at = at.parent) if (at === outer) return true;
    return false;
  }

  placeOf(unit) {
    const row = this.row_of.get(unit);
    return row && { x: this.middle, y: row.y };
  }

  legend(page) {
    if (page.timed) return page.ramp();
    const strands = Array.from({ length: Math.min(this.replicas, 8) }, (_, r) => ({
      colour: strand(r),
      text: `replica ${r}`,
      line: true,
    }));
    return [
      ...strands,
      { colour: "var(--sync)", text: "merge: bytes of each replica" },
      { colour: "var(--soft)", text: "common to all" },
      { colour: "var(--called)", text: "callback" },
    ];
  }
}
