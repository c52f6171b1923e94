// Fields for rows of a table: one row in a form, or many as csv or JSON.

import { toCsv } from "./csv.js";
import { element, freshId } from "./dom.js";
import { InputError, json, textField } from "./fields.js";
import { count } from "./numbers.js";

const MOST = 40; // columns of a form
const SIMPLE = ["number", "text", "time"];

const names = (columns) => columns.map(({ name }) => name).join(", ");

const manyRows = ({ columns, rows }) => {
  const least = rows > 1 ? `At least ${count(rows)} rows. ` : "";
  return textField({
    label: "Rows",
    help: `${least}${columns.length ? `Columns: ${names(columns)}.` : "As csv, or as a JSON list of objects."}`,
    file: "Choose a csv file",
    mono: true,
    write: (example) => (example.some((row) => Object.values(row).some((value) => typeof value === "object" && value)) ? JSON.stringify(example) : toCsv(example)),
    read: (text) => {
      if (!text.trim()) throw new Error("there are no rows yet: drop a csv file, or paste rows with a line of names");
      if (!/^\s*[[{]/.test(text)) return { method: "predict", body: text, type: "text/csv" };
      let rows;
      try {
        rows = JSON.parse(text);
      } catch (error) {
        throw new Error(`the rows are not JSON: ${error.message}`);
      }
      return json("predict", Array.isArray(rows) ? rows : [rows]);
    },
  });
};

const cellField = ({ name, type, values }) => {
  const id = freshId("cell");
  const input = values.length
    ? element("select", { id }, element("option", { value: "" }, "\u2013"), values.map((value) => element("option", { value }, String(value))))
    : element("input", { id, type: "text", inputmode: type === "number" ? "decimal" : null, autocomplete: "off", "aria-describedby": "error" });
  return {
    node: element("div", {}, element("label", { for: id }, name), input),
    main: input,
    fill: (value) => {
      input.value = value ?? "";
    },
    read: () => {
      const text = input.value.trim();
      if (!text) return null;
      if (type !== "number") return input.value;
      const value = Number(text);
      if (!Number.isFinite(value)) throw new InputError(`${name} takes a number, received "${input.value}"`, input);
      return value;
    },
  };
};

const oneRow = ({ columns }) => {
  const cells = columns.map(cellField);
  const empty = () => cells.forEach((cell) => cell.fill(null));
  return {
    node: element("div", { class: "options cells" }, cells.map(({ node }) => node)),
    main: cells[0].main,
    clear: empty,
    fill: ([row]) => columns.forEach(({ name }, index) => cells[index].fill(row[name])),
    read: () => {
      const row = Object.fromEntries(columns.map(({ name }, index) => [name, cells[index].read()]));
      if (Object.values(row).every((value) => value === null)) throw new InputError("all columns are empty: fill some, or try the example", cells[0].main);
      return json("predict", [row]);
    },
  };
};

/**
 * Return the field for rows.
 *
 * @param input - the run's `input`: its `columns`, and `rows`, the least number of rows
 */
export const rowsField = (input) => {
  const many = manyRows(input);
  const { columns } = input;
  const simple = input.rows === 1 && columns.length && columns.length <= MOST && columns.every(({ type }) => SIMPLE.includes(type));
  if (!simple) return many;
  const one = oneRow(input);
  let now = one;
  const group = freshId("rows");
  const choice = (label, field) => {
    const radio = element("input", { type: "radio", name: group, checked: field === one });
    const show = () => {
      now = field;
      radio.checked = true;
      one.node.hidden = field !== one;
      many.node.hidden = field !== many;
    };
    radio.addEventListener("change", show);
    return { show, node: element("label", {}, radio, element("span", {}, label)) };
  };
  const [first, second] = [choice("One row", one), choice("Many rows", many)];
  first.show();
  return {
    node: element(
      "div",
      {},
      element("fieldset", { class: "segments" }, element("legend", { class: "unseen" }, "Rows"), first.node, second.node),
      one.node,
      many.node,
    ),
    get main() {
      return now.main;
    },
    take: (files) => {
      second.show();
      return many.take(files);
    },
    clear: () => now.clear(),
    fill: (example) => now.fill(example),
    read: () => now.read(),
  };
};
