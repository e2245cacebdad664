"use strict";
// Under the pointer: a line through the chart and the values of all curves at this step.
for (const figure of document.querySelectorAll(".chart")) {
  const svg = figure.querySelector("svg"), cursor = figure.querySelector(".cursor");
  const output = figure.querySelector("output");
  const data = JSON.parse(figure.querySelector("script").textContent);
  const [left, right] = data.x, [first, last] = data.steps;

  // The place in a sorted list of what is nearest.
  const nearest = (steps, step) => {
    let low = 0, high = steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle + 1; else high = middle;
    }
    return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
  };

  const hide = () => { cursor.setAttribute("hidden", ""); output.hidden = true; };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const wanted = first + ((event.clientX - box.left) / scale - left) / (right - left) * (last - first);
    if (wanted < first - (last - first) * .02 || wanted > last + (last - first) * .02) return hide();
    const lines = data.lines.filter(line => line.steps.length);
    const step = lines.length ? lines[0].steps[nearest(lines[0].steps, wanted)] : 0;
    const x = left + (step - first) / (last - first) * (right - left);
    cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.removeAttribute("hidden");
    output.textContent = "step " + step.toLocaleString("en") + lines.map(line => {
      const at = nearest(line.steps, step);
      const where = line.steps[at] === step ? "" : " (step " + line.steps[at].toLocaleString("en") + ")";
      return "\n" + line.name + "  " + line.values[at] + where;
    }).join("");
    output.hidden = false;
    const place = x * scale + box.left - figure.getBoundingClientRect().left;
    output.style.top = "44px";
    output.style.left = (place + output.offsetWidth + 14 > figure.clientWidth
                         ? place - output.offsetWidth - 12 : place + 12) + "px";
  });
}
