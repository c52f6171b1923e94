import json, os, glob
home = os.environ["RAYSQ_HOME"]
result = json.load(open(home + "/runs/run/result.json"))
metrics = result["metrics"]
lines = [json.loads(line) for line in open(home + "/runs/run/metrics.jsonl")]
ok = abs(metrics["val_rmse"] ** 2 - metrics["val_loss"]) < 1e-5 * max(1, metrics["val_loss"]) and abs(metrics["test_rmse"] ** 2 - metrics["test_loss"]) < 1e-5 * max(1, metrics["test_loss"])
print("right" if ok else f"wrong: {metrics}")
