// What is typed finds nodes; what is taken is opened and shown.
class Search {
  constructor(page) {
    this.page = page;
    this.input = document.getElementById("search");
    this.list = document.getElementById("found");
    this.input.addEventListener("input", () => this.seek());
    this.input.addEventListener("focus", () => this.seek());
    this.input.addEventListener("blur", () => setTimeout(() => this.show([]), 150));
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  seek() {
    const words = this.input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) return this.show([]);
    const { nodes } = this.page.view.picture,
      found = [];
    for (let i = 0; i < nodes.length && found.length < 30; ++i) {
      const node = nodes[i];
      const text = [
        node.layer,
        ...node.text,
        node.type,
        node.file && `${node.file}:${node.line}`,
        node.replica === undefined ? "" : `replica ${node.replica}`,
      ]
        .join(" ")
        .toLowerCase();
      if (words.every((word) => text.includes(word))) found.push(i);
    }
    return this.show(found);
  }

  show(found) {
    ((this.found = found), (this.at = 0));
    this.list.replaceChildren(
      ...found.map((i, k) => {
        const node = this.page.view.picture.nodes[i];
        return html(
          "li",
          {
            role: "option",
            "aria-selected": k === 0,
            onmousedown: (event) => (event.preventDefault(), this.take(k)),
          },
          node.layer || node.text[0],
          html(
            "span",
            {},
            `${node.type ?? node.kind}${node.replica === undefined ? "" : `, r${node.replica}`}`,
          ),
        );
      }),
    );
    this.list.hidden = !found.length;
    this.input.setAttribute("aria-expanded", found.length > 0);
  }

  key(event) {
    if (event.key === "Escape") {
      this.show([]);
      this.input.blur();
    } else if (event.key === "Enter" && this.found.length) this.take(this.at);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.at = Math.max(0, Math.min(this.found.length - 1, this.at + (event.key === "ArrowDown" ? 1 : -1)));
      [...this.list.children].forEach((item, k) => item.setAttribute("aria-selected", k === this.at));
      this.list.children[this.at]?.scrollIntoView({ block: "nearest" });
    }
  }

  take(k) {
    const node = this.found[k];
    this.show([]);
    this.input.blur();
    this.page.go(node);
  }
}
