// Tables of predictions, cut to their first rows and columns, with all of them as a csv file.

import { columnsOf, toCsv } from "./csv.js";
import { download, element } from "./dom.js";
import { alike, count, counted, shown } from "./numbers.js";

const ROWS = 10; // rows at once
const MOST = 500; // rows in the page; more are in the csv file only
const COLUMNS = 16;

/**
 * Return a table.
 *
 * @param all - rows, objects of columns
 * @param title - caption
 * @param file - name of the csv file
 * @param first - those of the rows that are shown first
 */
export const table = (all, title, file, first = []) => {
  const leading = new Set(first);
  const rows = first.length ? [...first, ...all.filter((row) => !leading.has(row))] : all;
  const every = columnsOf(rows);
  const columns = every.slice(0, COLUMNS);
  const numeric = new Set(
    columns.filter((name) => rows.slice(0, MOST).every(({ [name]: value }) => value == null || typeof value === "number")),
  );
  const writers = new Map();
  for (const name of numeric) {
    const values = rows.map((row) => row[name]).filter((value) => value != null);
    if (!values.every(Number.isInteger)) writers.set(name, alike(values));
  }
  const write = (name, value) => (value != null && writers.has(name) ? writers.get(name)(value) : shown(value));
  const line = (row) =>
    element(
      "tr",
      {},
      columns.map((name) => {
        const long = typeof row[name] === "string" && row[name].length > 40;
        return element("td", { class: numeric.has(name) ? "d" : long ? "w" : null }, write(name, row[name]));
      }),
    );
  const head = columns.map((name) => element("th", { scope: "col", class: numeric.has(name) ? "d" : null }, name));
  const body = element("tbody", {}, rows.slice(0, ROWS).map(line));
  const grid = element(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, scrolls sideways` },
    element("table", {}, element("caption", {}, title), element("thead", {}, element("tr", {}, head)), body),
  );
  const note = element("span", { class: "note" });
  const more = element("button", { type: "button" }, `Show ${count(Math.min(MOST, rows.length))} rows`);
  const tell = () => {
    const left = every.length - columns.length;
    const parts = [`${count(body.children.length)} of ${counted(rows.length, "row")}`];
    if (left) parts.push(`${count(columns.length)} of ${counted(every.length, "column")}`);
    note.textContent = body.children.length < rows.length || left ? `${parts.join(", ")} shown` : counted(rows.length, "row");
  };
  more.addEventListener("click", () => {
    body.append(...rows.slice(ROWS, MOST).map(line));
    more.remove();
    grid.focus({ preventScroll: true });
    tell();
  });
  tell();
  const save = element(
    "button",
    { type: "button", click: () => download(file, "text/csv", toCsv(all, every)) },
    rows.length === 1 ? "Download as csv" : `Download all ${counted(rows.length, "row")} as csv`,
  );
  return element("div", { class: "table" }, grid, element("div", { class: "buttons" }, note, rows.length > ROWS && more, save));
};
