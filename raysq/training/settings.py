"""Training settings, which are the same for all problems."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.errors import UsageError
from raysq.training.presets import PresetName, check_optimizer

# Settings that the optimizer of a compiled model decides. `clipnorm` is not one of them, since the trainer clips
# gradients for any optimizer.
OPTIMIZER_SETTINGS = ("preset", "optimizer", "learning_rate", "epsilon", "schedule", "plateau_patience")


@dataclass(frozen=True)
class TrainSettings:
    """Settings of the training loop and the optimizer.

    Attributes:
        epochs: number of epochs. An epoch ends with evaluation on the validation split.
        steps_per_epoch: number of steps of an epoch; None for one pass over the training examples.
        batch_size: number of examples of a global step, over all workers.
        eval_batch_size: number of examples of an evaluation step, over all workers.
        preset: version of Keras whose defaults optimizers and layers have: "keras3", or "keras2" or "keras1" for
            tutorials of their time. It changes the optimizers' formulas, and the defaults of `learning_rate`, `epsilon`
            and the model's `layer_version`.
        optimizer: name of a Keras optimizer.
        learning_rate: learning rate at the first step.
        epsilon: constant that the optimizer adds to its denominator; None for the default of Keras 3's optimizer.
        schedule: "constant", "cosine" (to zero at the last step), "exponential" (to a tenth at the last step) or
            "plateau" (halved after `plateau_patience` epochs without a lower val_loss).
        plateau_patience: number of epochs; see `schedule`.
        clipnorm: largest global norm of the gradient, after it is summed over the workers; None for no clipping.
        patience: number of epochs without a lower val_loss after which training stops; 0 to train all epochs.
        precision: Keras dtype policy. The mixed policies are for GPUs.
        xla: whether to compile the gradient function with XLA; "auto" to compile it where that is faster.
        deterministic: whether to use deterministic ops, which give the same numbers every time at some cost in speed.
        exact: number of parts that each batch is cut into, so that up to as many workers end with the same bits; 0 for
            as many parts as workers, which end with the same numbers up to float rounding.
        checkpoint_steps: number of steps between checkpoints within an epoch; 0 for one checkpoint per epoch.
        steps_per_execution: number of steps of a compiled call, at whose ends callbacks that act on batches are called;
            0 for that of the compiled model (1 if it is not compiled). Without such callbacks it has no effect.
        samples_every: number of epochs between samples of what the model makes, such as a generated sentence, which are
            kept in the run's `samples.jsonl`; 0 for none. The first samples are those before training.
        keep_epochs: number of epochs between those whose weights are kept for `--epoch` of `generate`, `translate` and
            `predict`; 1 keeps those of every epoch, 0 of none but the best.
    """

    epochs: Annotated[int, Range(least=1)] = 20
    steps_per_epoch: Annotated[int | None, Range(least=1)] = 500
    batch_size: Annotated[int, Range(least=1)] = 128
    eval_batch_size: Annotated[int, Range(least=1)] = 512
    preset: PresetName = "keras3"
    optimizer: Literal["rmsprop", "adam", "adamw", "sgd", "adagrad", "adadelta", "nadam", "adamax"] = "rmsprop"
    learning_rate: Annotated[float, Range(above=0)] = 0.001
    epsilon: Annotated[float | None, Range(above=0)] = None
    schedule: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    plateau_patience: Annotated[int, Range(least=1)] = 3
    clipnorm: Annotated[float | None, Range(above=0)] = None
    patience: Annotated[int, Range(least=0)] = 0
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: Literal["auto", "true", "false"] = "auto"
    deterministic: bool = True
    exact: Annotated[int, Range(least=0)] = 0
    checkpoint_steps: Annotated[int, Range(least=0)] = 0
    steps_per_execution: Annotated[int, Range(least=0)] = 0
    samples_every: Annotated[int, Range(least=0)] = 0
    keep_epochs: Annotated[int, Range(least=0)] = 0

    def __post_init__(self) -> None:
        check_ranges(self)
        check_optimizer(self.preset, self.optimizer)
        if self.epsilon is not None and self.optimizer == "sgd":
            raise UsageError(
                f"setting epsilon is for optimizers that divide, received {self.epsilon} with sgd: leave it out"
            )
        if self.exact and not self.deterministic:
            raise UsageError("setting exact needs deterministic ops: leave deterministic=false out, or exact")
        if self.exact > self.batch_size:
            raise UsageError(
                f"setting exact cuts a batch into parts of one example at least, received exact={self.exact} with "
                f"batch_size={self.batch_size}: lower it"
            )

    def check_workers(self, workers: int) -> None:
        """Refuse more workers than canonical replicas.

        Raises:
            UsageError: there are more.
        """
        if self.exact and workers > self.exact:
            raise UsageError(
                f"--workers must be at most the setting exact, received {workers} with exact={self.exact}: give fewer "
                f"workers, or a larger exact"
            )
