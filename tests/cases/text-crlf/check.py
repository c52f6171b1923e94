"""Line ends are no characters of a sentence: both runs have the same metrics."""
import json
import os

both = []
for name in ("run_a", "run_b"):
    with open(os.path.join(os.environ["RAYSQ_HOME"], "runs", name, "result.json")) as file:
        both.append(json.load(file)["metrics"])
wrong = "" if both[0] and both[0] == both[1] else f"{both}"
print(f"wrong: {wrong}" if wrong else "right")
