"use strict";
// Samples: each run shows its newest grid up to the chosen step, its first one before that.
const slider = document.getElementById("step");
if (slider) {
  const steps = slider.dataset.steps.split(" ").map(Number);
  slider.addEventListener("input", () => {
    const step = steps[slider.value];
    slider.setAttribute("aria-valuetext", step);
    slider.nextElementSibling.value = step.toLocaleString("en");
    for (const run of document.querySelectorAll(".run-samples")) {
      const sheets = [...run.querySelectorAll(".sheet")];
      const shown = sheets.filter((sheet) => sheet.dataset.step <= step).pop() || sheets[0];
      for (const sheet of sheets) sheet.hidden = sheet !== shown;
    }
  });
}
// Curves: the values at the pointer, read back from the points as drawn.
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg"), cursor = chart.querySelector(".cursor");
  const frame = { left: +chart.querySelector(".axis").getBBox().x, width: chart.querySelector(".axis").getBBox().width,
    top: chart.querySelector(".axis").getBBox().y, height: chart.querySelector(".axis").getBBox().height };
  const [y0, y1] = chart.dataset.y.split(" ").map(Number), [x0, x1] = chart.dataset.x.split(" ").map(Number);
  const curves = [...chart.querySelectorAll("polyline")], outputs = chart.querySelectorAll(".legend output");
  svg.addEventListener("pointermove", (event) => {
    const at = ((event.clientX - svg.getBoundingClientRect().left) * svg.viewBox.baseVal.width) / svg.clientWidth;
    const near = (points) => [...points].reduce((a, b) => (Math.abs(b.x - at) < Math.abs(a.x - at) ? b : a));
    curves.forEach((curve, number) => {
      const point = near(curve.points), y = y1 - ((point.y - frame.top) / frame.height) * (y1 - y0);
      const step = Math.round(x0 + ((point.x - frame.left) / frame.width) * (x1 - x0));
      outputs[number].value = `≈ ${Number(("log" in chart.dataset ? 10 ** y : y).toPrecision(3))} at ${step.toLocaleString("en")}`;
      cursor.setAttribute("x1", point.x), cursor.setAttribute("x2", point.x);
    });
    cursor.style.visibility = "visible";
  });
  svg.addEventListener("pointerleave", () => {
    cursor.style.visibility = "";
    for (const output of outputs) output.value = "";
  });
}
// On paper nothing can be unfolded.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
