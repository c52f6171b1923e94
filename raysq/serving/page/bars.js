// Bars of classes, words and counts: a list that is readable without its bars.

import { element } from "./dom.js";
import { count } from "./numbers.js";

const FIRST = 10; // entries that are shown at once
const MOST = 500; // entries that are shown at all

const bar = ({ name, share, text, action }, index) => {
  const track = element("span", { class: "track", "aria-hidden": "true" }, element("span", { class: "fill" }));
  // Through the object model: the page's policy forbids style attributes.
  track.firstChild.style.setProperty("--share", Math.min(1, Math.max(0, share)));
  const label = action ? element("button", { type: "button", class: "plain", click: action }, name) : name;
  return element(
    "li",
    index === 0 ? { class: "first" } : {},
    element("span", { class: "name" }, label),
    " ",
    element("span", { class: "value" }, text),
    track,
  );
};

/**
 * Return a list of bars, the first ones at once and the others behind a button.
 *
 * @param entries - `{name, share, text, action}`: length of the bar from 0 to 1, what stands beside it, and what a
 *   click on the name does
 * @param noun - plural of what the entries are
 */
export const bars = (entries, noun) => {
  const list = element("ol", { class: "bars" }, entries.slice(0, FIRST).map(bar));
  if (entries.length <= FIRST) return list;
  const all = Math.min(entries.length, MOST);
  const text = all < entries.length ? `Show the first ${count(all)} of ${count(entries.length)} ${noun}` : `Show all ${count(all)} ${noun}`;
  const more = element("button", { type: "button" }, text);
  more.addEventListener("click", () => {
    list.append(...entries.slice(FIRST, all).map((entry, index) => bar(entry, index + FIRST)));
    const next = list.children[FIRST];
    more.remove();
    next.setAttribute("tabindex", "-1");
    next.focus({ preventScroll: true });
  });
  return element("div", {}, list, more);
};
