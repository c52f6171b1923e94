// The answer of a run that forecasts: its charts, with the recent history beside them, and its table.

import { chart } from "./chart.js";
import { element, freshId } from "./dom.js";
import { alike, counted, number } from "./numbers.js";
import { table } from "./table.js";

const CHARTS = 6; // targets that are drawn
const LEAST = 60; // rows of history where there are as many
const MOST = 500; // points of a line
const PAST = 3; // length of the history, in lengths of what lies ahead
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:\d\d)?$/;

/** Return a function from the texts of times to milliseconds as a clock at the first of them shows them. */
const clock = (first) => {
  const zone = TIME.exec(first)?.[3];
  const ahead = zone && zone !== "Z" ? (zone[0] === "-" ? -1 : 1) * (60 * zone.slice(1, 3) + Number(zone.slice(4))) : 0;
  return (text) => {
    const [, day, hour = "00:00", offset = "Z"] = TIME.exec(text) ?? [];
    return day ? Date.parse(`${day}T${hour}${offset}`) + ahead * 60_000 : NaN;
  };
};

/** Return the text of a time for people: without seconds and hours where they say nothing. */
const timeText = (value) => {
  const parts = typeof value === "string" ? TIME.exec(value) : null;
  if (!parts) return value == null ? "a time that is not known" : String(value);
  const hour = (parts[2] ?? "").replace(/\.0+$/, "").replace(/^(\d\d:\d\d):00$/, "$1");
  return `${parts[1]}${hour && ` ${hour}`}${parts[3] && parts[3] !== "Z" ? ` (UTC${parts[3]})` : ""}`;
};

const seriesOf = (row, keys) => JSON.stringify(keys.map((key) => row[key]));

// Names such as "T (degC)" have their unit already.
const titleOf = ({ name, unit }) => (unit && !/\(.+\)\s*$/.test(name) ? `${name} (${unit})` : name);

/** Return the columns of a forecast, or null for another table. Names that the rows have have "forecast_" in front. */
const layoutOf = (row, { targets, quantiles, unit }) => {
  const names = Object.keys(row);
  const is = (index, name) => new RegExp(`^(forecast_)*${name}$`).test(names[index] ?? "");
  const first = names.findIndex((_, index) => is(index, "row") && is(index + 1, "time") && is(index + 2, "from"));
  if (first < 0) return null;
  const [, time, from, horizon] = names.slice(first);
  return {
    keys: names.slice(0, first),
    columns: { time, from, horizon: is(first + 3, "horizon") && !targets.includes(horizon) ? horizon : null },
    targets: targets.map((name) => ({
      name,
      unit: targets.length === 1 ? unit : null,
      quantiles: (quantiles[name] ?? []).map((column) => [column, Number(column.slice(name.length + 2))]),
    })),
  };
};

const bandName = (quantiles) => `${number(100 * quantiles[0][1], 2)} % to ${number(100 * quantiles.at(-1)[1], 2)} %`;

const sentence = (rows, target, { columns }) => {
  const last = rows.at(-1);
  const { quantiles } = target;
  const [low, high] = [quantiles[0], quantiles.at(-1)];
  const write = alike([last[target.name], ...quantiles.map(([column]) => last[column])]);
  const between = quantiles.length > 1 ? ` (${bandName(quantiles)}: ${write(last[low[0]])} to ${write(last[high[0]])})` : "";
  const horizon = columns.horizon ? `, ${last[columns.horizon]} ahead` : "";
  return `${write(last[target.name])}${target.unit ? ` ${target.unit}` : ""} at ${timeText(last[columns.time])}${horizon}${between}`;
};

/** Merge rows of history and forecasts into points by x. */
const pointsOf = (past, earlier, ahead, target, columns) => {
  const all = [...past, ...earlier, ...ahead];
  const first = all.find((row) => typeof row[columns.time] === "string");
  const read = first ? clock(first[columns.time]) : Number;
  const points = new Map();
  const add = (row, name) => {
    const x = row[columns.time] == null ? NaN : read(row[columns.time]);
    if (Number.isNaN(x)) return;
    if (!points.has(x)) points.set(x, { x, label: timeText(row[columns.time]) });
    points.get(x)[name] = row[target.name];
    if (name === "forecast" && target.quantiles.length > 1) points.get(x).quantiles = target.quantiles.map(([column]) => row[column]);
  };
  past.forEach((row) => add(row, "observed"));
  earlier.forEach((row) => add(row, "earlier"));
  ahead.forEach((row) => add(row, "forecast"));
  return { points: [...points.values()].sort((a, b) => a.x - b.x), time: Boolean(first) };
};

