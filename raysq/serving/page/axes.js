// Scales and ticks of charts.

import { number } from "./numbers.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[1, 2, 5, 10, 15, 30].map((step) => step * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((step) => step * MINUTE),
  ...[1, 2, 3, 6, 12].map((step) => step * HOUR),
  ...[1, 2, 7, 14].map((step) => step * DAY),
];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Return a function from values to pixels. */
export const scale = ([low, high], [from, to]) => {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
};

/** Return round values in a domain, some `wanted` of them, and the distance between them. */
export const ticks = ([low, high], wanted) => {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough * 0.999);
  const values = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) values.push(index * step);
  return { values, step };
};

/** Return the text of a tick, with as many decimals as the step between ticks needs. */
export const tickText = (value, step) => {
  if (Math.abs(value) >= 1e9 || (step < 1e-6 && value !== 0)) return number(value, 3);
  const decimals = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const rounded = Number(value.toFixed(decimals)) || 0; // no minus before a zero
  return rounded
    .toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
    .replace("-", "\u2212");
};

/** Return ticks of times in milliseconds, as `{value, text}`. Times are shown as clocks there show them. */
export const timeTicks = ([low, high], wanted) => {
  const rough = (high - low) / Math.max(1, wanted) || SECOND;
  const step = STEPS.find((value) => value >= rough);
  if (step === undefined) return monthTicks([low, high], rough);
  // Weeks begin on Mondays, and 1 January 1970 was a Thursday.
  const origin = step >= 7 * DAY ? 4 * DAY : 0;
  const found = [];
  for (let value = Math.ceil((low - origin) / step) * step + origin; value <= high; value += step) {
    found.push({ value, text: timeText(value, step) });
  }
  return found;
};

const timeText = (value, step) => {
  const time = new Date(value);
  const day = `${time.getUTCDate()} ${MONTHS[time.getUTCMonth()]}`;
  if (step >= DAY || value % DAY === 0) return day;
  return time.toISOString().slice(11, step >= MINUTE ? 16 : 19);
};

const monthTicks = ([low, high], rough) => {
  const months = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200].find((size) => size * 30.4 * DAY >= rough) ?? 12_000;
  const found = [];
  const first = new Date(low);
  let month = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months;
  for (; ; month += months) {
    const time = new Date(0);
    time.setUTCFullYear(Math.floor(month / 12), month % 12, 1);
    const value = time.getTime();
    if (value > high) return found;
    if (value < low) continue;
    const year = String(time.getUTCFullYear());
    found.push({ value, text: months >= 12 || month % 12 === 0 ? year : MONTHS[month % 12] });
  }
};
