"""`raysq generate`: generate text with a language model."""

import argparse
from typing import Any

from raysq.cli.output import write_result
from raysq.display.terminal import print_message, print_result
from raysq.errors import UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq generate` to its parser."""
    sub.add_argument(
        "--prompt", default="", metavar="TEXT", help="Beginning of the text. Defaults to the beginning of a sentence."
    )
    sub.add_argument(
        "--words",
        type=int,
        default=30,
        metavar="N",
        help="Number of words to add, or of characters for a model of characters.",
    )
    sub.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="Temperature of sampling. Below 1 the likely words become likelier. Defaults to 1.",
    )
    sub.add_argument(
        "--top-k", type=int, default=0, metavar="K", help="Sample from the K likeliest words, or from all with 0."
    )
    sub.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="Sample from the likeliest words whose probabilities add up to P.",
    )
    sub.add_argument("--greedy", action="store_true", help="Always choose the likeliest word, as --temperature 0 does.")
    sub.add_argument("--seed", type=int, default=0, help="Random seed. The same seed gives the same text.")
    sub.add_argument("--samples", type=int, default=1, metavar="N", help="Number of texts.")
    sub.add_argument("--stop", action="store_true", help="Stop at the end of the first sentence.")


def generate(options: argparse.Namespace) -> None:
    from raysq.inference.commands import require
    from raysq.inference.generate import generate
    from raysq.training.run import Run

    if options.greedy and options.temperature:
        raise UsageError(f"--greedy is temperature 0, and --temperature is {options.temperature:g}: give one of them")
    run = Run.open(options.run_name, trust=options.trust)
    require(run, "generate")  # reject a run that cannot generate before TensorFlow is loaded
    result = generate(
        run,
        options.prompt,
        epoch=options.epoch,
        words=options.words,
        temperature=0.0 if options.greedy else 1.0 if options.temperature is None else options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        seed=options.seed,
        samples=options.samples,
        stop=options.stop,
    )
    if result["unknown"]:
        names = ", ".join(repr(word) for word in result["unknown"])
        print_message(f"the model does not know {names} of the prompt")

    def show(console: Any) -> None:
        for number, text in enumerate(result["texts"]):
            print_result(f"{chr(10) * bool(number)}{text}")

    write_result(options, {"run": str(run.directory), "synthetic": run.config.synthetic, **result}, show)
