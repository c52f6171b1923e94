"""Run the commands of a block of bash in this process: `raysq` and `python FILE`, joined by &&, with `> FILE`.

One process imports TensorFlow once, where a shell would import it for each command. What takes long in a command is
shortened, and what it downloads is the task's sample: see `shortened`.
"""

import contextlib
import os
import runpy
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raysq.cli import main

SAMPLES = {"jena": "sample:40d", "beijing": "sample:400d", "skipgram": "sample:2000"}  # of other tasks: sample:400
LEAST = {"epochs": 1, "steps_per_epoch": 2}
FEWER = {"--trials": "2", "--refit": "1", "--generations": "2", "--folds": "2", "--words": "5"}


def pieces(command: str) -> list[list[str]]:
    """Split a command line into programs with their arguments, at `&&`."""
    whole: list[list[str]] = [[]]
    for word in shlex.split(command, comments=True):
        if word == "&&":
            whole.append([])
        else:
            whole[-1].append(word)
    return whole


def shortened(arguments: list[str]) -> list[str]:
    """Return the arguments of a `raysq` command with the least work that still does all that it names."""
    command, *rest = arguments
    if command == "prepare":
        sample = SAMPLES.get(rest[0], "sample:400")
        rest = [sample if word == "sample" else word for word in rest]
        return [command, *rest] if "--source" in rest else [command, *rest, "--source", sample]
    rest = [FEWER.get(before, word) for before, word in zip(["", *rest], rest, strict=False)]
    if command in ("train", "tune", "backtest"):
        epochs = {number for number, word in enumerate(rest) if word == "--epochs"}
        steps = {number - 1 for number, word in enumerate(rest) if word.startswith("steps_per_epoch=")}
        dropped = {number + after for number in epochs | steps for after in (0, 1)}
        rest = [word for number, word in enumerate(rest) if number not in dropped]
        rest += ["--trials", "2"] if command == "tune" and "--trials" not in rest else []
        rest += ["--epochs", str(LEAST["epochs"]), "--set", f"steps_per_epoch={LEAST['steps_per_epoch']}"]
    return [command, *rest]


def shortened_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `raysq.train` or `raysq.tune` with the least work."""

    def run_less(*arguments: Any, settings: Mapping[str, Any] | None = None, **keywords: Any) -> Any:
        fewer = {"trials": 2} if function.__name__ == "tune" else {}
        return function(*arguments, settings={**(settings or {}), **LEAST}, **keywords | fewer)

    return run_less


def run(command: str) -> None:
    """Run a command line. A program that fails is an AssertionError."""
    for program, *arguments in pieces(command):
        output = None
        if ">" in arguments:
            at = arguments.index(">")
            output = Path(os.path.expanduser(arguments[at + 1]))
            output.parent.mkdir(parents=True, exist_ok=True)
            arguments = arguments[:at]
        with contextlib.ExitStack() as stack:
            if output:
                stack.enter_context(contextlib.redirect_stdout(stack.enter_context(output.open("w"))))
            if program == "python":
                runpy.run_path(arguments[0], run_name="__main__")
            else:
                assert program == "raysq", f"{program} is not a program that is run here: {command}"
                try:
                    status = main(shortened(arguments))
                except SystemExit as stop:  # of options that print and end, and of wrong usage
                    status = stop.code or 0
                assert status == 0, command
