"""A row for each row, in order: those with words have the probability that they have without the others."""
import csv

with open("new.csv", encoding="utf-8", newline="") as file:
    texts = [row["text"] for row in csv.DictReader(file)]
both = []
for name in ("out.csv", "full_out.csv"):
    with open(name, encoding="utf-8-sig", newline="") as file:
        both.append(list(csv.DictReader(file)))
worded = [at for at, each in enumerate(texts) if any(sign.isalnum() for sign in each)]
wrong = "" if [len(one) for one in both] == [50, 44] else f"{[len(one) for one in both]} rows, wanted 50 and 44"
for at, row in zip(worded, both[1]):
    if not wrong and not abs(float(both[0][at]["probability"]) - float(row["probability"])) < 1e-4:
        wrong = f"row {at} has {both[0][at]}, alone {row}"
print(f"wrong: {wrong}" if wrong else "right")
