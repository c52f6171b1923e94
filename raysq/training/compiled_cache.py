"""Cache of compiled trainers in a process: a search traces and compiles the same graph once."""

import gc
import json
from collections import OrderedDict
from typing import TYPE_CHECKING

from raysq.data.dataset import Dataset
from raysq.training.open_trainer import open_trainer, validate_optimizer_settings
from raysq.training.run import Run
from raysq.training.run_config import RunConfig

if TYPE_CHECKING:
    from raysq.training.exact_exchange import GatherGroup
    from raysq.training.trainer import Trainer

# Training settings that control the loop and are not part of the graph. The learning rate is a variable.
_OUTSIDE_GRAPH = (
    *("epochs", "steps_per_epoch", "patience", "plateau_patience", "learning_rate"),
    *("checkpoint_steps", "steps_per_execution"),
)
# Cosine and exponential schedules are constants of the graph that depend on these settings.
_IN_SCHEDULE = ("epochs", "steps_per_epoch", "learning_rate")


def graph_key(config: RunConfig) -> str:
    """Return a key of a run's compiled graph.

    Runs with the same key trace and compile the same graph on the same arrays. Their seeds may differ.
    """
    training = {key: value for key, value in config.settings["training"].items() if key not in _OUTSIDE_GRAPH}
    if config.settings["training"]["schedule"] in ("cosine", "exponential"):
        training |= {key: config.settings["training"][key] for key in _IN_SCHEDULE}
    parts = [config.problem, config.model, config.source_digest, config.data, config.fingerprint]
    return json.dumps([*parts, config.settings["data"], config.settings["model"], training], sort_keys=True)


class CompiledCache:
    """Cache of the most recently used trainers of this process.

    Args:
        size: maximum number of cached trainers. Each holds its compiled functions and its arrays on the device.
    """

    def __init__(self, size: int = 3):
        self.size = size
        self._trainers: OrderedDict[str, Trainer] = OrderedDict()

    def __len__(self) -> int:
        return len(self._trainers)

    def open(self, run: Run, dataset: Dataset, group: "GatherGroup | None" = None) -> "Trainer":
        """Return the run's trainer, as `open_trainer` builds it: a cached one that is reset, or a new one.

        Call `configure` first.
        """
        key = graph_key(run.config)
        if key in self._trainers:
            trainer = self._trainers[key]
            validate_optimizer_settings(run.config, trainer)
            trainer.reset(run.config.build(dataset), run.config.train_settings(), run.config.seed)
        else:
            self.drop(self.size - 1)
            trainer = self._trainers[key] = open_trainer(run, dataset, group)
        self._trainers.move_to_end(key)
        return trainer

    def drop(self, keep: int = 0) -> None:
        """Free the least recently used trainers, all but `keep`."""
        if len(self._trainers) <= keep:
            return
        while len(self._trainers) > keep:
            self._trainers.popitem(last=False)
        # A trainer and its traced functions refer to each other.
        gc.collect()
