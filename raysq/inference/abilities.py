"""What can be done with a run, and what is said where something else is asked of it."""

from dataclasses import dataclass

from raysq import problems, tasks
from raysq.errors import DataError, UsageError
from raysq.training.run import Run


@dataclass(frozen=True)
class Ability:
    """Something that a command does with a run.

    Attributes:
        command: as on the command line.
        does: the same in words, after "cannot".
        part: the field of `Problem` without which it cannot be done; None for what every run can.
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
    """Whether a run is of a problem that a command can use.

    Raises:
        UsageError: it is not; names what the run can do, and tasks whose runs can do what was asked for.
    """
    ability = next(one for one in ABILITIES if one.command == command)
    if not _offers(run, ability):
        able = [
            name for name in tasks.TASKS if getattr(problems.get(tasks.get(name).problem), ability.part or "", None)
        ]
        raise refusal(run, command, f"runs of {', '.join(able)} can")


def refusal(run: Run, command: str, why: str) -> UsageError:
    """The error where a run cannot do what a command asks of it: what it is, what it can do, and why not."""
    config = run.config
    refused = next(one for one in ABILITIES if one.command == command)
    can = [one.command for one in ABILITIES if one is not refused and _offers(run, one) and _has_words(run, one)]
    return UsageError(
        f"run {run.name} ({config.task}, model {config.model}) is {problems.get(config.problem).noun} and cannot "
        f"{refused.does} ({why}); it can: {', '.join(can)}"
    )


def finished(run: Run) -> None:
    """Whether a run has a model to use.

    Raises:
        DataError: it has none; says where it stands and what to do.
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
    """Whether a run's own model has vectors of words, which not all models of a problem have."""
    if ability.part != "words":
        return True
    from raysq.inference.neighbors import word_vectors

    try:
        word_vectors(run)
    except UsageError:
        return False
    except DataError:  # not trained yet
        return True
    return True
