"""Commands that a run supports, and the errors for those that it does not."""

from dataclasses import dataclass

from raysq import tasks
from raysq.errors import DataError, UsageError
from raysq.problems.capabilities import TextGenerator, TextInput, Translator, WordEmbedder
from raysq.training.run import Run


@dataclass(frozen=True)
class Command:
    """A command on runs.

    Attributes:
        name: name on the command line.
        action: description to follow "cannot" in messages.
        capability: protocol that the run's problem must have, or None.
    """

    name: str
    action: str
    capability: type | None = None


COMMANDS = (
    Command("evaluate", "be evaluated"),
    Command("predict", "predict"),
    Command("predict --text", "predict for texts that are given one by one", TextInput),
    Command("generate", "generate text", TextGenerator),
    Command("translate", "translate", Translator),
    Command("neighbors", "tell the neighbors of words", WordEmbedder),
    Command("report", "be reported"),
    Command("export", "be exported"),
)


def require(run: Run, name: str) -> None:
    """Raise an error unless the run's problem supports a command.

    Raises:
        UsageError: it does not. The message names what the run can do, and the tasks whose runs support the command.
    """
    command = _command(name)
    if not _has(run, command):
        assert command.capability is not None
        raise refusal(run, name, f"runs of {', '.join(tasks.names_with(command.capability))} can")


def can(run: Run, name: str) -> bool:
    """Whether a run supports a command."""
    command = _command(name)
    return _has(run, command) and _has_words(run, command)


def refusal(run: Run, name: str, why: str) -> UsageError:
    """Return the error for a command that a run does not support, with the commands that it does support.

    Args:
        run: the run.
        name: name of the command.
        why: reason, for the message.
    """
    config = run.config
    refused = _command(name)
    supported = [each.name for each in COMMANDS if each is not refused and can(run, each.name)]
    return UsageError(
        f"run {run.name} ({config.task}, model {config.model}) is {config.problem_class.noun} and cannot "
        f"{refused.action} ({why}); it can: {', '.join(supported)}"
    )


def require_finished(run: Run) -> None:
    """Raise an error unless a run has a model.

    Raises:
        DataError: it has none. The message names the state of the run and the next step.
    """
    if (run.directory / "model.keras").exists():
        return
    states = {
        "new": "has not been trained yet: start it with `raysq train`",
        "running": "is being trained by another process: wait until it has finished",
        "interrupted": "has not been trained to its end: the same `raysq train` command continues it",
        "finished": "has lost its model.keras: train it again with --fresh",
    }
    raise DataError(f"run {run.name} {states[run.state()]}")


def _command(name: str) -> Command:
    return next(command for command in COMMANDS if command.name == name)


def _has(run: Run, command: Command) -> bool:
    return command.capability is None or issubclass(run.config.problem_class, command.capability)


def _has_words(run: Run, command: Command) -> bool:
    """Return whether the run's own model has word vectors; not every model of a problem has."""
    if command.capability is not WordEmbedder:
        return True
    from raysq.inference.neighbors import word_vectors

    try:
        word_vectors(run)
    except UsageError:
        return False
    except DataError:  # the model exists only after training
        return True
    return True
