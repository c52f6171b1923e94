"""Work of each worker of a run, alone or in a group: restore, train, save, and end the run."""

from collections.abc import Callable
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.data.dataset import Dataset
from raysq.display.terminal import print_message
from raysq.errors import Interrupted
from raysq.storage.atomic import sweep
from raysq.training import checkpoint
from raysq.training.callbacks import Paused, TensorBoardWriter, TrainingCallbacks
from raysq.training.checkpoint_writer import CheckpointWriter
from raysq.training.finalize import export_model, measure_best, write_result
from raysq.training.goodput import GoodputRecorder
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.saved import build_as_trained, check_saveable
from raysq.training.state import TrainState
from raysq.training.user_code import user_errors, user_loop

if TYPE_CHECKING:
    from raysq.training.trainer import Trainer


def run_worker(
    run: Run,
    strategy: Any,
    callbacks: TrainingCallbacks,
    *,
    chief: bool = True,
    dataset: Dataset | None = None,
    open_trainer: Callable[..., "Trainer"] = open_trainer,
    command: float | None = None,
) -> dict[str, float]:
    """Train a run to its end, from its last checkpoint if it has one. Call `configure` first.

    Args:
        run: the run.
        strategy: distribution strategy, or None.
        callbacks: callbacks of the training backend.
        chief: whether this worker writes files. Defaults to True.
        dataset: data set of the run. Defaults to the one at `config.data`, which may not exist on this node.
        open_trainer: function that returns the run's trainer, called as `raysq.training.open_trainer.open_trainer`.
            `CompiledCache.open` reuses trainers.
        command: when the command that trains the run began, in seconds since 1970. Defaults to now.

    Returns:
        The metrics of the best epoch's weights.

    Raises:
        Interrupted: `should_stop` returned True. The state is saved.
        Paused: `should_pause` returned True on the chief. The state is saved.
        TrainingError: the loss is not finite.
    """
    on_message: Callable[[str], None] = print_message if chief else lambda message: None
    with GoodputRecorder(run, command, chief=chief, on_message=on_message) as goodput:
        return _train(run, strategy, callbacks, chief, dataset, open_trainer, goodput, on_message)


