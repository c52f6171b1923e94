#!/usr/bin/env python
"""Models of tables beside scikit-learn's, on the data sets that it brings, with the same rows to train and to test.

scikit-learn (`pip install scikit-learn`) gets the training rows of raysq, standardized by their mean and deviation. Its
`Ridge` and `LogisticRegression` have the penalties of raysq's `ridge` and `logistic`, which are solved; `linear` and
`mlp` are trained. Shown is R2 of the test rows for numbers, and the accuracy for classes.

    python benchmarks/tables.py
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np

SETS = {"diabetes": "r2", "breast_cancer": "accuracy", "wine": "accuracy", "digits": "accuracy"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "tables.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        rows = [measure(name) for name in options.sets]
    names = [name for name in rows[0] if name not in ("data", "metric", "train", "val", "test")]
    print(f"\n| data | rows | metric | {' | '.join(names)} |\n|---|---|---|{'---|' * len(names)}")
    for row in rows:
        figures = " | ".join(f"{row[name]:.3f}" for name in names)
        print(f"| {row['data']} | {row['train']}/{row['val']}/{row['test']} | {row['metric']} | {figures} |")
    import sklearn

    from raysq.training.run_config import versions

    facts = {"scikit-learn": sklearn.__version__, **versions()}
    options.output.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1) + "\n")


def measure(name: str) -> dict:
    """Train on a data set, and return the figures of all models on its test rows."""
    import sklearn.datasets

    import raysq
    from raysq.problems.arrays.problem import Tables

    bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    metric, frame = SETS[name], bunch.frame
    dataset = raysq.prepare("arrays", source=frame, name=name, settings={"target": "target", "test": 0.2}, quiet=True)
    figures = {}
    for model in ("linear", "mlp"):
        run = raysq.train("arrays", data=name, model=model, settings={"learning_rate": 0.01, "epochs": 100})
        figures |= {key: value[f"test_{metric}"] for key, value in raysq.evaluate(run, ("test",)).items()}
    split = Tables.from_dataset(dataset, {}).data(dataset).split
    columns = [column for column in frame.columns if column != "target"]
    scaled, y = frame[columns].to_numpy(float), frame["target"].to_numpy()
    deviation = scaled[split.train].std(0)
    scaled = (scaled - scaled[split.train].mean(0)) / np.where(deviation > 0, deviation, 1)
    if metric == "r2":
        from sklearn.linear_model import Ridge

        # raysq scales the target too, which changes nothing: a ridge regression is linear in it.
        theirs, solved = Ridge(alpha=1.0), "ridge"
    else:
        from sklearn.linear_model import LogisticRegression

        theirs, solved = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000), "logistic"
    theirs.fit(scaled[split.train], y[split.train])
    return {
        "data": name,
        "metric": metric,
        **{part: len(getattr(split, part)) for part in ("train", "val", "test")},
        "baseline": figures["baseline"],
        "scikit-learn": float(theirs.score(scaled[split.test], y[split.test])),
        "solved": figures[solved],
        "linear": figures["linear"],
        "mlp": figures["mlp"],
    }


if __name__ == "__main__":
    main()
