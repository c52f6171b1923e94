"""Samples of what a model makes after epochs of training, written to the run's `samples.jsonl`."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from raysq.data.dataset import Dataset
from raysq.problems.capabilities import EpochSampler
from raysq.problems.samples import Sample
from raysq.training.keras_callbacks.seen_model import ModelCopy
from raysq.training.run import Run
from raysq.training.run_files import EpochSamples, SampleRecord
from raysq.training.saved import build_as_trained
from raysq.training.user_code import user_errors

if TYPE_CHECKING:
    from raysq.training.trainer import Trainer


class SampleWriter:
    """Writer of samples, on the chief alone.

    Training goes on with the same numbers: the states of the random generators are put back, and several replicas are
    sampled with a copy of the model, outside of the strategy. The model is copied and the sampler made at the first
    samples.

    Args:
        run: the run.
        trainer: its trainer.
        dataset: its data set.
    """

    def __init__(self, run: Run, trainer: "Trainer", dataset: Dataset):
        self._run, self._trainer, self._dataset = run, trainer, dataset
        self._copy: ModelCopy | None = None
        self._sampler: Callable[[], list[Sample]] | None = None
        run.samples()  # raise an error of damaged samples now, before hours of training

    def write(self, epoch: int, step: int) -> EpochSamples:
        """Write the samples after an epoch, 0 for those before training, and return them."""
        states = random.getstate(), np.random.get_state()
        try:
            with user_errors(self._run.config.model, "fails when samples are made"):
                made = self._made(step)
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
        records = [SampleRecord(title=each.title, text=each.text, expected=each.expected) for each in made]
        samples = EpochSamples(epoch=epoch, samples=records)
        self._run.append_samples(samples)
        return samples

    def _made(self, step: int) -> list[Sample]:
        if self._trainer.replicas == 1 and not tf.distribute.has_strategy():
            return self._sample(self._trainer.model)
        if self._copy is None:
            self._copy = ModelCopy(self._trainer, lambda: build_as_trained(self._run, self._dataset))
        copy = self._copy
        made: list[Sample] = copy.call(lambda: self._sample(copy.model), step)
        return made

    def _sample(self, model: Any) -> list[Sample]:
        if self._sampler is None:
            problem = self._run.config.make_problem()
            assert isinstance(problem, EpochSampler)  # `resolve_config` checks it
            self._sampler = problem.epoch_sampler(self._dataset, model)
        return self._sampler()

    def close(self) -> None:
        """Release the copy of the model."""
        if self._copy is not None:
            self._copy.close()
