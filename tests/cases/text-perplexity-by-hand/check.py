"""Perplexity is exp(-log-probability / words), words are those that one counts, and no text changes another's score."""
import json
import math
import os
import subprocess

texts = ["the cat saw a red house near the tree and the dog liked it .", "the dog", "the bird found a small boat ."]


def scores(*some):
    options = [part for one in some for part in ("--text", one)]
    said = subprocess.run(["raysq", "predict", "run", *options, "--json"], capture_output=True, text=True)
    rows = json.loads(said.stdout)["predictions"]
    return [(row["words"], row["log_probability"], row["perplexity"]) for row in rows]


together, wrong = scores(*texts), ""
for (words, log, perplexity), text in zip(together, texts):
    if words not in (len(text.split()), len(text.replace(" .", "").split())):
        wrong = wrong or f"{words} words in {text!r}"
    if not abs(math.exp(-log / words) / perplexity - 1) < 1e-3:
        wrong = wrong or f"perplexity of {text!r} by hand {math.exp(-log / words)}, told {perplexity}"
alone = scores(texts[1])[0]
if not abs(alone[1] - together[1][1]) < 1e-3:
    wrong = wrong or f"alone {alone}, beside others {together[1]}"
with open(os.path.join(os.environ["RAYSQ_HOME"], "runs", "run", "result.json")) as file:
    metrics = json.load(file)["metrics"]
if not abs(math.exp(metrics["val_loss"]) / metrics["val_perplexity"] - 1) < 1e-3:
    wrong = wrong or f"{metrics}"
print(f"wrong: {wrong}" if wrong else "right")
