"""The two long stores have all their forecasts, each of its own values; the short one has none."""
import csv


with open("sales.csv", encoding="utf-8", newline="") as file:
    sales = {(row["store"], row["day"]): float(row["sales"]) for row in csv.DictReader(file)}
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
wrong = ""
for row in out:
    value = next((sales[cell, row["from"][:10]] for cell in row.values() if (cell, row["from"][:10]) in sales), None)
    if value is None or not abs(float(row["sales"]) - value) < 0.05:
        wrong = wrong or f"{row}, the value is {value}"
counts = {store: sum(store in row.values() for row in out) for store in ("north", "south", "tiny")}
if counts != {"north": 74, "south": 74, "tiny": 0}:
    wrong = wrong or f"{counts}"
print(f"wrong: {wrong}" if wrong else "right")
