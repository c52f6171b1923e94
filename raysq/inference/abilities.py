"""Commands that a run supports, and the errors for those that it does not."""

from dataclasses import dataclass

from raysq import problems, tasks
from raysq.errors import DataError, UsageError
from raysq.training.run import Run


@dataclass(frozen=True)
class Ability:
    """A command on runs.

    Attributes:
        command: name on the command line.
        does: description to follow "cannot" in messages.
        part: field of `Problem` that the command needs; None for commands that every run supports.
    """

    command: str
    does: str
    part: str | None = None


ABILITIES = (
    Ability("evaluate", "be evaluated"),
    Ability("predict", "predict"),
    Ability("predict --text", "predict for texts that are given one by one", "texts"),
    Ability("generate", "generate text", "generate"),
    Ability("translate", "translate", "translator"),
    Ability("neighbors", "tell the neighbors of words", "words"),
    Ability("report", "be reported"),
    Ability("export", "be exported"),
)


def check(run: Run, command: str) -> None:
    """Raise an error unless the run's problem supports a command.

    Raises:
        UsageError: if it does not. The message names what the run can do, and the tasks whose runs support the command.
    """
    ability = next(one for one in ABILITIES if one.command == command)
    if not _offers(run, ability):
        able = [
            name for name in tasks.TASKS if getattr(problems.get(tasks.get(name).problem), ability.part or "", None)
        ]
        raise refusal(run, command, f"runs of {', '.join(able)} can")


def refusal(run: Run, command: str, why: str) -> UsageError:
    """Return the error for a command that a run does not support, with the commands that it does support.

    Args:
        run: the run.
        command: the command.
        why: reason, for the message.
    """
    config = run.config
    refused = next(one for one in ABILITIES if one.command == command)
    can = [one.command for one in ABILITIES if one is not refused and _offers(run, one) and _has_words(run, one)]
    return UsageError(
        f"run {run.name} ({config.task}, model {config.model}) is {problems.get(config.problem).noun} and cannot "
        f"{refused.does} ({why}); it can: {', '.join(can)}"
    )


def finished(run: Run) -> None:
    """Raise an error unless a run has a model.

    Raises:
        DataError: if it has none; the message names the state of the run and the next step.
    """
    if (run.directory / "model.keras").exists():
        return
    said = {
        "new": "has not been trained yet: start it with `raysq train`",
        "running": "is being trained by another process: wait until it has finished",
        "interrupted": "has not been trained to its end: the same `raysq train` command continues it",
        "finished": "has lost its model.keras: train it again with --fresh",
    }
    raise DataError(f"run {run.name} {said[run.state()]}")


def _offers(run: Run, ability: Ability) -> bool:
    return ability.part is None or getattr(problems.get(run.config.problem), ability.part) is not None


def _has_words(run: Run, ability: Ability) -> bool:
    """Return whether the run's own model has word vectors; not every model of a problem has."""
    if ability.part != "words":
        return True
    from raysq.inference.neighbors import word_vectors

    try:
        word_vectors(run)
    except UsageError:
        return False
    except DataError:  # the model exists only after training
        return True
    return True
