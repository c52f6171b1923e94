"""A probability lies between 0 and 1."""
import csv, os, sys

if not os.path.exists("out.csv"):
    sys.exit("no output")
rows = list(csv.DictReader(open("out.csv")))
columns = [name for name in rows[0] if "prob" in name.lower() or name in ("good", "bad", "odd")]
values = [float(row[name]) for row in rows for name in columns if row[name]]
good = values and all(0 <= value <= 1 for value in values)
print("right" if good else f"wrong: {columns} {values[:5]}")
