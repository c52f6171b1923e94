"""Language models of subwords: prepared, trained, and their texts joined to words."""

import numpy as np
import pytest
from problems.language_modeling.corpus import prepared

import raysq
from raysq.config import make_settings
from raysq.errors import DataError, UsageError
from raysq.problems.language_modeling.generate import join_text
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor
from raysq.problems.language_modeling.settings import END, FIRST
from raysq.problems.text_classification.preprocessor import TextClassificationPreprocessor

TEXT = " ".join(f"The {kind}er of the {kind}est {kind}ing rests. A {kind} is {kind}er." for kind in ("low", "new") * 20)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("subwords")
    dataset = prepared(folder, TEXT, level="subword", vocab_size=28)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYSQ_HOME", str(folder / "home"))
        yield (
            raysq.train("text", data=str(dataset.directory), model="baseline", settings={"val": "5"}, quiet=True),
            dataset,
        )


def test_units_are_split_and_measured_in_subwords(run):
    dataset = run[1]
    pieces = dataset.extra("vocabulary").column("word").to_pylist()
    tokens, report = dataset.ragged("tokens"), dataset.manifest.report
    assert report["level"] == "subword" and report["words"] == len(pieces) <= 28
    texts = ["".join(pieces[code] for code in tokens.row(row)).split("\u2581")[1:] for row in range(dataset.rows)]
    assert [" ".join(words) for words in texts] == [
        text.lower().replace(".", "") for text in dataset.texts("text", np.arange(dataset.rows))
    ]
    assert report["tokens"] == tokens.lengths.sum() > sum(map(len, texts)) and report["longest"] == tokens.lengths.max()


def test_a_run_reads_and_writes_words(run):
    predictor = raysq.load(run[0])
    (row,) = predictor.predict(["The lowing newer zoo."]).to_pylist()
    assert row["unknown"] > 0 and row["words"] > 4, "counted in subwords; z is unknown"
    written = predictor.generate("The low zoo", words=30, seed=3, samples=4)
    assert written["unknown"] == ["zoo"]
    assert all(text and "\u2581" not in text for text in (*written["samples"], *written["texts"]))
    assert "subwords" in "".join(predictor.problem.describe())
    terms = predictor.problem.vocabulary.terms
    first = next(number for number in range(FIRST, len(terms)) if terms[number][:1] == "\u2581" < terms[number])
    inside = next(number for number in range(FIRST, len(terms)) if not terms[number].startswith("\u2581"))
    generator = predictor.problem.text_generator(predictor.model)
    assert [generator._space("low", ids) for ids in ([first], [inside], [END, inside])] == [" ", "", " "]
    text = join_text([first, inside, END, first], terms, predictor.problem.preprocessor)
    assert text == f"{terms[first][1:]}{terms[inside]}\n{terms[first][1:]}"


def test_levels_and_sizes_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(UsageError, match="vocab_size is for level=subword, received 9"):
        make_settings(LanguageModelingPreprocessor, {"vocab_size": 9})
    with pytest.raises(DataError, match="vocab_size must be at least as large, received 9"):
        prepared(tmp_path, TEXT, level="subword", vocab_size=9)
    with pytest.raises(UsageError, match="level must be word or char here, received subword"):
        make_settings(TextClassificationPreprocessor, {"level": "subword"})
