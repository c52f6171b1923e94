// Requests to the server that this page came from, and their errors.

const KEY = "raysq-token";
let memory = ""; // where a browser refuses storage

/** Error with the texts of the server: what is wrong, and what to do. */
export class ServerError extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}

export const token = {
  get: () => {
    try {
      return sessionStorage.getItem(KEY) ?? memory;
    } catch {
      return memory;
    }
  },
  /** Keep a token; return false, and keep nothing, where no header can carry it. */
  set: (value) => {
    if (!/^[\x21-\x7e]+$/.test(value)) return false;
    memory = value;
    try {
      sessionStorage.setItem(KEY, value);
    } catch {
      // A private window may refuse; the token then lasts as long as the page.
    }
    return true;
  },
};

/** Take the token out of the address, where a reload or a copied address would show it. */
export const takeToken = () => {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (!fragment.has("token")) return;
  token.set(fragment.get("token"));
  fragment.delete("token");
  history.replaceState(null, "", `${location.pathname}${location.search}${fragment.size ? `#${fragment}` : ""}`);
};

const errorOf = async (response) => {
  const text = await response.text();
  try {
    const { message, hint } = JSON.parse(text).error;
    if (typeof message === "string") return new ServerError(response.status, message, hint);
  } catch {
    // A proxy's page, or nothing at all: the status says more.
  }
  return new ServerError(response.status, `the server answered ${response.status} ${response.statusText}`.trim(), null);
};

/**
 * Send a request and return the JSON of its answer.
 *
 * @param path - relative to the page, with the query
 * @param body - JSON text, or a file as it is; a GET request without it
 * @throws ServerError, or AbortError where the signal cancelled it
 */
export const request = async (path, { body, type, signal } = {}) => {
  const headers = { Accept: "application/json" };
  if (token.get()) headers.Authorization = `Bearer ${token.get()}`;
  if (type) headers["Content-Type"] = type;
  let response;
  try {
    response = await fetch(path, { method: body == null ? "GET" : "POST", headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "the server cannot be reached", "look whether `raysq serve` still runs");
  }
  if (!response.ok) throw await errorOf(response);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(response.status, "the server's answer is not JSON", "look at the server's log");
  }
};
