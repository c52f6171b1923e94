"""Whoever sees the emoji knows the class of each."""
import csv

with open("new.csv", encoding="utf-8", newline="") as file:
    wanted = ["glad" if "\U0001f600" in row["text"] else "cross" for row in csv.DictReader(file)]
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    got = [row["label"] for row in csv.DictReader(file)]
wrong = "" if got == wanted else f"{sum(a != b for a, b in zip(got, wanted))} of {len(wanted)} labels, {len(got)} rows"
print(f"wrong: {wrong}" if wrong else "right")
