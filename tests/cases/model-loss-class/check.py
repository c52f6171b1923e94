import json, os, glob
home = os.environ["RAYSQ_HOME"]
result = json.load(open(home + "/runs/run/result.json"))
metrics = result["metrics"]
lines = [json.loads(line) for line in open(home + "/runs/run/metrics.jsonl")]
other = home + "/runs/run2/result.json"
summed = json.load(open(other))["metrics"] if os.path.exists(other) else None
huber = abs(metrics["val_huber"] - metrics["val_loss"]) < 1e-5
print("huber", "right," if huber else f"wrong: {metrics}", "sum", "right" if summed is None or abs(summed["val_mse"] - metrics["val_mse"]) > 1e-6 else f"wrong: {summed}")
