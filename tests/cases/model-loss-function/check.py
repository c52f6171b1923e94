import json, os, glob
home = os.environ["RAYSQ_HOME"]
result = json.load(open(home + "/runs/run/result.json"))
metrics = result["metrics"]
lines = [json.loads(line) for line in open(home + "/runs/run/metrics.jsonl")]
ok = [abs(metrics[f"{s}_loss"] / metrics[f"{s}_mse"] - 40) < 1e-3 for s in ("val", "test") if f"{s}_mse" in metrics]
print("right" if ok and all(ok) else f"wrong: {metrics}")
