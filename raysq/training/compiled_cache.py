"""Cache of compiled trainers in a process: a search traces and compiles the same graph once."""

import gc
import json
from collections import OrderedDict
from typing import Any

from raysq.data.dataset import Dataset
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.worker import open_program, refuse_idle

# Training settings that control the loop and are not part of the graph. The learning rate is a variable.
_OUTSIDE = ("epochs", "steps_per_epoch", "patience", "plateau_patience", "learning_rate", "checkpoint_steps")
# Cosine and exponential schedules are constants of the graph that depend on these settings.
_INSIDE = ("epochs", "steps_per_epoch", "learning_rate")


def graph_key(config: RunConfig) -> str:
    """Return a key of a run's compiled graph.

    Runs with the same key trace and compile the same graph on the same arrays. Their seeds may differ.

    Args:
        config: configuration of the run.
    """
    training = {key: value for key, value in config.settings["training"].items() if key not in _OUTSIDE}
    if config.settings["training"]["schedule"] in ("cosine", "exponential"):
        training |= {key: config.settings["training"][key] for key in _INSIDE}
    parts = [config.problem, config.model, config.source_digest, config.data, config.fingerprint]
    return json.dumps([*parts, config.settings["data"], config.settings["model"], training], sort_keys=True)


class CompiledCache:
    """Cache of the most recently used trainers of this process.

    Args:
        most: maximum number of cached trainers. Each holds its compiled functions and its arrays on the device.
    """

    def __init__(self, most: int = 3):
        self.most = most
        self._kept: OrderedDict[str, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def open(self, run: Run, dataset: Dataset) -> Any:
        """Return the run's trainer, as `open_program` builds it: a cached one that is reset, or a new one.

        `configure` must be called first.

        Args:
            run: the run.
            dataset: data set of the run.
        """
        key = graph_key(run.config)
        if key in self._kept:
            program = self._kept[key]
            refuse_idle(run.config, program.compilation.own_optimizer)
            program.reset(run.config.build(dataset), run.config.train_settings(), run.config.seed)
        else:
            self.drop(self.most - 1)
            program = self._kept[key] = open_program(run, dataset)
        self._kept.move_to_end(key)
        return program

    def drop(self, keep: int = 0) -> None:
        """Free the least recently used trainers, all but `keep`.

        Args:
            keep: number of trainers to keep. Defaults to 0.
        """
        if len(self._kept) <= keep:
            return
        while len(self._kept) > keep:
            self._kept.popitem(last=False)
        # A trainer and its traced functions refer to each other.
        gc.collect()
