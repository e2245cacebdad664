// The page: which view, what is open and selected, where one looks.
class Page {
  constructor() {
    this.canvas = document.getElementById("canvas");
    this.views = data.pictures.map((picture) =>
      picture.view === "replicas" ? new BraidView(picture) : new NetworkView(picture),
    );
    this.panel = new Panel(this);
    Object.assign(this, {
      selected: null,
      node: -1,
      critical: false,
      timed: false,
      at: { x: 0, y: 0, k: 1 },
    });
    this.buttons();
    this.moves();
    new Search(this);
    this.turn(this.views[0]);
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("resize", () => (this.moved() ? this.look() : this.begin()));
    addEventListener("beforeprint", () => this.print());
    addEventListener("afterprint", () => this.canvas.removeAttribute("viewBox"));
  }

  buttons() {
    const on = (id, act) => document.getElementById(id).addEventListener("click", act);
    const place = document.getElementById("views");
    this.views.forEach((view, i) =>
      place.append(
        html(
          "button",
          { role: "radio", "data-index": i, "data-view": view.picture.view, onclick: () => this.turn(view) },
          view.name,
        ),
      ),
    );
    place.hidden = this.views.length < 2;
    document.getElementById("time").hidden = !this.views.some((view) => view.picture.slowest);
    on("critical", () => this.press("critical"));
    on("time", () => this.press("time"));
    on("open-all", () => this.openAll());
    on("close-all", () => this.closeAll());
    on("fit", () => this.fit());
    on("larger", () => this.zoom(1.25));
    on("smaller", () => this.zoom(0.8));
  }

  press(what) {
    const name = what === "time" ? "timed" : what;
    this[name] = !this[name];
    document.getElementById(what).setAttribute("aria-pressed", this[name]);
    this.redraw();
    if (what === "critical" && this.critical)
      this.note(
        this.path.timed
          ? `the longest chain takes ${duration(this.path.cost)}`
          : "the longest chain, estimated from FLOPs and bytes",
      );
  }

  turn(view) {
    this.view = view;
    ((this.selected = null), (this.node = -1));
    this.panel.hide();
    for (const button of document.querySelectorAll("#views button"))
      button.setAttribute("aria-checked", Number(button.dataset.index) === this.views.indexOf(view));
    document
      .getElementById("title")
      .replaceChildren(
        this.views[0].picture.title.split(":")[0],
        html(
          "small",
          {},
          view.picture.view === "replicas"
            ? view.picture.title.split(": ").pop()
            : `${plural(view.picture.nodes.length, "node")}`,
        ),
      );
    this.redraw();
    this.begin();
  }

  get path() {
    return (this.view.path ??= criticalPath(this.view.picture));
  }

  redraw() {
    const focused = document.activeElement?.closest?.("#canvas [data-key]")?.dataset.key;
    this.sheet = svg("g", { id: "sheet" }, this.view.draw(this));
    this.canvas.replaceChildren(
      svg(
        "defs",
        {},
        svg(
          "marker",
          {
            id: "arrow",
            viewBox: "0 0 8 8",
            refX: 7,
            refY: 4,
            markerUnits: "userSpaceOnUse",
            markerWidth: 8,
            markerHeight: 8,
            orient: "auto",
          },
          svg("path", { class: "arrow", d: "M0,0.8L7.5,4L0,7.2z" }),
        ),
      ),
      this.sheet,
    );
    const legend = this.view.legend(this);
    document.getElementById("legend").replaceChildren(
      ...legend.map(({ colour, text, line }) =>
        html(
          "span",
          {},
          html("i", {
            class: line ? "line" : colour.startsWith("linear") ? "ramp" : "",
            style: `background: ${colour}`,
          }),
          text,
        ),
      ),
    );
    this.look();
    if (focused) this.find(focused)?.focus({ preventScroll: true });
  }

  ramp() {
    const slowest = this.view.picture.slowest;
    return [
      {
        colour: `linear-gradient(90deg, ${[0, 0.06, 0.25, 0.55, 1].map(heat).join()})`,
        text: `0 to ${duration(slowest)}: time in the trace`,
      },
      { colour: "var(--faint)", text: "not in the trace" },
    ];
  }