def _train(
    run: Run,
    strategy: Any,
    callbacks: TrainingCallbacks,
    chief: bool,
    dataset: Dataset | None,
    open_trainer: Callable[..., "Trainer"],
    goodput: GoodputRecorder,
    on_message: Callable[[str], None],
) -> dict[str, float]:
    from raysq.training.epoch_samples import SampleWriter
    from raysq.training.exact_exchange import GatherGroup
    from raysq.training.keras_callbacks.runner import CallbackRunner
    from raysq.training.loop import fit

    dataset = dataset or Dataset.open(run.config.data)
    if chief:
        sweep(run.directory)
    exact = bool(run.config.train_settings().exact)
    scope = nullcontext() if exact or strategy is None else strategy.scope()
    background = callbacks.background_checkpoints
    with scope, ExitStack() as stack, CheckpointWriter(background=background) as writer:
        trainer = open_trainer(run, dataset, *([GatherGroup.of(strategy)] if exact else []))
        trainer.calls = callbacks.calls
        state = TrainState()
        damages: list[str] = []
        saved = checkpoint.load_last(run, damages.append)
        if saved is None and run.config.source_digest:
            check_saveable(trainer.model, run.config.model)
        if saved is not None:
            state = TrainState.from_json(saved.state)
        records = run.metrics(state.epoch)  # raise an error of damaged metrics now, before hours of training
        keras_callbacks = stack.enter_context(
            closing(
                CallbackRunner(
                    callbacks.keras_callbacks,
                    trainer,
                    lambda: build_as_trained(run, dataset),
                    run.config.model,
                    chief=chief,
                )
            )
        )
        keras_callbacks.begin(state, records)
        if saved is not None:
            trainer.restore(saved.variables)  # whatever callbacks have set at the beginning
            for message in keras_callbacks.restore(saved.callbacks):
                on_message(message)
        goodput.begin(state, trainer.replicas)

        def save(*directories: Path, kept: Path | None = None) -> None:
            with goodput.checkpoint():
                values = trainer.snapshot()  # on every worker: metrics are summed over them
                trainer.merge_metrics(values)
                if chief:
                    writer.save(directories, values, state.to_json(), keras_callbacks.states(), kept=kept)

        def save_now() -> None:
            save(run.last)
            with goodput.checkpoint():
                writer.wait()

        def on_pause() -> None:
            save_now()
            trainer.barrier()  # wait until the chief has written the checkpoint
            raise Paused(f"paused at step {state.step:,} of {trainer.total_steps:,}")

        def on_train_batch_end(state: TrainState, loss: float) -> None:
            goodput.on_train_batch_end(state)
            callbacks.on_train_batch_end(state, loss, trainer.steps_per_epoch)
            if callbacks.should_stop():
                save_now()
                raise Interrupted(
                    f"stopped at step {state.step:,} of {trainer.total_steps:,}; the same command continues there"
                )
            if trainer.settings.checkpoint_steps and state.step % trainer.settings.checkpoint_steps == 0:
                save(run.last)

        every, keep = trainer.settings.samples_every, trainer.settings.keep_epochs
        sampler = None
        if chief and every:
            sampler = stack.enter_context(closing(SampleWriter(run, trainer, dataset)))
            if not state.step:
                callbacks.on_samples(sampler.write(0, 0))
        if damages:
            save(run.last)  # replace the damaged checkpoint
            on_message(damages[0])
        tensorboard = TensorBoardWriter(run.directory) if chief and callbacks.tensorboard else None
        hooks = (on_train_batch_end, callbacks.on_step_cost, callbacks.should_pause, on_pause)
        for record in user_loop(run.config.model, fit(trainer, state, *hooks, keras_callbacks)):
            goodput.on_epoch_end(state)
            with goodput.checkpoint():
                writer.wait()  # so that the records are at most one epoch ahead of the last checkpoint
            if chief:
                run.append(record)
            if tensorboard is not None:
                tensorboard.write(record)
            samples = None
            if sampler is not None and state.epoch % every == 0:
                samples = sampler.write(state.epoch, state.step)
            # Save the best checkpoint first: after a crash between the two, the epoch is repeated and compared again.
            kept = run.kept(state.epoch) if keep and state.epoch % keep == 0 else None
            save(*([run.best] if record["best"] else []), run.last, kept=kept)
            callbacks.on_epoch_end(record)
            if samples is not None:
                callbacks.on_samples(samples)
        if keras_callbacks.on_train_end(state):
            # The weights that a callback leaves at the end are the model's, as after `Model.fit`.
            epoch, step = _last_weights(run, trainer, state, chief)
            with goodput.checkpoint():
                values = trainer.snapshot()
                if chief:
                    writer.save([run.best], values, {**state.to_json(), "epoch": epoch, "step": step})

        with goodput.checkpoint():
            writer.wait()
            trainer.barrier()  # wait until the chief has written the checkpoints
        export = callbacks.export_model()
        with goodput.finishing(), user_errors(run.config.model, "fails when it is evaluated"):
            metrics, epoch, weights = measure_best(run, trainer, test=export, on_message=on_message)
    if chief:
        with goodput.finishing():
            if export:
                export_model(run, dataset, weights)
        replicas = [attempt.replicas for attempt in goodput.attempts]
        write_result(run, trainer, state, metrics, epoch, goodput=goodput.finish(), replicas=replicas)
    return metrics


def _last_weights(run: Run, trainer: "Trainer", state: TrainState, chief: bool) -> tuple[int, int]:
    """Measure weights that a callback has set at the end, and return the epoch and the step of their record.

    It is that of the epoch with these metrics, which `EarlyStopping` has put back. If there is none, the last epoch's
    record gets them.
    """
    metrics = trainer.evaluate("val")
    records = run.metrics(state.epoch)
    for record in records:
        if metrics.items() <= record.items():
            return record["epoch"], record["step"]
    if chief:
        run.append({**records[-1], **metrics})
    trainer.barrier()  # every worker reads the records
    return records[-1]["epoch"], records[-1]["step"]
