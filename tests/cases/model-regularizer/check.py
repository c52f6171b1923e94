import json, os, glob
home = os.environ["RAYSQ_HOME"]
result = json.load(open(home + "/runs/run/result.json"))
metrics = result["metrics"]
lines = [json.loads(line) for line in open(home + "/runs/run/metrics.jsonl")]
"""A penalty of 1e6 holds the weights at zero, so the loss stays near that of predicting the mean: about 1 after normalisation."""
print("right" if 0.3 < metrics["val_loss"] < 5 else f"wrong: {metrics}")
