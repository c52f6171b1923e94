// Ask for the server's token.

import { token } from "./client.js";
import { byId } from "./dom.js";

/**
 * Ask for the token and keep it.
 *
 * @param refused - what the server said of the last token, or ""
 * @returns whether a token was given
 */
export const askToken = (refused) => {
  const [dialog, input, form] = [byId("token-dialog"), byId("token"), byId("token-form")];
  byId("token-error").textContent = refused;
  input.value = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const leave = new AbortController();
    const { signal } = leave;
    const end = (given) => {
      leave.abort();
      if (dialog.open) dialog.close();
      resolve(given);
    };
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        const value = input.value.trim();
        if (token.set(value)) return end(true);
        byId("token-error").textContent = value ? "A token has no spaces and no other letters than English ones." : "The token is empty.";
        input.focus();
      },
      { signal },
    );
    byId("token-cancel").addEventListener("click", () => end(false), { signal });
    dialog.addEventListener("close", () => end(false), { signal });
  });
};
