"""Open a run's trainer, and refuse settings that a compiled model's own optimizer decides."""

from typing import TYPE_CHECKING

from raysq.data.dataset import Dataset
from raysq.errors import UsageError
from raysq.training.run import Run
from raysq.training.run_config import RunConfig
from raysq.training.runtime import configure
from raysq.training.saved import build_as_trained
from raysq.training.settings import OPTIMIZER_SETTINGS
from raysq.training.user_code import is_own, user_errors

if TYPE_CHECKING:
    from raysq.training.exact_exchange import GatherGroup
    from raysq.training.trainer import Trainer


def open_trainer(run: Run, dataset: Dataset, group: "GatherGroup | None" = None) -> "Trainer":
    """Build the run's model and its trainer. Call it inside the strategy's scope, or outside with the setting `exact`.

    Args:
        run: the run.
        dataset: data set of the run.
        group: the workers of a run with the setting `exact`. Defaults to this process alone.

    Raises:
        UsageError: the model cannot be built or trained, or settings were given that have no effect on it.
    """
    from raysq.training.exact_trainer import ExactTrainer
    from raysq.training.trainer import Trainer

    config = run.config
    settings = config.train_settings()
    problem = config.make_problem()
    with user_errors(config.model, "cannot be trained", everything=True):
        model = build_as_trained(run, dataset)
        splits, objective = problem.splits(dataset), problem.objective()
        xla = config.model_spec().xla
        arguments = (model, splits, settings, config.seed, objective, xla, config.model)
        trainer = ExactTrainer(*arguments, group) if settings.exact else Trainer(*arguments)
    validate_optimizer_settings(config, trainer)
    return trainer


def validate_optimizer_settings(config: RunConfig, trainer: "Trainer") -> None:
    """Refuse settings of the user that the model's own optimizer decides.

    Raises:
        UsageError: such settings were given.
    """
    ignored = [name for name in trainer.compilation.ignored_settings if name in config.given]
    if ignored:
        raise UsageError(
            f"model {config.model!r} comes compiled, so its own optimizer decides {', '.join(ignored)}: leave "
            f"{'it' if len(ignored) == 1 else 'them'} out, or make a keyword of the function of {ignored[0]} "
            f"(build(inputs, *, {ignored[0]}=...), --set model.{ignored[0]}=...), or do not compile the model"
        )


def ignored_settings(config: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    """Return the names of training settings that a model ignores, because it is compiled with its own optimizer.

    A search leaves them out of its space and refuses them if the user requests them. To find out, the function of the
    user's model is called in this process on the CPU. No model of raysq is compiled.

    Args:
        config: configuration of any run of the model.
        dataset: data set of the run.

    Returns:
        The names. They are empty if the model cannot be built with these settings, since it may be built with others.
        Each trial refuses such settings too.
    """
    if not is_own(config.model):
        return ()
    configure(config.train_settings(), config.seed, gpu=False)
    from raysq.training.validation import call_builder

    inputs = config.make_problem().input_spec(dataset)
    try:
        model = call_builder(config.model, config.load_builder(), inputs, config.settings["model"])
    except UsageError:
        return ()
    return OPTIMIZER_SETTINGS if getattr(model, "compiled", False) else ()
