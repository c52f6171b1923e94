"""Training in this process: one worker, no worker group."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raysq.training.progress import TrainProgress
from raysq.training.run import Run
from raysq.training.worker import Hooks, configure, strategy, work


def train(run: Run, *, gpu: bool = False, threads: int | None = None, quiet: bool = False) -> None:
    """Trains a run to its end in this process.

    The first Ctrl-C (or SIGTERM) saves the exact step and ends; a second one ends at once.

    Raises:
        Interrupted: it was stopped; the same call continues.
    """
    settings = run.config.train_settings()
    configure(settings, run.config.seed, gpu=gpu, threads=threads)
    with TrainProgress(settings.epochs, quiet) as progress, _stop_signals() as should_stop:
        work(run, strategy(1, gpu), Hooks(progress.step, progress.epoch, should_stop))


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return

    def handle(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
