import json, os
a, b = (json.load(open(os.environ["RAYSQ_HOME"] + f"/runs/{r}/result.json"))["metrics"] for r in ("run", "run2"))
print("right" if a == b else f"wrong: {a} {b}")
