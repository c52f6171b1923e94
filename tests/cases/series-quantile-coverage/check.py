"""Quantiles are in order, and the share of observed test values between the outer two is the coverage told."""
import csv
import json
import subprocess
from datetime import datetime, timedelta


with open("load.csv", encoding="utf-8", newline="") as file:
    load = {datetime.fromisoformat(row["when"]): float(row["load"]) for row in csv.DictReader(file)}
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
names = [name for name in out[0] if "load" in name and any(part in name for part in ("0.1", "0.5", "0.9", "10", "50", "90"))]
wrong = "" if len(names) == 3 else f"three quantiles wanted, the columns are {list(out[0])}"
if not wrong and any(not float(row[names[0]]) <= float(row[names[1]]) <= float(row[names[2]]) for row in out):
    wrong = "quantiles cross"
if not wrong:
    told = json.loads(subprocess.run(["raysq", "evaluate", "run", "--json"], capture_output=True, text=True).stdout)
    got = [value for name, value in told["metrics"].items() if "coverage" in name and name.startswith("test")]
    border, by_hand = datetime(2024, 1, 1) + timedelta(hours=360), []
    for name, begin in (("from", border + timedelta(hours=23)), ("time", border)):
        inside = [float(row[names[0]]) <= load[datetime.fromisoformat(row["time"])] <= float(row[names[2]]) for row in out
                  if datetime.fromisoformat(row["time"]) in load and datetime.fromisoformat(row[name]) >= begin]
        by_hand.append(sum(inside) / len(inside))
    if not any(abs(value - each) < 0.011 for value in got for each in by_hand):
        wrong = f"coverage by hand {by_hand}, told {got}"
print(f"wrong: {wrong}" if wrong else "right")
