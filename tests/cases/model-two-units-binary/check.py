"""The words of the classes are apart: nearly all rows get their own label."""
import csv, os, sys

if not os.path.exists("out.csv"):
    sys.exit("no output")
truth = [row["label"] for row in csv.DictReader(open("d.csv"))]
rows = list(csv.DictReader(open("out.csv")))
name = "label" if "label" in rows[0] else "predicted" if "predicted" in rows[0] else list(rows[0])[-2]
share = sum(row[name] == label for row, label in zip(rows, truth)) / len(truth)
print("right" if share > 0.9 else f"wrong: {share} {rows[:2]}")
