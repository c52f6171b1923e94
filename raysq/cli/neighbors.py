"""`raysq neighbors`: nearest words, analogies and export of word vectors."""

import argparse
from typing import Any

from raysq.cli.output import plain_item, say
from raysq.errors import UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq neighbors` to its parser."""
    sub.add_argument("words", metavar="WORD", nargs="*", help="Word whose nearest words to show.")
    sub.add_argument("--top", type=int, default=10, metavar="N", help="Number of nearest words. Defaults to 10.")
    sub.add_argument("--among", type=int, metavar="N", help="Show only words among the N most frequent ones.")
    sub.add_argument(
        "--analogy",
        action="append",
        default=[],
        metavar="SUM",
        help='Analogy to solve, such as "king - man + woman". Can be repeated.',
    )
    sub.add_argument(
        "--evaluate",
        action="append",
        default=[],
        metavar="FILE",
        help="File of word pairs with similarity judgments, such as WordSim-353, or of analogy questions. Can be "
        "repeated.",
    )
    sub.add_argument(
        "--export", metavar="FILE", help=".txt or .txt.gz file to write in word2vec's text format, as gensim loads it."
    )


def neighbors(options: argparse.Namespace) -> None:
    from raysq.inference import neighbors as asked
    from raysq.training.run import Run

    if not (options.words or options.analogy or options.evaluate or options.export):
        raise UsageError(
            'neighbors takes a word or more, --analogy "king - man + woman", --evaluate FILE or --export FILE'
        )
    analogies = [asked.parse_analogy(text) for text in options.analogy]
    sets = [asked.read_test_set(path) for path in options.evaluate]
    run = Run.open(options.run_name, trust=options.trust)
    vectors = asked.word_vectors(run)
    near: dict[str, Any] = {word: vectors.neighbors(word, options.top, options.among) for word in options.words}
    solved = {
        text: vectors.combine(more, less, options.top, options.among)
        for text, (more, less) in zip(options.analogy, analogies, strict=True)
    }
    result: dict[str, Any] = {
        "run": str(run.directory),
        "words": len(vectors),
        "dimension": vectors.vectors.shape[1],
        "synthetic": run.config.synthetic,
        "neighbors": {word: _pairs(found) for word, found in near.items()},
        "analogies": {text: _pairs(found) for text, found in solved.items()},
        "evaluation": [asked.evaluate(vectors, one) for one in sets],
        "export": asked.write_word2vec(vectors, options.export) if options.export else None,
    }

    def show(console: Any) -> None:
        from raysq.problems.charts import Table

        if run.config.synthetic:
            console.print("synthetic sample data")
        for title, found in {**near, **solved}.items():
            plain_item(console, Table(["word", "cosine"], [[word, f"{cosine:.3f}"] for word, cosine in found], title))
        for one in result["evaluation"]:
            _show_evaluation(console, one)
        written = result["export"]
        if written:
            left = f", {written['left_out']:,} with spaces in them left out" if written["left_out"] else ""
            console.print(
                f"{written['words']:,} words, {written['dimension']} numbers each, in {written['output']}{left}"
            )

    say(options, result, show)


def _pairs(found: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "cosine": cosine} for word, cosine in found]


def _show_evaluation(console: Any, found: dict[str, Any]) -> None:
    from raysq.problems.charts import Table

    if "pairs" in found:
        value = "-" if found["spearman"] is None else f"{found['spearman']:.4f}"
        console.print(
            f"{found['set']}: Spearman {value} on the {found['covered']:,} of {found['pairs']:,} pairs with known words"
        )
        return
    rows = [[one["name"], one["questions"], one["covered"], _share(one["accuracy"])] for one in found["sections"]]
    rows.append(["all", found["questions"], found["covered"], _share(found["accuracy"])])
    plain_item(console, Table(["section", "questions", "words known", "right"], rows, found["set"]))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
