"""The index is the time: the forecasts are the frame's values, up to its last; or a refusal that names what is missing."""
import json

import pandas as pd
import raysq

raysq.prepare("forecast", source="load.csv", settings={"targets": "load"}, name="d", quiet=True)
run = raysq.train("forecast", data="d", model="baseline", name="run")
frame = pd.read_csv("load.csv", parse_dates=["when"]).set_index("when")
try:
    out = raysq.load(run).predict(frame)
except Exception as error:
    result = f"refused {type(error).__name__}: {error}"
else:
    out = out.to_pandas() if hasattr(out, "to_pandas") else out
    got, seen = out["load"].to_numpy(), frame["load"].to_numpy()
    worst = abs(got - seen[len(seen) - len(got) :]).max() if 100 < len(got) <= len(seen) else 1e9
    result = "right" if worst < 0.01 else f"wrong: {len(got)} forecasts, off by {worst}, the last {out.tail(1).to_dict()}"
print(json.dumps({"result": " ".join(result.split())[:300]}))
