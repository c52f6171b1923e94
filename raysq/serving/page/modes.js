// What a person can do with a run: one mode for each method that the run has, with its field and its verb.

import { imageField, json, lineField, optionGroup, textField } from "./fields.js";
import { rowsField } from "./rows.js";

const filled = (text, what) => {
  if (!text.trim()) throw new Error(`there is no ${what} yet: type one, or try the example`);
  return text;
};

const WORDS = { name: "words", label: "Words", value: 40, least: 1, most: 1000, whole: true };
const TEMPERATURE = { name: "temperature", label: "Temperature", value: 1, least: 0, most: 100 };
const SAMPLES = { name: "samples", label: "Texts", value: 1, least: 1, most: 16, whole: true };
const SEED = { name: "seed", label: "Seed", value: 0, least: 0, most: 2 ** 31 - 1, whole: true };

/** Return a field with options below it. */
const withOptions = (field, options) => {
  const group = optionGroup(options);
  field.node.append(group.node);
  const { read } = field;
  return {
    ...field,
    read: () => {
      const request = read();
      return request.json ? { ...request, json: { ...request.json, ...group.read() } } : request;
    },
  };
};

const generate = () => {
  const field = textField({
    label: "Prompt",
    help: "The beginning of the text; nothing begins a new one.",
    read: (prompt) => ({ method: "generate", json: { prompt }, type: "application/json" }),
  });
  return withOptions(field, [WORDS, TEMPERATURE, SAMPLES, SEED]);
};

const translate = () => {
  const field = textField({
    label: "Sentences",
    help: "One a line. A csv file of sentences gives a table.",
    file: "Choose a csv file",
    read: (text) => json("translate", filled(text, "sentence").split("\n").filter((line) => line.trim())),
  });
  return withOptions(field, [{ name: "beam", label: "Beam", value: 4, least: 1, most: 16, whole: true }, { name: "unknown", label: "Unknown words", choices: [["never", "never written"], ["copy", "copied"]] }]);
};

const neighbors = () =>
  withOptions(
    lineField({
      label: "Word",
      help: "A word, or a sum of words such as king - man + woman.",
      read: (text) => ({ method: "neighbors", json: /\s[-+]\s/.test(text) ? { analogies: [text] } : { inputs: [text] }, type: "application/json" }),
    }),
    [{ name: "top", label: "Neighbors", value: 10, least: 1, most: 100, whole: true }],
  );

const texts = (label, what) => () =>
  textField({
    label,
    help: "A csv file of texts gives a table. Drop it anywhere on this page.",
    file: "Choose a csv file",
    read: (text) => json("predict", [filled(text, what)]),
  });

const FIELDS = {
  text: texts("Text", "text"),
  prompt: texts("Text", "text"),
  word: texts("Text", "text"),
  sentence: texts("Sentence", "sentence"),
  image: imageField,
};

const VERBS = { classes: "Classify", forecast: "Forecast" };
/** Return an example for neighbors: the last word of a text, or its last sign where the model knows signs only. */
const wordOf = ({ kind, example }) => {
  if (kind === "word" || !example.length) return example;
  const words = example[0].trim().split(/\s+/);
  return [words.length > 1 && example[0].trim().length > 3 ? words.at(-1) : words.at(-1).slice(-1)];
};

const SCORES = { prompt: ["Score a text", "Score"], word: ["Vector of a text", "Embed"] };

/**
 * Return the modes of a run, its main one first: `{method, label, verb, beside, field, example}`, where `beside` says whether
 * the answer may stand beside the input, and `field` makes the field anew.
 */
export const modesOf = (run) => {
  const has = (method) => run.methods.includes(method);
  const { kind, example } = run.input;
  const predict = {
    method: "predict",
    label: SCORES[kind]?.[0] ?? VERBS[run.output.kind] ?? "Predict",
    verb: SCORES[kind]?.[1] ?? VERBS[run.output.kind] ?? "Predict",
    beside: kind in FIELDS,
    field: FIELDS[kind] ?? (() => rowsField(run.input)),
    example,
  };
  const own = [
    has("generate") && { method: "generate", label: "Write", verb: "Write", beside: true, field: generate, example },
    has("translate") && { method: "translate", label: "Translate", verb: "Translate", beside: true, field: translate, example },
    has("neighbors") && { method: "neighbors", label: "Nearest words", verb: "Find", beside: true, field: neighbors, example: wordOf(run.input) },
  ].filter(Boolean);
  // Translations of a file come from `predict`, with the same field.
  if (!has("predict") || has("translate")) return own;
  const main = kind === "prompt" || kind === "word" ? own : [];
  return [...main, predict, ...own.filter((mode) => !main.includes(mode))];
};
