"""`raysq generate`: generate text with a language model."""

import argparse
from typing import Any

from raysq.cli.output import say
from raysq.display.terminal import print_message, print_result
from raysq.errors import UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq generate` to its parser."""
    sub.add_argument("run_name", metavar="RUN", help="a run's id, the beginning of it, or its directory")
    sub.add_argument("--prompt", default="", metavar="TEXT", help="the beginning (default: that of a sentence)")
    sub.add_argument("--words", type=int, default=30, metavar="N", help="how many to add; of a char run characters")
    sub.add_argument("--temperature", type=float, metavar="T", help="below 1 surer, above 1 wilder (default: 1)")
    sub.add_argument("--top-k", type=int, default=0, metavar="K", help="only among the K likeliest (default: all)")
    sub.add_argument(
        "--top-p", type=float, default=1.0, metavar="P", help="the likeliest that together have P (default: 1)"
    )
    sub.add_argument("--greedy", action="store_true", help="always the likeliest, as --temperature 0")
    sub.add_argument("--seed", type=int, default=0, help="the same seed gives the same text (default: 0)")
    sub.add_argument("--samples", type=int, default=1, metavar="N", help="how many texts (default: 1)")
    sub.add_argument("--stop", action="store_true", help="end with the first sentence")


def generate(options: argparse.Namespace) -> None:
    from raysq.inference.commands import require
    from raysq.inference.generate import generate
    from raysq.training.run import Run

    if options.greedy and options.temperature:
        raise UsageError(f"--greedy is temperature 0, and --temperature is {options.temperature:g}: give one of them")
    run = Run.open(options.run_name, trust=options.trust)
    require(run, "generate")  # reject a run that cannot generate before TensorFlow is loaded
    found = generate(
        run,
        options.prompt,
        words=options.words,
        temperature=0.0 if options.greedy else 1.0 if options.temperature is None else options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        samples=options.samples,
        stop=options.stop,
    )
    if found["unknown"]:
        names = ", ".join(repr(word) for word in found["unknown"])
        print_message(f"the model does not know {names} of the prompt")

    def show(console: Any) -> None:
        level = run.config.metadata["preprocessor"].get("level")
        for number, text in enumerate(found["samples"]):
            space = "" if level == "char" or not options.prompt else " "
            print_result(f"{chr(10) * bool(number)}{options.prompt}{space}{text}")

    say(options, {"run": str(run.directory), "synthetic": run.config.synthetic, **found}, show)
