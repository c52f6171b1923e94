"""Settings of training, the same for every problem."""

from dataclasses import dataclass
from typing import Literal

from raysq.errors import UsageError

# What the optimizer of a model that comes compiled decides. `clipnorm` is not among them: the loop clips gradients,
# whatever the optimizer.
OPTIMIZER_SETTINGS = ("optimizer", "learning_rate", "epsilon", "schedule", "plateau_patience")


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained.

    Attributes:
        epochs: an epoch only triggers evaluation.
        steps_per_epoch: steps of an epoch; none for one pass over the training examples.
        batch_size: examples of a global step, over all workers.
        eval_batch_size: examples of an evaluation step, over all workers.
        optimizer: a Keras optimizer's name.
        learning_rate: at the first step.
        epsilon: what the optimizer adds where it divides; none for its own. Keras 3's RMSprop adds 1e-7 under the root,
            Keras 2's beside it: 1e-14 does what that did.
        schedule: "constant", "cosine" (to zero at the last step), "exponential" (a tenth at the last step) or
            "plateau" (halved after `plateau_patience` epochs without a better val_loss).
        plateau_patience: epochs.
        clipnorm: largest global norm of the gradient, after it is summed over the workers; none for no clipping.
        patience: epochs without a better val_loss after which training stops; 0 to train all epochs.
        precision: Keras dtype policy; the mixed ones are for GPUs.
        xla: compile the gradient function with XLA; "auto" where it pays.
        deterministic: the same numbers every time, for some speed.
        checkpoint_steps: a checkpoint every so many steps besides that of every epoch; 0 for none.
    """

    epochs: int = 20
    steps_per_epoch: int | None = 500
    batch_size: int = 128
    eval_batch_size: int = 512
    optimizer: Literal["rmsprop", "adam", "adamw", "sgd", "adagrad", "adadelta", "nadam", "adamax"] = "rmsprop"
    learning_rate: float = 0.001
    epsilon: float | None = None
    schedule: Literal["constant", "cosine", "exponential", "plateau"] = "constant"
    plateau_patience: int = 3
    clipnorm: float | None = None
    patience: int = 0
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"] = "float32"
    xla: Literal["auto", "true", "false"] = "auto"
    deterministic: bool = True
    checkpoint_steps: int = 0

    def __post_init__(self) -> None:
        for name, least in (
            ("epochs", 1),
            ("batch_size", 1),
            ("eval_batch_size", 1),
            ("plateau_patience", 1),
            ("patience", 0),
            ("checkpoint_steps", 0),
        ):
            if getattr(self, name) < least:
                raise UsageError(f"setting {name} must be at least {least}, received {getattr(self, name)}")
        if self.steps_per_epoch is not None and self.steps_per_epoch < 1:
            raise UsageError(f"setting steps_per_epoch must be at least 1 or none, received {self.steps_per_epoch}")
        if not self.learning_rate > 0:
            raise UsageError(f"setting learning_rate must be above 0, received {self.learning_rate}")
        if self.epsilon is not None and not self.epsilon > 0:
            raise UsageError(f"setting epsilon must be above 0 or none, received {self.epsilon}")
        if self.epsilon is not None and self.optimizer == "sgd":
            raise UsageError(
                f"setting epsilon is for optimizers that divide, received {self.epsilon} with sgd: leave it out"
            )
        if self.clipnorm is not None and not self.clipnorm > 0:
            raise UsageError(f"setting clipnorm must be above 0 or none, received {self.clipnorm}")
