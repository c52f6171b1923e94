"""Each column's test error in its own unit, by hand, is among those that are told."""
import csv
import json
import subprocess
from datetime import datetime, timedelta


with open("plant.csv", encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
stamps = [datetime.fromisoformat(row["when"]) for row in rows]
place = {stamp: at for at, stamp in enumerate(stamps)}
clock = [datetime.fromisoformat(out[-1][name]) for name in ("time", "from")]
lead, first, n = round((clock[0] - clock[1]) / timedelta(hours=1)), place[datetime.fromisoformat(out[0]["from"])], len(rows)
told = json.loads(subprocess.run(["raysq", "evaluate", "run", "--json"], capture_output=True, text=True).stdout)
wrong = ""
for name in ("leak", "heat"):
    column = [float(row[name]) for row in rows]
    for row in out:
        if not abs(float(row[name]) / column[place[datetime.fromisoformat(row["from"])]] - 1) < 1e-5:
            wrong = wrong or f"{name}: {row}"
    by_hand = [sum(abs(column[t] - column[t - lead]) for t in range(begin, n)) / (n - begin)
               for begin in (n * 3 // 4 + first + lead, n * 3 // 4)]
    got = {key: value for key, value in told["metrics"].items() if key.startswith("test")}
    if not any(abs(value - each) <= 0.002 * each for value in got.values() for each in by_hand):
        wrong = wrong or f"{name}: test MAE by hand {by_hand}, told {got}"
print(f"wrong: {wrong}" if wrong else "right")