const readerOf = (time) => (typeof time === "string" ? clock(time) : Number);

/**
 * Return the forecasts of a series that lie ahead: with several horizons the latest ones, with one horizon those of all
 * rows after the last one.
 */
const aheadOf = (history, rows, { columns }) => {
  const last = rows.at(-1)[columns.from];
  if (columns.horizon) return rows.filter((row) => row[columns.from] === last);
  const end = history.length ? history.at(-1)[columns.time] : last;
  const read = readerOf(end);
  return rows.filter((row) => row[columns.time] == null || read(row[columns.time]) > read(end));
};

const chartOf = (history, rows, future, target, { columns }) => {
  const seen = history.filter((row) => target.name in row);
  const end = history.length ? history.at(-1)[columns.time] : rows.at(-1)[columns.from];
  const read = readerOf(end);
  const ahead = future.slice(-MOST);
  const begin = read(end) - PAST * (Math.max(...ahead.map((row) => read(row[columns.time])), read(end)) - read(end));
  const recent = (found) => found.filter((row, index) => index >= found.length - LEAST || read(row[columns.time]) >= begin).slice(-MOST);
  const past = recent(seen);
  const passed = columns.horizon ? [] : rows.slice(0, rows.length - future.length);
  const earlier = recent(passed);
  const { points, time } = pointsOf(past, earlier, ahead, target, columns);
  if (!points.some((point) => point.forecast != null)) {
    return element("p", { class: "note" }, `No chart of ${target.name}: the rows do not tell the times of what follows them.`);
  }
  const { quantiles } = target;
  const half = Math.floor(quantiles.length / 2);
  const bands = Array.from({ length: half }, (_, index) => [index, quantiles.length - 1 - index]);
  const names = {};
  if (past.length) names.observed = "observed";
  if (earlier.length) names.earlier = "forecast of rows since observed";
  names.forecast = "forecast";
  return chart({
    title: titleOf(target),
    unit: target.unit,
    points,
    time,
    names,
    bands,
    bandName: half ? bandName(quantiles) : "",
    summary: `Line chart of ${titleOf(target)}: ${counted(past.length, "row")} of history and ${counted(ahead.length, "forecast")}, the last ${sentence(ahead, target, { columns })}. The table below has the numbers.`,
  });
};

/**
 * Return the verdict and the elements of a forecast, or null where the predictions are none.
 *
 * @param answer - what `/predict` answered
 * @param output - the run's `output`
 * @param file - name of the csv file of the table
 */
export const forecast = ({ predictions, history = [] }, output, file) => {
  const layout = layoutOf(predictions[0], output);
  if (!layout) return null;
  const { keys, targets } = layout;
  const series = [...new Set(predictions.map((row) => seriesOf(row, keys)))];
  const place = element("div");
  const draw = (name) => {
    const rows = predictions.filter((row) => seriesOf(row, keys) === name);
    const past = history.filter((row) => seriesOf(row, keys) === name);
    const future = aheadOf(past, rows, layout);
    place.replaceChildren(...targets.slice(0, CHARTS).map((target) => chartOf(past, rows, future, target, layout)));
    if (targets.length > CHARTS) {
      place.append(element("p", { class: "note" }, `${counted(targets.length - CHARTS, "other target")} in the table.`));
    }
    place.append(table(predictions, future.length < predictions.length ? "Forecasts, the latest first" : "Forecasts", file, future));
  };
  draw(series[0]);
  const id = freshId("series");
  const choose = element(
    "select",
    { id, change: () => draw(choose.value) },
    series.map((name) => element("option", { value: name }, JSON.parse(name).join(", "))),
  );
  const chooser = series.length > 1 && element("p", { class: "choice" }, element("label", { for: id }, "Series"), " ", choose);
  const [target] = targets;
  const first = predictions.filter((row) => seriesOf(row, keys) === series[0]);
  const which = series.length > 1 ? ` of ${JSON.parse(series[0]).join(", ")}` : "";
  return {
    verdict: `${target.name}${which}: ${sentence(first, target, layout)}`,
    parts: [chooser, place],
  };
};
