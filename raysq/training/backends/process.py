"""Training backend in this process: one worker, no worker group."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raysq.training.callbacks import TrainingCallbacks
from raysq.training.progress import TrainProgress
from raysq.training.run import Run
from raysq.training.runtime import configure, make_strategy
from raysq.training.stop_signals import on_stop_signal
from raysq.training.worker import run_worker


def train(
    run: Run,
    *,
    gpu: bool = False,
    threads: int | None = None,
    quiet: bool = False,
    callbacks: Sequence[Any] = (),
) -> None:
    """Train a run to its end in this process.

    The first Ctrl-C (or SIGTERM) saves the state at the current step and ends training. A second one ends at once.

    Args:
        run: the run.
        gpu: whether to use the GPUs of this machine. Defaults to False.
        threads: TensorFlow's threads. Defaults to all cores.
        quiet: whether to hide progress. Defaults to False.
        callbacks: Keras callbacks. Defaults to none.

    Raises:
        Interrupted: a signal stopped training. The same call continues it.
    """
    command = time.time()
    settings = run.config.train_settings()
    configure(settings, run.config.seed, gpu=gpu, threads=threads)
    with TrainProgress(settings.epochs, quiet) as progress, _stop_on_signal() as should_stop:
        own = TrainingCallbacks(
            progress.on_train_batch_end,
            progress.on_epoch_end,
            progress.on_samples,
            should_stop=should_stop,
            keras_callbacks=callbacks,
        )
        run_worker(run, make_strategy(1, gpu), own, command=command)


@contextmanager
def _stop_on_signal() -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether a first signal was received; a second one raises KeyboardInterrupt."""
    stop = threading.Event()

    def handle() -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with on_stop_signal(handle):
        yield stop.is_set
