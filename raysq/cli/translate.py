"""`raysq translate`: translate texts or a file."""

import argparse
import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

from raysq.cli.output import write_result
from raysq.display.terminal import print_message, print_result
from raysq.errors import UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq translate` to its parser."""
    inputs = sub.add_mutually_exclusive_group(required=True)
    inputs.add_argument("--text", action="append", metavar="TEXT", help="Sentence to translate. Can be repeated.")
    inputs.add_argument(
        "--input", metavar="FILE", help="File with a sentence per line, a table such as csv, or - for standard input."
    )
    sub.add_argument("--column", metavar="NAME", help="Column of the sentences in a table. Inferred by default.")
    sub.add_argument(
        "--output",
        metavar="FILE",
        help="File to write, with a translation per line of --input. Defaults to standard output.",
    )
    sub.add_argument(
        "--reference", metavar="FILE", help="File with a reference translation per line of --input, to measure BLEU."
    )
    sub.add_argument("--beam", type=int, default=4, metavar="K", help="Beam width. 1 decodes greedily.")
    sub.add_argument(
        "--penalty", type=float, default=1.0, metavar="P", help="Length penalty: scores are divided by length ** P."
    )
    about = "Unknown words: never written, or copied from the source, which needs attention."
    sub.add_argument("--unknown", choices=("never", "copy"), default="never", help=about)
    sub.add_argument("--encoding", default="utf-8", help="Encoding of the files.")


def translate(options: argparse.Namespace) -> None:
    from raysq.inference.commands import require
    from raysq.training.run import Run

    if options.beam < 1:
        raise UsageError(f"--beam must be at least 1, received {options.beam}")
    if not math.isfinite(options.penalty):
        raise UsageError(f"--penalty must be a number, received {options.penalty}")
    run = Run.open(options.run_name, trust=options.trust)
    require(run, "translate")  # reject a run that cannot translate before TensorFlow is loaded
    decoding = {"beam": options.beam, "penalty": options.penalty, "unknown": options.unknown}
    return _texts(options, run, decoding) if options.text is not None else _file(options, run, decoding)


def _texts(options: argparse.Namespace, run: Any, decoding: dict[str, Any]) -> None:
    from raysq.inference.translate import translate

    for name in ("output", "reference", "column"):
        if getattr(options, name):
            raise UsageError(f"--{name} goes with --input; what --text gives is printed")
    translations = [
        {
            "source": text,
            "translation": translation.text,
            "score": None if math.isnan(translation.score) else translation.score,
            "remark": translation.remark,
        }
        for text, translation in zip(
            options.text, translate(run, options.text, epoch=options.epoch, **decoding), strict=True
        )
    ]

    def show(console: Any) -> None:
        for row in translations:
            print_result(row["translation"])
            if row["remark"]:
                print_message(f"  {row['remark']}")

    write_result(
        options, {"run": str(run.directory), "synthetic": run.config.synthetic, "translations": translations}, show
    )


def _file(options: argparse.Namespace, run: Any, decoding: dict[str, Any]) -> None:
    from raysq.data.messages import without_options
    from raysq.inference.translate import translate_file

    def tell(message: str) -> None:
        if not options.json:
            print_message(f"  {without_options(message)}")

    if options.json and options.output is None:
        raise UsageError("translate --json needs --output FILE: without it the translations are what is printed")
    with _counter(options.json or (options.output is None and sys.stdout.isatty())) as count:
        result = translate_file(
            run,
            options.input,
            options.output,
            reference=options.reference,
            encoding=options.encoding,
            column=options.column,
            epoch=options.epoch,
            on_line=count,
            on_message=tell,
            **decoding,
        )
    summary = f"{result['lines']:,} lines in {result['seconds']:.1f} s"
    if "bleu" in result:
        summary += f", BLEU {result['bleu']:.2f}"
    if options.output is None:
        print_message(summary)
        return None
    return write_result(options, result, lambda console: console.print(f"{summary}: {result['output']}"))


@contextlib.contextmanager
def _counter(quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that advances the number of translated lines, shown as a progress bar on a terminal."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from raysq.display.live import LiveOutput

    bar = Progress(TextColumn("translating"), MofNCompleteColumn(), TimeElapsedColumn())
    line = bar.add_task("", total=None)
    with LiveOutput(bar, quiet=quiet):
        yield lambda done: bar.advance(line, done)
