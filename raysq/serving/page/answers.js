// What is shown of the answers of each method: a verdict in one line, and the elements below it.

import { bars } from "./bars.js";
import { element } from "./dom.js";
import { forecast } from "./forecast.js";
import { count, counted, number, percent, shown } from "./numbers.js";
import { thumbnail } from "./pictures.js";
import { table } from "./table.js";

const GALLERY = 24; // images whose pictures are shown with their answers
const NEXT = /(\S.*?) (\d\.\d{3})(?:, |$)/gs; // a word and its probability

const remark = (text) => text && element("p", { class: "remark" }, text);

const figures = (pairs) => element("dl", { class: "figures" }, pairs.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));

const titled = (title, node) => element("div", {}, element("h3", {}, title), node);

/** Return the targets that a row has, as `{name, prefix, unit}`; columns of classes begin with `prefix`, "" for values. */
const targetsOf = (row, { targets, unit }) =>
  targets
    .filter((name) => name in row)
    .map((name) => {
      const prefix = targets.length > 1 ? `${name}_p_` : "p_";
      const classes = typeof row[name] === "string" && `${prefix}${row[name]}` in row;
      return { name, prefix: classes ? prefix : "", unit: targets.length > 1 ? null : unit };
    });

const sharesOf = (row, { prefix }) =>
  Object.entries(row)
    .filter(([name, share]) => name.startsWith(prefix) && typeof share === "number")
    .map(([name, share]) => ({ name: name.slice(prefix.length), share }))
    .sort((a, b) => b.share - a.share);

const classBars = (row, target) => bars(sharesOf(row, target).map(({ name, share }) => ({ name, share, text: percent(share) })), "classes");

const say = (row, target) => {
  if (!target.prefix) return `${shown(row[target.name])}${target.unit ? ` ${target.unit}` : ""}`;
  const found = sharesOf(row, target).find(({ name }) => name === row[target.name]);
  return `${shown(row[target.name])}${found ? ` \u00b7 ${percent(found.share)}` : ""}`;
};

const counts = (rows, target) => {
  const found = new Map();
  for (const row of rows) found.set(row[target.name], (found.get(row[target.name]) ?? 0) + 1);
  const sorted = [...found].sort((a, b) => b[1] - a[1]);
  return bars(sorted.map(([name, total]) => ({ name: shown(name), share: total / rows.length, text: `${count(total)} \u00b7 ${percent(total / rows.length)}` })), "classes");
};

const gallery = (rows, files, target) =>
  element(
    "ul",
    { class: "gallery" },
    files.slice(0, GALLERY).map((file, index) =>
      element("li", {}, thumbnail(file), element("span", { class: "name" }, file.name), element("strong", {}, target ? say(rows[index], target) : shown(rows[index].error))),
    ),
  );

const one = (row, output) => {
  const targets = targetsOf(row, output);
  const several = targets.length > 1;
  const parts = targets.map((target) => {
    if (target.prefix) return several ? titled(target.name, classBars(row, target)) : classBars(row, target);
    return several && figures([[target.name, say(row, target)]]);
  });
  if (!targets.length) parts.push(figures(Object.entries(row).filter(([name]) => !["row", "id", "remark"].includes(name)).map(([name, value]) => [name, shown(value)])));
  const verdict = targets.map((target) => (several || !target.prefix ? `${target.name}: ${say(row, target)}` : say(row, target))).join(", ");
  return { verdict: verdict || "Done.", parts: [remark(row.remark), ...parts] };
};

const many = (rows, output, file, pictures) => {
  const classes = targetsOf(rows[0], output).filter(({ prefix }) => prefix);
  const remarks = rows.filter((row) => row.remark).length;
  return {
    verdict: `${counted(rows.length, "prediction")}${remarks ? `, ${count(remarks)} with a remark` : ""}`,
    parts: [
      pictures?.length > 1 && gallery(rows, pictures, classes[0]),
      ...(pictures ? [] : classes.map((target) => titled(classes.length > 1 ? `Predicted ${target.name}` : "Predicted classes", counts(rows, target)))),
      table(rows, "Predictions", file),
    ],
  };
};

const predicted = ({ predictions: rows }, { output }, file, pictures) =>
  rows.length === 1 ? one(rows[0], output) : many(rows, output, file, pictures);

