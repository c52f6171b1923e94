// A line chart in SVG of what was observed and what is forecast, drawn anew at every width.

import { scale, tickText, ticks, timeTicks } from "./axes.js";
import { drawing, element, freshId } from "./dom.js";
import { alike } from "./numbers.js";

const MARKED = 40; // lines of at most this many points show each point
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 26;
const THUMB = 18; // width of the slider's thumb

const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

const extent = (values, margin) => {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const extra = (high - low || Math.abs(high) || 1) * margin;
  return [low - extra, high + extra];
};

const valuesOf = ({ observed, earlier, forecast, quantiles = [] }) => [observed, earlier, forecast, ...quantiles].filter((value) => value != null);

/** Return whole lines of points: a missing value ends one. */
const pieces = (points, name) => {
  const found = [[]];
  for (const point of points) {
    if (point[name] == null) found.push([]);
    else found.at(-1).push(point);
  }
  return found.filter((piece) => piece.length);
};

const draw = (svg, slider, { points, bands, time, summary }, at) => {
  const width = Math.max(240, svg.clientWidth || 640);
  const height = width < 520 ? 240 : 300;
  const range = extent(points.flatMap(valuesOf), 0.06);
  const yTicks = ticks(range, height / 55);
  const texts = yTicks.values.map((value) => tickText(value, yTicks.step));
  const left = 12 + 7 * Math.max(...texts.map((text) => text.length));
  const domain = extent(points.map((point) => point.x), points.length > 1 ? 0.01 : 0.5);
  const x = scale(domain, [left, width - RIGHT]);
  const y = scale(range, [height - BOTTOM, TOP]);
  const grid = yTicks.values.map((value, index) => [
    drawing("line", { class: "grid", x1: left, x2: width - RIGHT, y1: y(value), y2: y(value) }),
    drawing("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, texts[index]),
  ]);
  const wanted = (width - left - RIGHT) / 80;
  const numbers = time ? null : ticks(domain, wanted);
  const xTicks = time ? timeTicks(domain, wanted) : numbers.values.map((value) => ({ value, text: tickText(value, numbers.step) }));
  const axis = xTicks.map(({ value, text }) => [
    drawing("line", { class: "tick", x1: x(value), x2: x(value), y1: height - BOTTOM, y2: height - BOTTOM + 5 }),
    drawing("text", { x: Math.min(x(value), width - 18), y: height - 7, "text-anchor": "middle" }, text),
  ]);
  const ahead = points.filter((point) => point.forecast != null);
  const areas = bands.map(([low, high]) => {
    const sides = [low, high].map((index) => ahead.filter((point) => point.quantiles).map((point) => [x(point.x), y(point.quantiles[index])]));
    if (sides[0].length !== 1) return drawing("path", { class: "band", d: `${path([...sides[0], ...sides[1].reverse()])}Z` });
    // One forecast has no width: draw a bar.
    const [[[across, lower]], [[, upper]]] = sides;
    return drawing("rect", { class: "band", x: across - 6, width: 12, y: upper, height: Math.max(1, lower - upper) });
  });
  const lines = ["observed", "earlier", "forecast"].map((name) => {
    const found = pieces(points.filter((point) => name in point), name);
    const total = found.reduce((sum, piece) => sum + piece.length, 0);
    return found.map((piece) => [
      drawing("path", { class: `line ${name}`, d: path(piece.map((point) => [x(point.x), y(point[name])])) }),
      (piece.length === 1 || (name === "forecast" && total <= MARKED)) &&
        piece.map((point) => drawing("circle", { class: `dot ${name}`, cx: x(point.x), cy: y(point[name]), r: piece.length === 1 ? 4.5 : 3 })),
    ]);
  });
  const cursor = at && [
    drawing("line", { class: "cursor", x1: x(at.x), x2: x(at.x), y1: TOP, y2: height - BOTTOM }),
    ["observed", "earlier", "forecast"].map(
      (name) => at[name] != null && drawing("circle", { class: `dot ring ${name}`, cx: x(at.x), cy: y(at[name]), r: 5 }),
    ),
  ];
  // The middle of the slider's thumb stands below the point.
  slider.style.setProperty("margin-left", `${(100 * (x(points[0].x) - THUMB / 2)) / width}%`);
  slider.style.setProperty("width", `${(100 * (x(points.at(-1).x) - x(points[0].x) + THUMB)) / width}%`);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  svg.setAttribute("aria-label", summary);
  svg.replaceChildren(...[grid, axis, areas, lines, cursor].flat(4).filter(Boolean));
  return (pixel) => {
    const distances = points.map((point) => Math.abs(x(point.x) - pixel));
    return distances.indexOf(Math.min(...distances));
  };
};

const sample = (name) =>
  drawing(
    "svg",
    { viewBox: "0 0 30 12", width: 30, height: 12, "aria-hidden": "true" },
    name === "band" ? drawing("path", { class: "band", d: "M2 1H28V11H2Z" }) : drawing("path", { class: `line ${name}`, d: "M1 6H29" }),
    name === "forecast" && drawing("circle", { class: "dot forecast", cx: 15, cy: 6, r: 3 }),
  );

const readout = (point, { unit, names, bandName }, write) => {
  const say = (value) => `${write(value)}${unit ? ` ${unit}` : ""}`;
  const parts = Object.entries(names).filter(([name]) => point[name] != null).map(([name, text]) => `${text} ${say(point[name])}`);
  if (point.quantiles) parts.push(`${bandName} ${write(point.quantiles[0])} to ${say(point.quantiles.at(-1))}`);
  return `${point.label}: ${parts.join(", ") || "no value"}`;
};

/**
 * Return a figure with a chart, its legend, and a slider that reads its values to any hand, eye or ear.
 *
 * @param title - name of what is drawn, with its unit
 * @param points - by x: `{x, label, observed, earlier, forecast, quantiles}`, each of the last four where there is one
 * @param names - what the legend says of "observed", "earlier" and "forecast", of those that there are
 * @param bands - pairs of numbers of quantiles, the widest first
 * @param bandName - what the legend says of the widest
 * @param time - whether x is a time in milliseconds
 * @param unit - unit of the values, or null
 * @param summary - one sentence in place of the chart
 */
export const chart = (options) => {
  const { title, points, names, bands, bandName } = options;
  const write = alike(points.flatMap(valuesOf));
  const svg = drawing("svg", { class: "chart", role: "img", width: "100%" });
  const said = element("p", { class: "readout note" }, "Point at the chart or move the slider to read values.");
  const id = freshId("slider");
  const slider = element("input", { type: "range", id, min: 0, max: points.length - 1, value: points.length - 1, step: 1 });
  slider.setAttribute("aria-valuetext", readout(points.at(-1), options, write));
  let at = null;
  let nearest = () => 0;
  const render = () => {
    nearest = draw(svg, slider, options, at);
  };
  const show = (index) => {
    at = points[index];
    slider.value = index;
    said.textContent = readout(at, options, write);
    slider.setAttribute("aria-valuetext", said.textContent);
    render();
  };
  for (const event of ["focus", "input"]) slider.addEventListener(event, () => show(Number(slider.value)));
  const point = (event) => show(nearest(((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * svg.viewBox.baseVal.width));
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  new ResizeObserver(render).observe(svg);
  const legend = Object.entries(names).map(([name, text]) => element("li", {}, sample(name), text));
  if (bands.length) legend.push(element("li", {}, sample("band"), bandName));
  return element(
    "figure",
    { class: "forecast" },
    element("figcaption", {}, title),
    element("ul", { class: "legend" }, legend),
    svg,
    element("label", { class: "unseen", for: id }, `Read the values of ${title}`),
    slider,
    said,
  );
};
