// Numbers as raysq's reports write them.

const MINUS = "\u2212";

/** Return a number with four significant digits, such as 2.318, 1,234 or 3.2e-5. */
export const number = (value, digits = 4) => {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value)));
  const text =
    size < -4 || size > 11
      ? value.toExponential(digits - 1).replace("e+", "e")
      : value.toLocaleString("en-US", {
          minimumFractionDigits: Number.isInteger(value) ? 0 : Math.max(0, digits - 1 - size),
          maximumFractionDigits: Math.max(0, digits - 1 - size),
        });
  return text.replaceAll("-", MINUS);
};

/**
 * Return a function that writes numbers of one column or chart alike: with as many decimals as the largest of them has
 * among its four significant digits.
 */
export const alike = (values) => {
  let most = 0;
  for (const value of values) if (Number.isFinite(value)) most = Math.max(most, Math.abs(value));
  const size = Math.floor(Math.log10(most || 1));
  if (size < -4 || size > 11) return number;
  const digits = Math.max(0, 3 - size);
  return (value) =>
    (Number(value.toFixed(digits)) || 0)
      .toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })
      .replace("-", MINUS);
};

/** Return a whole number with its thousands separated. */
export const count = (value) => value.toLocaleString("en-US");

/** Return "1 row", "2 rows", "1,234 rows". */
export const counted = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** Return a share as percent, never 0 or 100 where it is neither. */
export const percent = (share) => {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share < 1 && share > 0.9995) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
};

/** Return a size in bytes for people. */
export const bytes = (size) => {
  if (size < 1000) return `${size} bytes`;
  return size < 1e6 ? `${number(size / 1e3, 3)} kB` : `${number(size / 1e6, 3)} MB`;
};

/** Return a value of any kind as a cell shows it. */
export const shown = (value) => {
  if (value == null) return "\u2013";
  if (typeof value === "number") return Number.isInteger(value) ? count(value).replace("-", MINUS) : number(value);
  if (typeof value === "string") return value;
  return JSON.stringify(value);
};
