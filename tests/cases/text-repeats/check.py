"""The same commands give the same metrics and the same probabilities, bit for bit."""
import json
import os
import subprocess
import sys

both = []
for home in ("home_a", "home_b"):
    where = {**os.environ, "RAYSQ_HOME": os.path.abspath(home)}
    for command in (
        "raysq prepare classify --source d.csv --name d --json",
        "raysq train classify --data d --model multihot --epochs 1 --set steps_per_epoch=5 --seed 3 --name run --json",
        f"raysq predict run --input d.csv --output {home}.csv",
    ):
        said = subprocess.run(command.split(), env=where, capture_output=True, text=True)
        if said.returncode:
            sys.exit(said.stderr[-600:])
        if "train" in command:
            metrics = json.loads(said.stdout)["metrics"]
    with open(f"{home}.csv", encoding="utf-8") as file:
        both.append((metrics, file.read()))
wrong = "" if both[0] == both[1] else f"{both[0][0]} and {both[1][0]}"
print(f"wrong: {wrong}" if wrong else "right")