  find(key) {
    return this.canvas.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  clickable(element, act) {
    element.addEventListener("click", (event) => {
      if (this.moved) return;
      event.stopPropagation();
      act();
    });
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
  }

  select(unit, node = -1) {
    ((this.selected = unit), (this.node = node));
    this.panel.show(unit, node);
    this.redraw();
  }

  clear() {
    ((this.selected = null), (this.node = -1));
    this.panel.hide();
    this.redraw();
  }

  toggle(unit) {
    const before = this.view.placeOf(unit) ?? this.view.placeOf(unit.leaves()[0]);
    unit.open = !unit.open;
    for (let at = unit; unit.open && at.children.length === 1 && !at.children[0].leaf;)
      (at = at.children[0]).open = true;
    if (unit.open && visible(this.view.root).items.length > most) {
      unit.open = false;
      this.note(`more than ${most} things at once: close something first`);
      return;
    }
    ((this.selected = unit.open ? null : unit), (this.node = -1));
    if (unit.open) this.panel.hide();
    else this.panel.show(unit, -1);
    this.redraw();
    const after = this.view.placeOf(unit) ?? this.view.placeOf(visible(unit).items[0]);
    if (before && after) {
      // what was clicked stays where it was
      this.at.x += (before.x - after.x) * this.at.k;
      this.at.y += (before.y - after.y) * this.at.k;
      this.look();
    }
  }

  openAll() {
    const units = [this.view.root];
    let refused = false;
    while (units.length) {
      const unit = units.shift();
      for (const child of unit.children)
        if (!child.leaf) {
          const was = child.open;
          child.open = true;
          if (visible(this.view.root).items.length > most) ((child.open = was), (refused = true));
          else units.push(child);
        }
    }
    if (refused) this.note(`opened as far as ${most} things go`);
    this.redraw();
    this.begin();
  }

  closeAll() {
    for (const unit of this.view.root.inside()) unit.open = false;
    this.clear();
    this.begin();
  }

  /** Opens what hides a node, selects it and looks at it. */
  go(i) {
    const unit = [...this.view.root.inside()].find((each) => each.leaf && each.nodes.includes(i));
    for (let at = unit.parent; at; at = at.parent) at.open = true;
    this.select(unit, unit.nodes.length > 1 || this.view.picture.nodes[i].merge ? i : -1);
    this.centre(unit);
  }

  centre(unit) {
    const place = this.view.placeOf(unit),
      { width, height } = this.canvas.getBoundingClientRect();
    this.at.k = Math.max(this.at.k, 0.8);
    ((this.at.x = width / 2 - place.x * this.at.k), (this.at.y = height / 2 - place.y * this.at.k));
    this.look();
  }

  // Where one looks.
  look() {
    this.sheet.setAttribute("transform", `translate(${this.at.x} ${this.at.y}) scale(${this.at.k})`);
  }

  fit() {
    const { width, height } = this.canvas.getBoundingClientRect(),
      size = this.view.size;
    const k = Math.min(1.3, (width - 24) / size.width, (height - 24) / size.height);
    this.at = { k, x: (width - size.width * k) / 2, y: Math.max(10, (height - size.height * k) / 2) };
    this.look();
  }

  /** All of it where it can be read, else its top. */
  begin() {
    this.fit();
    const { width } = this.canvas.getBoundingClientRect(),
      readable = Math.min(1, Math.max(0.62, (width - 24) / this.view.size.width));
    if (this.at.k < 0.62) this.at = { k: readable, x: (width - this.view.size.width * readable) / 2, y: 10 };
    this.look();
    this.begun = { ...this.at };
  }

  /** Whether one looks elsewhere than in the beginning. */
  moved() {
    return ["x", "y", "k"].some((part) => this.at[part] !== this.begun?.[part]);
  }

  zoom(by, x, y) {
    const { width, height } = this.canvas.getBoundingClientRect();
    ((x ??= width / 2), (y ??= height / 2));
    const k = Math.min(4, Math.max(0.03, this.at.k * by));
    this.at = { k, x: x - (x - this.at.x) * (k / this.at.k), y: y - (y - this.at.y) * (k / this.at.k) };
    this.look();
  }

  moves() {
    let from = null;
    this.canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const { left, top } = this.canvas.getBoundingClientRect();
        if (
          event.ctrlKey ||
          event.metaKey ||
          (!event.shiftKey &&
            Math.abs(event.deltaX) < Math.abs(event.deltaY) &&
            event.deltaMode === 0 &&
            Number.isInteger(event.deltaY) &&
            Math.abs(event.deltaY) >= 50)
        )
          this.zoom(Math.exp(-event.deltaY / 400), event.clientX - left, event.clientY - top);
        else ((this.at.x -= event.deltaX), (this.at.y -= event.deltaY), this.look());
      },
      { passive: false },
    );
    this.canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, at: { ...this.at } };
      this.moved = false;
    });
    addEventListener("pointermove", (event) => {
      if (!from) return;
      const dx = event.clientX - from.x,
        dy = event.clientY - from.y;
      if (!this.moved && Math.hypot(dx, dy) < 4) return;
      this.moved = true;
      this.canvas.classList.add("moving");
      ((this.at.x = from.at.x + dx), (this.at.y = from.at.y + dy));
      this.look();
    });
    addEventListener("pointerup", () => {
      from = null;
      this.canvas.classList.remove("moving");
    });
    this.canvas.addEventListener("click", (event) => {
      if (!this.moved && event.target === this.canvas && this.selected) this.clear();
    });
    this.canvas.addEventListener("focusin", (event) => {
      const box = event.target.getBoundingClientRect(),
        canvas = this.canvas.getBoundingClientRect();
      if (!event.target.matches(":focus-visible") || (box.top >= canvas.top && box.bottom <= canvas.bottom))
        return;
      this.at.y += canvas.top + canvas.height / 2 - (box.top + box.bottom) / 2;
      this.look();
    });
  }

  key(event) {
    if (event.key === "Escape") return this.selected ? this.clear() : undefined;
    if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const step = 60,
      keys = {
        "/": () => document.getElementById("search").select(),
        f: () => this.fit(),
        c: () => this.press("critical"),
        t: () => document.getElementById("time").hidden || this.press("time"),
        o: () => this.openAll(),
        x: () => this.closeAll(),
        v: () => this.turn(this.views[(this.views.indexOf(this.view) + 1) % this.views.length]),
        "+": () => this.zoom(1.25),
        "=": () => this.zoom(1.25),
        "-": () => this.zoom(0.8),
        ArrowUp: () => ((this.at.y += step), this.look()),
        ArrowDown: () => ((this.at.y -= step), this.look()),
        ArrowLeft: () => ((this.at.x += step), this.look()),
        ArrowRight: () => ((this.at.x -= step), this.look()),
      };
    if (!keys[event.key]) return undefined;
    event.preventDefault();
    return keys[event.key]();
  }

  print() {
    const { x, y, width, height } = this.view.size;
    this.sheet.removeAttribute("transform");
    this.canvas.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
    addEventListener("afterprint", () => this.look(), { once: true });
  }

  note(text) {
    const place = document.getElementById("note");
    place.textContent = text;
    place.classList.add("shown");
    clearTimeout(this.fading);
    this.fading = setTimeout(() => place.classList.remove("shown"), 3500);
  }
}

new Page();
