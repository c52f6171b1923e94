// The page of `raysq serve`: choose a run, give it an input, see the answer.

import { show } from "./answers.js";
import { request, ServerError, takeToken, token } from "./client.js";
import { snippets } from "./code.js";
import { byId, element } from "./dom.js";
import { InputError } from "./fields.js";
import { modesOf } from "./modes.js";
import { bytes } from "./numbers.js";
import { askToken } from "./token.js";

const SLOW = 300; // milliseconds until the wait is shown
const RETRY = 2000; // milliseconds until a server that starts is asked again

let runs = [];
let most = Infinity; // bytes of a body that the server takes
let run = null;
let mode = null;
let field = null;
let running = null; // AbortController of the request in flight
let telling = 0; // timer of what screen readers are told

const text = (id, words) => {
  byId(id).textContent = words;
};

/** Show a verdict, and tell it, or what stands for it, to screen readers: they are told of texts that change only. */
const announce = (verdict, said = verdict) => {
  text("verdict", verdict);
  text("said", "");
  clearTimeout(telling);
  telling = setTimeout(() => text("said", said), 50);
};

const clearError = () => {
  text("error", "");
  for (const node of byId("ask").querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
};

const showError = (error) => {
  clearError();
  const { message, hint } = error;
  byId("error").append(element("strong", {}, message), hint ? `: ${hint}` : "");
  const at = error instanceof InputError && error.field ? error.field : field.main;
  if (error instanceof InputError || (error.status >= 400 && error.status < 500)) at.setAttribute("aria-invalid", "true");
  at.focus();
};

const setBusy = (busy) => {
  byId("answer").setAttribute("aria-busy", String(busy));
  byId("send").setAttribute("aria-disabled", String(busy));
  if (!busy && document.activeElement === byId("cancel")) byId("send").focus();
  byId("cancel").classList.toggle("away", !busy);
  byId("clear").classList.toggle("away", busy);
};

/** Send a request with the page's token, and ask for the token where the server wants another. */
const call = async (path, options) => {
  for (;;) {
    try {
      return await request(path, options);
    } catch (error) {
      if (error.status !== 401) throw error;
      if (!(await askToken(token.get() ? error.message : ""))) throw error;
    }
  }
};

const send = async () => {
  if (running) return;
  clearError();
  const controller = new AbortController();
  running = controller;
  const [asked, how] = [run, mode];
  const wait = setTimeout(() => setBusy(true), SLOW);
  try {
    const read = await field.read();
    const body = read.json ? JSON.stringify(read.json) : read.body;
    const size = body.size ?? new Blob([body]).size;
    if (size > most) throw new InputError(`the input has ${bytes(size)} and the server takes at most ${bytes(most)}`, field.main);
    const path = `${read.method}?${new URLSearchParams({ run: asked.name })}`;
    const answer = await call(path, { body, type: read.type, signal: controller.signal });
    const pictures = asked.input.kind === "image" ? read.files : undefined;
    const { verdict, said, parts } = show(read.method, answer, asked, pictures, askFor);
    announce(verdict, said);
    byId("result").replaceChildren(...parts.flat(3).filter(Boolean));
    byId("snippets").replaceChildren(...snippets(path, read, Boolean(token.get())));
    byId("code").hidden = false;
  } catch (error) {
    if (how !== mode || error.name === "AbortError") return;
    if (!(error instanceof ServerError || error instanceof InputError)) console.error(error);
    empty(); // an old answer beside an error would be taken for that of this input
    showError(error);
  } finally {
    clearTimeout(wait);
    if (running === controller) {
      running = null;
      setBusy(false);
    }
  }
};

const cancel = () => {
  if (!running) return;
  running.abort();
  running = null;
  setBusy(false);
  announce("Cancelled.");
  byId("result").replaceChildren();
};

const askFor = (word) => {
  field.fill([word]);
  field.main.focus();
  send();
};

const empty = () => {
  clearError();
  text("verdict", "");
  clearTimeout(telling);
  text("said", "");
  byId("result").replaceChildren(element("p", { class: "note" }, "The answer appears here."));
  byId("code").hidden = true;
};

const setMode = (next) => {
  cancel();
  mode = next;
  field = mode.field();
  byId("fields").replaceChildren(field.node);
  byId("work").classList.toggle("beside", mode.beside);
  text("verb", mode.verb);
  byId("example").hidden = !mode.example.length;
  empty();
};

const setRun = (next) => {
  cancel();
  run = next;
  const modes = modesOf(run);
  text("title", runs.length > 1 ? "raysq" : run.name);
  text("about", [...new Set([run.task, run.problem.replaceAll("_", " "), `model ${run.model}`])].join(" \u00b7 "));
  document.title = `${run.name} \u2013 raysq`;
  text("banner", run.synthetic ? "Trained on synthetic sample data: the answers show how it works, and mean nothing." : "");
  byId("banner").hidden = !run.synthetic;
  const segments = byId("modes");
  segments.hidden = modes.length < 2;
  segments.replaceChildren(
    segments.querySelector("legend"),
    ...modes.map((each, index) => {
      const radio = element("input", { type: "radio", name: "mode", checked: index === 0, change: () => setMode(each) });
      return element("label", {}, radio, element("span", {}, each.label));
    }),
  );
  setMode(modes[0]);
};

/** Let files be dropped and pasted anywhere, so that no slip of the hand leaves the page. */
const takeFiles = async (files) => {
  if (!files.length || !field) return;
  clearError();
  try {
    if (!field.take) throw new InputError("there is no place for a file here: type the input", field.main);
    await field.take(files);
  } catch (error) {
    showError(error);
  }
};

const runOfAddress = () => {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("run");
  return runs.find(({ name }) => name === wanted) ?? runs[0];
};

const choose = (next) => {
  byId("run").value = next.name;
  setRun(next);
};

const listen = () => {
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment of the address names the run
    byId("answer").focus();
  });
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("ask").addEventListener("files", (event) => takeFiles(event.detail));
  byId("cancel").addEventListener("click", cancel);
  byId("example").addEventListener("click", () => {
    field.fill(mode.example);
    send();
  });
  byId("clear").addEventListener("click", () => {
    cancel();
    field.clear();
    empty();
    field.main.focus();
  });
  byId("run").addEventListener("change", (event) => {
    history.replaceState(null, "", `#${new URLSearchParams({ run: event.target.value })}`);
    choose(runOfAddress());
  });
  document.addEventListener("keydown", (event) => {
    if (byId("token-dialog").open) return;
    if (event.key === "Escape") cancel();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
  const over = (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.toggle("over", event.type === "dragover");
    if (event.type === "drop") takeFiles([...event.dataTransfer.files]);
  };
  for (const name of ["dragover", "dragleave", "drop"]) document.addEventListener(name, over);
  document.addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    takeFiles([...event.clipboardData.files]);
  });
};

const load = async () => {
  for (;;) {
    try {
      return await call("runs");
    } catch (error) {
      if (error.status !== 503) throw error;
      text("about", "The server is starting …");
      await new Promise((resolve) => setTimeout(resolve, RETRY));
    }
  }
};

const start = async () => {
  takeToken();
  // An address with another fragment opens no new page.
  window.addEventListener("hashchange", () => {
    takeToken();
    if (!runs.length) location.reload();
    else if (runOfAddress() !== run) choose(runOfAddress());
  });
  let answer;
  try {
    answer = await load();
  } catch (error) {
    const again = element("button", { type: "button", class: "primary", click: () => location.reload() }, "Try again");
    byId("about").replaceChildren(`No runs: ${error.message}${error.hint ? ` (${error.hint})` : ""}. `, again);
    return;
  }
  ({ runs, max_body: most } = answer);
  text("footer", `Served by raysq${answer.version ? ` ${answer.version}` : ""}.`);
  if (!runs.length) {
    text("about", "This server has no runs.");
    return;
  }
  byId("run").replaceChildren(...runs.map(({ name }) => element("option", { value: name }, name)));
  byId("choice").hidden = runs.length < 2;
  listen();
  choose(runOfAddress());
  byId("work").hidden = false;
};

start();