const scored = (answer, run, file) => {
  const [row] = answer.predictions;
  if (answer.predictions.length > 1) return many(answer.predictions, { targets: [] }, file);
  const next = [...(row.next ?? "").matchAll(NEXT)].map(([, name, share]) => ({ name, share: Number(share), text: percent(Number(share)) }));
  return {
    verdict: row.perplexity == null ? "No words to score." : `Perplexity ${number(row.perplexity)} a word`,
    parts: [
      remark(row.remark),
      figures([
        ["words", shown(row.words)],
        ["unknown words", shown(row.unknown)],
        ["log-probability", row.log_probability == null ? shown(null) : number(row.log_probability)],
      ]),
      next.length && titled("Likeliest next", bars(next, "words")),
    ],
  };
};

const embedded = (answer, run, file) => {
  const [row] = answer.predictions;
  const rest = table(answer.predictions, "Vectors", file);
  if (answer.predictions.length > 1) return { verdict: counted(answer.predictions.length, "vector"), parts: [rest] };
  return {
    verdict: row.nearest == null ? "No word of it has a vector." : `Nearest: ${row.nearest}`,
    parts: [remark(row.remark), figures([["words with a vector", percent(row.known ?? 0)]]), rest],
  };
};

const generated = ({ samples, texts, unknown = [], words_per_second: rate }) => {
  const quote = (text, index) => {
    const sample = samples?.[index] ?? text;
    const given = text.endsWith(sample) ? text.slice(0, text.length - sample.length) : "";
    return element("blockquote", {}, given && element("span", { class: "given" }, given), element("span", {}, given ? sample : text));
  };
  return {
    verdict: texts.length > 1 ? counted(texts.length, "text") : "",
    said: texts[0],
    parts: [
      unknown.length > 0 && remark(`the model does not know ${unknown.join(", ")} of the prompt`),
      texts.map(quote),
      rate && element("p", { class: "note" }, `${number(rate, 3)} words a second.`),
    ],
  };
};

const translated = ({ translations }, run, file) => {
  const [first] = translations;
  const line = ({ score, remark: reason }) => [
    remark(reason),
    score != null && element("p", { class: "note" }, `Mean log-probability of a word: ${number(score, 3)}.`),
  ];
  if (translations.length === 1) return { verdict: first.translation || "No translation.", parts: line(first) };
  return { verdict: counted(translations.length, "translation"), parts: [table(translations, "Translations", file)] };
};

const nearest = ({ neighbors = {}, analogies = {} }, run, file, pictures, ask) => {
  const lists = Object.entries({ ...neighbors, ...analogies });
  const [[asked, words] = ["", []]] = lists;
  return {
    verdict: words.length ? `Nearest to ${asked}: ${words[0].word}` : `Nothing is near ${asked}`,
    parts: lists.map(([name, found]) => [
      lists.length > 1 && element("h3", {}, name),
      bars(found.map(({ word, cosine }) => ({ name: word, share: cosine, text: number(cosine, 3), action: () => ask(word) })), "words"),
      element("p", { class: "note" }, "The cosine of the angle between the vectors. A click on a word asks for its own."),
    ]),
  };
};

const SHOW = { generate: generated, translate: translated, neighbors: nearest };
const PREDICT = { prompt: scored, word: embedded, sentence: (answer, run, file) => translated({ translations: answer.predictions }, run, file) };

/**
 * Return the `verdict` of an answer, what is `said` instead where it says little, and its elements, `parts`.
 *
 * @param method - "predict", "generate", ...
 * @param answer - JSON of the server
 * @param run - entry of `/runs`
 * @param pictures - files of the images that were sent, or undefined
 * @param ask - function that asks for a word, as if it had been typed
 */
export const show = (method, answer, run, pictures, ask) => {
  const file = `${run.name}-predictions.csv`;
  if (method !== "predict") return SHOW[method](answer, run, file, pictures, ask);
  if (!answer.predictions.length) return { verdict: "No predictions: there were no rows.", parts: [] };
  const chart = run.output.kind === "forecast" ? forecast(answer, run.output, file) : null;
  return chart ?? (PREDICT[run.input.kind] ?? predicted)(answer, run, file, pictures);
};
