"""Accuracy, confusion, precision, recall and F1 of the test part, by hand from the labels that predict gives."""
import csv
import json
import subprocess

with open("test.csv", encoding="utf-8", newline="") as file:
    true = [row["label"] for row in csv.DictReader(file)]
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    got = [row["label"] for row in csv.DictReader(file)]
said = subprocess.run(["raysq", "evaluate", "run", "--split", "test", "--json"], capture_output=True, text=True)
told = json.loads(said.stdout)
wrong = "" if len(got) == len(true) == 19 else f"{len(got)} rows"
accuracy = sum(a == b for a, b in zip(true, got)) / len(true)
if not abs(told["metrics"]["test_accuracy"] - accuracy) < 1e-4:
    wrong = wrong or f"accuracy by hand {accuracy}, told {told['metrics']}"
names = ["art", "law", "sea"]
each = told["details"]["test"]
confusion = [[sum(a == x and b == y for a, b in zip(true, got)) for y in names] for x in names]
if each["confusion"] != confusion:
    wrong = wrong or f"confusion by hand {confusion}, told {each['confusion']}"
for at, name in enumerate(names):
    hits, real, said = confusion[at][at], sum(confusion[at]), sum(row[at] for row in confusion)
    recall, precision = hits / real, hits / said if said else None
    f1 = 2 * hits / (real + said)
    for key, value in (("recall", recall), ("precision", precision), ("f1", f1), ("support", real)):
        one = each["per_class"][name][key]
        if not (one in (None, 0) if value is None else one is not None and abs(one - value) < 1e-4):
            wrong = wrong or f"{key} of {name} by hand {value}, told {one}"
print(f"wrong: {wrong}" if wrong else "right")
