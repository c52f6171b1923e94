"""The seasonal forecast for an hour is the value of the same hour one day before, and the errors by hand are the run's."""
import csv
import json
import os
from datetime import datetime, timedelta


with open("load.csv", encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
stamps = [datetime.fromisoformat(row["when"]) for row in rows]
values = [float(row["load"]) for row in rows]
place = {stamp: at for at, stamp in enumerate(stamps)}
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    out = list(csv.DictReader(file))
wrong = "" if len(out) == 480 - 48 + 1 else f"{len(out)} forecasts"
for row in out:
    day_before = datetime.fromisoformat(row["time"]) - timedelta(days=1)
    while day_before > datetime.fromisoformat(row["from"]):
        day_before -= timedelta(days=1)
    if not abs(float(row["load"]) - values[place[day_before]]) < 0.01:
        wrong = wrong or f"{row}, the value a day before is {values[place[day_before]]}"
lead = round((datetime.fromisoformat(out[-1]["time"]) - datetime.fromisoformat(out[-1]["from"])) / timedelta(hours=1))
back = -(-lead // 24) * 24
with open(os.path.join(os.environ["RAYSQ_HOME"], "runs", "run", "result.json")) as file:
    metrics = json.load(file)["metrics"]
for split, start, stop in (("val", 240, 360), ("test", 360, 480)):
    by_hand = [sum(abs(values[t] - values[t - back]) for t in range(begin, stop)) / (stop - begin) for begin in (start + 47 + lead, start)]
    got = [value for name, value in metrics.items() if name.startswith(split) and "mae" in name]
    if not any(abs(one - each) <= 0.002 * each for one in got for each in by_hand):
        wrong = wrong or f"{split} MAE by hand {by_hand}, raysq {got}"
print(f"wrong: {wrong}" if wrong else "right")
