"""Distributed training on Ray for sequence learning with Keras 3.

Example:
    >>> import raysq
    >>> raysq.prepare("jena", source="sample")
    >>> run = raysq.train("jena", model="gru")
    >>> raysq.evaluate(run)
    >>> raysq.write_report(run)
    >>> raysq.load(run).predict(frame)

`dir(raysq)` lists the public names. Importing raysq imports neither TensorFlow nor Ray.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raysq.api import (
        ArraySpec,
        Backtest,
        BatchSource,
        Chunk,
        Comparison,
        DataPage,
        Dataset,
        Experiment,
        InputSpec,
        Metadata,
        ModelSpec,
        Objective,
        Option,
        OutputMetric,
        Predictor,
        Preprocessor,
        Problem,
        Published,
        Range,
        RaysqError,
        Report,
        ReportModel,
        RowContext,
        Run,
        Server,
        SizeDefaults,
        SizeRule,
        Source,
        Task,
        Transform,
        backtest,
        compare,
        evaluate,
        experiments,
        export,
        generate,
        load,
        plain_errors,
        predict_file,
        prepare,
        read_columns,
        register_problem,
        register_task,
        runs,
        serve,
        show_data,
        train,
        translate,
        translate_file,
        tune,
        word_vectors,
        write_report,
    )
    from raysq.cli.job import search_job
    from raysq.problems import charts as charts

__version__ = "0.1.0"

__all__ = [  # the names of raysq.api, which is imported when one of them is first used, and `search_job`
    "ArraySpec",
    "Backtest",
    "BatchSource",
    "Chunk",
    "Comparison",
    "DataPage",
    "Dataset",
    "Experiment",
    "InputSpec",
    "Metadata",
    "ModelSpec",
    "Objective",
    "Option",
    "OutputMetric",
    "Predictor",
    "Preprocessor",
    "Problem",
    "Published",
    "Range",
    "RaysqError",
    "Report",
    "ReportModel",
    "RowContext",
    "Run",
    "Server",
    "SizeDefaults",
    "SizeRule",
    "Source",
    "Task",
    "Transform",
    "__version__",
    "backtest",
    "compare",
    "evaluate",
    "experiments",
    "export",
    "generate",
    "load",
    "plain_errors",
    "predict_file",
    "prepare",
    "read_columns",
    "register_problem",
    "register_task",
    "runs",
    "search_job",
    "serve",
    "show_data",
    "train",
    "translate",
    "translate_file",
    "tune",
    "word_vectors",
    "write_report",
]


# Modules that users reach as `raysq.NAME` without importing them.
_MODULES = {
    "api": "raysq.api",
    "charts": "raysq.problems.charts",
    "errors": "raysq.errors",
    "layers": "raysq.layers",
}


if not TYPE_CHECKING:  # type checkers read the imports above and report unknown names

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(_MODULES[name])
        if name not in __all__:
            raise AttributeError(f"module 'raysq' has no attribute {name!r}")
        module = importlib.import_module("raysq.cli.job" if name == "search_job" else "raysq.api")
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_MODULES})
