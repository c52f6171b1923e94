#!/usr/bin/env python
"""Figures of the scripts in examples/ by `Model.fit`, and by raysq with one and with two workers.

`Model.fit` gets the examples in raysq's order, from the same initial weights, so that all figures but those that draw
random numbers must agree to rounding. RAYSQ_EXAMPLES_DATA names the folder of public data.

    RAYSQ_EXAMPLES_DATA=../shared/data python benchmarks/gallery.py
    RAYSQ_EXAMPLES_DATA=../shared/data python benchmarks/gallery.py --scripts siamese text
"""

import argparse
import contextlib
import io
import json
import os
import re
import runpy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "gallery.json"
# Script, what it is, and the figure of the last epoch that stands in the table.
SCRIPTS = {
    "multi_input": ("functional model, two inputs and two outputs", "val_department_accuracy"),
    "siamese": ("siamese network, own loss", "val_loss"),
    "autoencoder": ("autoencoder whose layers call `add_loss`", "val_loss"),
    "wgan": ("Wasserstein GAN, own `train_step`", "loss"),
    "text": ("texts through `TextVectorization`", "val_accuracy"),
    "tabular": ("table, embedded categories", "val_accuracy"),
    "transfer": ("transfer learning, frozen layers", "val_accuracy"),
    "custom_parts": ("own layer, loss and metric", "val_within"),
    "callbacks": ("own callback, `EarlyStopping`, `ReduceLROnPlateau`", "val_loss"),
    "mixed_precision": ("mixed precision, bfloat16", "val_accuracy"),
    "class_weights": ("class weights", "val_recall"),
    "time_series": ("time series, windows and a GRU", "val_mae"),
}
REFUSED = "wgan"
WAYS = {"fit": None, "one": 1, "two": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", default=list(SCRIPTS), choices=SCRIPTS)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=WAYS)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    from raysq.training.run_config import versions

    results = json.loads(options.output.read_text()) if options.output.exists() else {"scripts": {}}
    for name in options.scripts:
        for way in options.ways:
            figures = run(name, way)
            results["scripts"].setdefault(name, {})[way] = figures
            shown = figures if isinstance(figures, str) else figures[SCRIPTS[name][1]][-1]
            print(f"{name} {way}: {shown}", flush=True)
            results["facts"] = versions()
            results["scripts"] = {each: results["scripts"][each] for each in SCRIPTS if each in results["scripts"]}
            options.output.write_text(json.dumps(results, indent=1) + "\n")
    print(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the table of docs/gallery.md."""
    head = ["script", "what it is", "lines of `fit`, of raysq", "figure", "`fit`", "one worker", "two workers"]
    rows = [head, ["---"] * len(head)]
    for name, ways in results["scripts"].items():
        what, figure = SCRIPTS[name]
        counts = f"{len(lines(name, 'fit'))}, {len(lines(name, 'raysq'))}"
        shown = [
            each if isinstance(each, str) else f"{each[figure][-1]:.4f}"
            for each in (ways.get(way, "-") for way in WAYS)
        ]
        shown = ["refused" if each.startswith("refused") else each for each in shown]
        rows.append([f"[`{name}.py`](../examples/{name}.py)", what, counts, f"`{figure}`", *shown])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def lines(name: str, part: str) -> list[str]:
    """Return the lines of a script that are those of `fit` or of `raysq` alone, the import of raysq included."""
    source = (ROOT / "examples" / f"{name}.py").read_text()
    found = re.search(rf"^    # by {part}\n(.*?)^    # end\n", source, re.MULTILINE | re.DOTALL)
    assert found, f"{name} has no lines by {part}"
    imported = re.findall(r"^import raysq$", source, re.MULTILINE) if part == "raysq" else []
    return [*imported, *(line.strip() for line in found[1].splitlines() if line.strip())]


def run(name: str, way: str) -> dict[str, list[float]] | str:
    """Run a script in this process as `python examples/NAME.py` does, and return its figures by epoch, or its refusal.

    Args:
        name: name of the script.
        way: "fit", "one" or "two".
    """
    from raysq.errors import UsageError

    workers, printed = WAYS[way], io.StringIO()
    arguments = [] if workers is None else ["--workers", str(workers)]
    path = str(ROOT / "examples" / f"{name}.py")
    with contextlib.ExitStack() as stack:
        stack.enter_context(environment(RAYSQ_HOME=stack.enter_context(tempfile.TemporaryDirectory())))
        stack.enter_context(contextlib.redirect_stdout(printed))
        if workers is None:
            stack.enter_context(order_of_raysq())
        before, sys.argv, sys.path[:0] = sys.argv, [path, *arguments], [str(Path(path).parent)]
        try:
            runpy.run_path(path, run_name="__main__")
        except UsageError as error:
            return f"refused: {error.message}"
        finally:
            sys.argv = before
            sys.path.remove(str(Path(path).parent))
    return json.loads(printed.getvalue().splitlines()[-1])


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables of the environment, and put those of before back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


@contextlib.contextmanager
def order_of_raysq() -> Iterator[None]:
    """Let `Model.fit` take the examples of arrays in raysq's order for the seed 0."""
    import keras
    import tensorflow as tf

    from raysq.data.shuffle import batch_order

    own = keras.Model.fit

    def fit(model: Any, x: Any, y: Any = None, *, batch_size: int = 32, epochs: int = 1, **options: Any) -> Any:
        if options.get("verbose") == 0:  # of a training before the one that is compared
            return own(model, x, y, batch_size=batch_size, epochs=epochs, **options)
        count = len(next(iter(x.values())) if isinstance(x, dict) else x)
        steps = -(-count // batch_size)
        order = batch_order(0, count, batch_size, 0, steps * epochs)

        def batches() -> Iterator[tuple[Any, ...]]:
            for chosen in order:
                yield tuple(_rows(part, chosen) for part in (x, y) if part is not None)

        first = next(batches())
        signature = tf.nest.map_structure(lambda values: tf.TensorSpec(values.shape, values.dtype), first)
        ordered = tf.data.Dataset.from_generator(batches, output_signature=signature)
        options = {"validation_batch_size": 512, "verbose": 2, **options}
        return own(model, ordered, steps_per_epoch=steps, epochs=epochs, **options)

    keras.config.set_dtype_policy("float32")
    keras.Model.fit = fit
    try:
        yield
    finally:
        keras.Model.fit = own


def _rows(part: Any, chosen: np.ndarray) -> Any:
    return {name: values[chosen] for name, values in part.items()} if isinstance(part, dict) else part[chosen]


if __name__ == "__main__":
    main()
