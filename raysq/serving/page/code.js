// The request that was just made, as a command of curl and as Python.

import { element } from "./dom.js";

const INLINE = 2000; // characters of a body that is shown as it is

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Return a value of JSON as Python writes it. */
const python = (value) => {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${python(item)}`).join(", ")}}`;
  return JSON.stringify(value);
};

const curl = (url, { json, files, body, type }, guarded) => {
  const lines = [`curl ${shell(url)}`];
  if (guarded) lines.push(`-H "Authorization: Bearer $RAYSQ_SERVE_TOKEN"`);
  if (files && json) {
    const names = files.map(({ name }) => shell(name)).join(" ");
    return `for file in ${names}; do\n  ${lines.join(" \\\n    ")} \\\n    -H "Content-Type: $(file -b --mime-type "$file")" --data-binary "@$file"\ndone`;
  }
  const text = json ? JSON.stringify(json) : body;
  lines.push(`-H 'Content-Type: ${type}'`);
  if (files) lines.push(`--data-binary ${shell(`@${files[0].name}`)}`);
  else if (text.length > INLINE) lines.push(json ? "--data-binary @inputs.json" : "--data-binary @rows.csv");
  else lines.push(`--data-raw ${shell(text)}`); // a text may begin with @, which names a file elsewhere
  return lines.join(" \\\n  ");
};

const script = (url, { json, files, body, type }, guarded) => {
  const lines = [];
  if (files && json) lines.push("import base64");
  if (guarded) lines.push("import os");
  if (lines.length) lines.push("");
  lines.push("import requests", "");
  const sent = [];
  if (files && json) {
    lines.push(`names = ${python(files.map(({ name }) => name))}`);
    lines.push('images = [base64.b64encode(open(name, "rb").read()).decode() for name in names]');
    sent.push('json={"inputs": images}');
  } else if (files) {
    sent.push(`data=open(${JSON.stringify(files[0].name)}, "rb")`);
  } else if ((json ? JSON.stringify(json) : body).length > INLINE) {
    sent.push(json ? 'data=open("inputs.json", "rb")' : 'data=open("rows.csv", "rb")');
  } else {
    sent.push(json ? `json=${python(json)}` : `data=${JSON.stringify(body)}.encode()`);
  }
  const headers = [];
  if (!sent[0].startsWith("json=")) headers.push(`"Content-Type": ${JSON.stringify(type)}`);
  if (guarded) headers.push('"Authorization": f"Bearer {os.environ[\'RAYSQ_SERVE_TOKEN\']}"');
  if (headers.length) sent.push(`headers={${headers.join(", ")}}`);
  lines.push(`answer = requests.post(\n    ${[JSON.stringify(url), ...sent].join(",\n    ")},\n)`, "answer.raise_for_status()", "print(answer.json())");
  return lines.join("\n");
};

const block = (title, text) => {
  const copy = navigator.clipboard && element("button", { type: "button" }, "Copy");
  copy?.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    setTimeout(() => {
      copy.textContent = "Copy";
    }, 2000);
  });
  const code = element("pre", { tabindex: "0", role: "region", "aria-label": title }, element("code", {}, text));
  return element("div", { class: "snippet" }, element("div", { class: "head" }, element("h3", {}, title), copy), code);
};

/**
 * Return the request as code.
 *
 * @param path - relative to the page
 * @param request - what a field's `read` returned
 * @param guarded - whether the server asked for a token, which is named and not shown
 */
export const snippets = (path, request, guarded) => {
  const url = new URL(path, location.href);
  url.hash = "";
  return [
    block("curl", curl(url.href, request, guarded)),
    block("Python", script(url.href, request, guarded)),
    guarded && element("p", { class: "note" }, "The token is taken from the variable RAYSQ_SERVE_TOKEN of the environment."),
  ].filter(Boolean);
};
