"""Public functions and classes of raysq.

`import raysq` exposes each name as `raysq.NAME` and imports it on first use. Names outside this module may change
without notice. The exceptions are `raysq.errors` and, for custom models, `raysq.layers`.
"""

from raysq.data.dataset import Dataset
from raysq.errors import RaysqError, plain_errors
from raysq.inference.batch import predict_file
from raysq.inference.export import export
from raysq.inference.generate import generate
from raysq.inference.neighbors import word_vectors
from raysq.inference.predictor import Predictor, load
from raysq.inference.translate import translate, translate_file
from raysq.report.page import write_report
from raysq.tasks.prepare import prepare
from raysq.training.backtest import Backtest, backtest
from raysq.training.run import Run, runs
from raysq.training.train import evaluate, train
from raysq.tuning.experiment import Experiment, experiments
from raysq.tuning.search import tune

__all__ = [
    "Backtest",
    "Dataset",
    "Experiment",
    "Predictor",
    "RaysqError",
    "Run",
    "backtest",
    "evaluate",
    "experiments",
    "export",
    "generate",
    "load",
    "plain_errors",
    "predict_file",
    "prepare",
    "runs",
    "train",
    "translate",
    "translate_file",
    "tune",
    "word_vectors",
    "write_report",
]
