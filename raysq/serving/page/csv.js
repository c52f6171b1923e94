// Rows as csv.

const cell = (value) => {
  if (value == null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Return the names of the columns of rows, in their order. */
export const columnsOf = (rows) => {
  const names = new Set();
  for (const row of rows) for (const name in row) names.add(name);
  return [...names];
};

/** Return rows as csv text with a line of names. */
export const toCsv = (rows, columns = columnsOf(rows)) => {
  const lines = rows.map((row) => columns.map((name) => cell(row[name])).join(","));
  return `${columns.map(cell).join(",")}\n${lines.join("\n")}\n`;
};
