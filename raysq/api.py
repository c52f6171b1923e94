"""Public functions and classes of raysq.

`import raysq` exposes each name as `raysq.NAME` and imports it on first use. Names outside this module may change
without notice. The exceptions are `raysq.errors`, `raysq.layers` for custom models, and `raysq.charts` for the reports
of custom problems. The names that an extension uses are described in docs/extending.md.
"""

from raysq.config import Option, Range
from raysq.data.dataset import Dataset
from raysq.data.preprocessor import Chunk, Preprocessor, Transform
from raysq.data.readers.read_columns import read_columns
from raysq.errors import RaysqError, plain_errors
from raysq.inference.batch import predict_file
from raysq.inference.export import export
from raysq.inference.generate import generate
from raysq.inference.neighbors import word_vectors
from raysq.inference.predictor import Predictor, load
from raysq.inference.translate import translate, translate_file
from raysq.problems import register_problem
from raysq.problems.base import Metadata, Problem, ReportModel, RowContext
from raysq.problems.specs import (
    ArraySpec,
    BatchSource,
    InputSpec,
    ModelSpec,
    Objective,
    OutputMetric,
    SizeDefaults,
    SizeRule,
)
from raysq.report.compare import Comparison, compare
from raysq.report.data_page import DataPage, show_data
from raysq.report.inline import Report
from raysq.report.page import write_report
from raysq.serving.serve import Server, serve
from raysq.tasks import register_task
from raysq.tasks.prepare import prepare
from raysq.tasks.published import Published
from raysq.tasks.task import Source, Task
from raysq.training.backtest import Backtest, backtest
from raysq.training.evaluation import evaluate
from raysq.training.run import Run, runs
from raysq.training.train import train
from raysq.tuning.experiment import Experiment, experiments
from raysq.tuning.search import tune

__all__ = [
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
    "serve",
    "show_data",
    "train",
    "translate",
    "translate_file",
    "tune",
    "word_vectors",
    "write_report",
]
