"""68 and 69 lie one year apart, in whichever century: the order of the file is that of time."""
import csv
import json
import os
from datetime import datetime, timedelta


def parsed(text):
    return datetime.fromisoformat(text.strip()).replace(tzinfo=None)


def compare(stamps, values, column, errors=True):
    """What is wrong with the forecasts of out.csv, and with the run's errors over a split of 0.5/0.25/0.25."""
    with open("out.csv", encoding="utf-8-sig", newline="") as file:
        out = list(csv.DictReader(file))
    if not out:
        return "no forecasts"
    if column not in out[0]:
        return f"no column {column} in {list(out[0])}"
    place = {stamp: at for at, stamp in enumerate(stamps)}
    seen, last = [], None
    for value in values:
        last = last if value is None else value
        seen.append(last)
    known = [value for value in values if value is not None]
    spread = max(known) - min(known)
    for row in out:
        at = place.get(parsed(row["from"]))
        if at is None:
            return f"no row has the stamp {row['from']}"
        if not abs(float(row[column]) - seen[at]) <= 1e-4 * spread:
            return f"from {row['from']} should be {seen[at]}, is {row[column]}"
    first = place[parsed(out[0]["from"])]
    if parsed(out[-1]["from"]) != stamps[-1] or len(out) != len(stamps) - first:
        return f"{len(out)} forecasts up to {out[-1]['from']}, wanted {len(stamps) - first} up to {stamps[-1]}"
    if not errors:
        return ""
    lead = round((parsed(out[-1]["time"]) - parsed(out[-1]["from"])) / (stamps[1] - stamps[0]))
    with open(os.path.join(os.environ["RAYSQ_HOME"], "runs", "run", "result.json")) as file:
        metrics = json.load(file)["metrics"]
    n = len(stamps)
    for split, start, stop in (("val", n // 2, n * 3 // 4), ("test", n * 3 // 4, n)):
        by_hand = []
        for begin in (start + first + lead, start):  # windows inside the part, or reaching back over its border
            misses = [abs(values[t] - seen[t - lead]) for t in range(begin, stop) if values[t] is not None]
            by_hand.append(sum(misses) / len(misses))
        got = [value for name, value in metrics.items() if name.startswith(split) and "mae" in name]
        if not any(abs(one - each) <= 0.002 * each + 1e-9 for one in got for each in by_hand):
            return f"{split} MAE by hand {by_hand[0]:.5g} or {by_hand[1]:.5g} ({lead} rows after the last), raysq {got}"
    return ""


with open("river.csv", encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file))
with open("out.csv", encoding="utf-8-sig", newline="") as file:
    century = csv.DictReader(file).__next__()["from"][:2]
stamps = [datetime.strptime(row["day"][:6] + century + row["day"][6:], "%d.%m.%Y") for row in rows]
values = [float(row["flow"]) for row in rows]
wrong = compare(stamps, values, "flow")
print(f"wrong: {wrong}" if wrong else "right")
