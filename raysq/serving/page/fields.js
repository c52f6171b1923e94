// Fields of a form. Each has `node`, `read()` to a request, `fill(example)`, `clear()`, `main` (what takes the focus),
// and `take(files)` where it takes files.

import { element, freshId } from "./dom.js";
import { bytes, count } from "./numbers.js";
import { base64, fileOf, thumbnail } from "./pictures.js";

/** Error in what was typed or chosen, and the field that it is in. */
export class InputError extends Error {
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

const TABLE = /\.(csv|tsv)$/i;
const SENT = ["image/png", "image/jpeg"]; // images that are sent as they are

export const json = (method, inputs, more = {}) => ({ method, json: { inputs, ...more }, type: "application/json" });

const csvFile = (file) => ({ method: "predict", files: [file], body: file, type: "text/csv" });

/** Return a button that chooses files. The page gives them to the field as it does dropped ones. */
const picker = (text, accept, multiple) => {
  const input = element("input", { type: "file", accept, multiple, class: "unseen" });
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = ""; // the same file can be chosen again
    if (files.length) input.dispatchEvent(new CustomEvent("files", { bubbles: true, detail: files }));
  });
  return element("label", { class: "button" }, text, input);
};

const removal = (name, remove) => element("button", { type: "button", class: "plain", "aria-label": `Remove ${name}`, click: remove }, "Remove");

/**
 * Return a field for a text, or for a csv file where `file` says so.
 *
 * @param label - what it is
 * @param help - one line below it
 * @param read - from the text to a request; throws Error
 * @param write - from the inputs of an example to the text
 * @param file - text of the button that chooses a csv file, or null
 */
export const textField = ({ label, help, read, write = ([text]) => text, file = null, mono = false }) => {
  const [id, about] = [freshId("text"), freshId("help")];
  const area = element("textarea", { id, "aria-describedby": `${about} error`, spellcheck: String(!mono), class: mono ? "mono" : null });
  const chip = element("div", { class: "dropped away" });
  let chosen = null;
  const show = (next) => {
    chosen = next;
    chip.classList.toggle("away", !next);
    area.classList.toggle("away", Boolean(next));
    chip.replaceChildren();
    if (!next) return;
    const remove = removal(next.name, () => {
      show(null);
      area.focus();
    });
    chip.append(element("p", {}, element("strong", {}, next.name), element("br"), element("span", { class: "note" }, bytes(next.size))), remove);
  };
  const take = async ([next]) => {
    if (file && TABLE.test(next.name)) return show(next);
    if (next.type && !next.type.startsWith("text/")) throw new InputError(`${next.name} is no text${file ? " and no csv file" : ""}`, area);
    show(null);
    area.value = await next.text();
  };
  const choose = file && picker(file, ".csv,.tsv,text/csv", false);
  return {
    node: element(
      "div",
      { class: "field" },
      element("div", { class: "head" }, element("label", { for: id }, label), choose),
      element("div", { class: "stack" }, area, chip),
      element("p", { class: "note", id: about }, help),
    ),
    main: area,
    take,
    clear: () => {
      show(null);
      area.value = "";
    },
    fill: (example) => {
      show(null);
      area.value = write(example);
    },
    read: () => {
      if (chosen) return csvFile(chosen);
      try {
        return read(area.value);
      } catch (error) {
        throw new InputError(error.message, area);
      }
    },
  };
};

/** Return a field for images: dropped, pasted or chosen. */
export const imageField = () => {
  const about = freshId("help");
  let chosen = [];
  const list = element("ul", { class: "thumbnails" });
  const choose = picker("Choose images", "image/*", true);
  const input = choose.querySelector("input");
  input.setAttribute("aria-describedby", `${about} error`);
  const show = (files) => {
    chosen = files;
    list.replaceChildren(
      ...files.map((file) => {
        const remove = removal(file.name, () => {
          show(chosen.filter((other) => other !== file));
          input.focus();
        });
        return element("li", {}, thumbnail(file), element("span", { class: "name" }, file.name), remove);
      }),
    );
  };
  const take = (files) => {
    const images = files.filter((file) => file.type.startsWith("image/"));
    if (!images.length) throw new InputError(`${files[0].name} is no image`, input);
    show([...chosen, ...images]);
  };
  return {
    node: element(
      "div",
      { class: "field" },
      element("div", { class: "head" }, element("span", {}, "Images"), choose),
      element("div", { class: "zone" }, list),
      element("p", { class: "note", id: about }, "Drop images anywhere on this page, paste them, or choose their files."),
    ),
    main: input,
    take,
    clear: () => show([]),
    fill: (inputs) => show(inputs.map((text) => fileOf(text, "example"))),
    read: async () => {
      if (!chosen.length) throw new InputError("there is no image yet: drop one, paste one or choose a file", input);
      const [first] = chosen;
      if (chosen.length === 1 && SENT.includes(first.type)) return { method: "predict", files: chosen, body: first, type: first.type };
      return { ...json("predict", await Promise.all(chosen.map(base64))), files: chosen };
    },
  };
};

/** Return a field for a few words in one line. */
export const lineField = ({ label, help, read }) => {
  const [id, about] = [freshId("line"), freshId("help")];
  const input = element("input", { id, type: "text", autocomplete: "off", autocapitalize: "none", "aria-describedby": `${about} error` });
  return {
    node: element("div", { class: "field" }, element("label", { for: id }, label), input, element("p", { class: "note", id: about }, help)),
    main: input,
    clear: () => {
      input.value = "";
    },
    fill: ([text]) => {
      input.value = text;
    },
    read: () => {
      if (!input.value.trim()) throw new InputError(`${label} is empty`, input);
      return read(input.value.trim());
    },
  };
};

/**
 * Return a group of options that are numbers or choices.
 *
 * @param options - `{name, label, value, least, most, whole, choices}`: a number from `least` to `most`, or
 *   a choice of `choices`, pairs of value and text
 */
export const optionGroup = (options) => {
  const inputs = options.map(({ name, label, value, choices }) => {
    const id = freshId(name);
    const input = choices
      ? element("select", { id }, choices.map(([choice, text]) => element("option", { value: choice }, text)))
      : element("input", { id, type: "text", inputmode: "decimal", value, "aria-describedby": "error" });
    return { input, node: element("div", {}, element("label", { for: id }, label), input) };
  });
  return {
    node: element("div", { class: "options" }, inputs.map(({ node }) => node)),
    read: () =>
      Object.fromEntries(
        options.map(({ name, label, least, most, whole, choices }, index) => {
          const { input } = inputs[index];
          if (choices) return [name, input.value];
          const value = Number(input.value);
          if (!input.value.trim() || !(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
            throw new InputError(`${label} takes a ${whole ? "whole " : ""}number from ${least} to ${count(most)}, received "${input.value}"`, input);
          }
          return [name, value];
        }),
      ),
  };
};
