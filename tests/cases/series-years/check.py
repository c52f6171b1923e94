"""The stamps of the forecasts are years of the file and after it, and carry its last value on."""
import csv


with open("wheat.csv", encoding="utf-8", newline="") as file:
    wheat = {int(row["year"]): float(row["wheat"]) for row in csv.DictReader(file)}
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
wrong = "" if len(out) == 120 - 8 + 1 else f"{len(out)} forecasts"
for row in out:
    seen, ahead = row["from"].strip(), row["time"].strip()
    if not abs(float(row["wheat"]) - wheat.get(int(seen[:4]), 1e9)) < 0.05:
        wrong = wrong or f"{row}"
    if not 1 <= int(ahead[:4]) - int(seen[:4]) <= 8 or any(text[4:10] not in ("", "-01-01") for text in (seen, ahead)):
        wrong = wrong or f"{row}"
if not wrong and out[-1]["from"][:4] != "2020":
    wrong = f"the last row is not seen: {out[-1]}"
print(f"wrong: {wrong}" if wrong else "right")
