"""The forecasts name each meter as the file does, and each carries its own values on."""
import csv


with open("use.csv", encoding="utf-8", newline="") as file:
    use = {(row["meter"], row["day"]): float(row["use"]) for row in csv.DictReader(file)}
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
wrong = ""
for row in out:
    value = next((use[cell, row["from"][:10]] for cell in row.values() if (cell, row["from"][:10]) in use), None)
    if value is None or not abs(float(row["use"]) - value) < 0.05:
        wrong = wrong or f"{row}, the value is {value}"
counts = [sum(meter in row.values() for row in out) for meter in ("9007199254740992", "9007199254740993")]
if counts != [54, 54] or len(out) != 108:
    wrong = wrong or f"{counts}"
print(f"wrong: {wrong}" if wrong else "right")
