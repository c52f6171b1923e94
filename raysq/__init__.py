"""Distributed training on Ray for sequence learning with Keras 3.

    import raysq

    raysq.prepare("jena", source="sample")
    run = raysq.train("jena", model="gru")
    raysq.evaluate(run)
    raysq.load(run).predict(frame)

Importing raysq imports neither TensorFlow nor Ray.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_WHERE = {
    "prepare": "raysq.preparation",
    "train": "raysq.training.api",
    "evaluate": "raysq.training.api",
    "backtest": "raysq.training.backtest",
    "predict_file": "raysq.inference.batch",
    "generate": "raysq.inference.generate",
    "translate": "raysq.inference.translate",
    "tune": "raysq.tuning.search",
    "report": "raysq.report.page",
    "load": "raysq.inference.load",
    "Run": "raysq.training.run",
    "runs": "raysq.training.run",
    "Dataset": "raysq.shards",
    "RaysqError": "raysq.errors",
    "plain_errors": "raysq.errors",
    "search_job": "raysq.cli.job",
}
__all__ = [*_WHERE, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'raysq' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
