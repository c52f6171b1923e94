"""`raysq neighbors`: nearest words, analogies and export of word vectors."""

import argparse
from typing import Any

from raysq.cli.output import plain_item, write_result
from raysq.errors import UsageError


def add(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq neighbors` to its parser."""
    sub.add_argument("words", metavar="WORD", nargs="*", help="Word whose nearest words to show.")
    sub.add_argument("--top", type=int, default=10, metavar="N", help="Number of nearest words.")
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
    from raysq.inference import neighbors as inference
    from raysq.training.run import Run

    if not (options.words or options.analogy or options.evaluate or options.export):
        raise UsageError(
            'neighbors takes a word or more, --analogy "king - man + woman", --evaluate FILE or --export FILE'
        )
    analogies = [inference.parse_analogy(text) for text in options.analogy]
    test_sets = [inference.read_test_set(path) for path in options.evaluate]
    run = Run.open(options.run_name, trust=options.trust)
    vectors = inference.word_vectors(run)
    nearest: dict[str, Any] = {word: vectors.neighbors(word, options.top, options.among) for word in options.words}
    solved = {
        text: vectors.combine(added, subtracted, options.top, options.among)
        for text, (added, subtracted) in zip(options.analogy, analogies, strict=True)
    }
    result: dict[str, Any] = {
        "run": str(run.directory),
        "words": len(vectors),
        "dimension": vectors.vectors.shape[1],
        "synthetic": run.config.synthetic,
        "neighbors": {word: _pairs(words) for word, words in nearest.items()},
        "analogies": {text: _pairs(words) for text, words in solved.items()},
        "evaluation": [inference.evaluate(vectors, test_set) for test_set in test_sets],
        "export": inference.write_word2vec(vectors, options.export) if options.export else None,
    }

    def show(console: Any) -> None:
        from raysq.problems.charts import Table

        if run.config.synthetic:
            console.print("synthetic sample data")
        for title, words in {**nearest, **solved}.items():
            plain_item(console, Table(["word", "cosine"], [[word, f"{cosine:.3f}"] for word, cosine in words], title))
        for evaluation in result["evaluation"]:
            _show_evaluation(console, evaluation)
        written = result["export"]
        if written:
            left = f", {written['left_out']:,} with spaces in them left out" if written["left_out"] else ""
            console.print(
                f"{written['words']:,} words, {written['dimension']} numbers each, in {written['output']}{left}"
            )

    write_result(options, result, show)


def _pairs(words: list[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"word": word, "cosine": cosine} for word, cosine in words]


def _show_evaluation(console: Any, evaluation: dict[str, Any]) -> None:
    from raysq.problems.charts import Table

    if "pairs" in evaluation:
        value = "-" if evaluation["spearman"] is None else f"{evaluation['spearman']:.4f}"
        pairs = f"{evaluation['covered']:,} of {evaluation['pairs']:,} pairs with known words"
        console.print(f"{evaluation['set']}: Spearman {value} on the {pairs}")
        return
    rows = [[row["name"], row["questions"], row["covered"], _share(row["accuracy"])] for row in evaluation["sections"]]
    rows.append(["all", evaluation["questions"], evaluation["covered"], _share(evaluation["accuracy"])])
    plain_item(console, Table(["section", "questions", "words known", "right"], rows, evaluation["set"]))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
