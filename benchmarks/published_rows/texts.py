"""Rows of texts: n-grams on IMDB, and the defaults of one's own texts on AG News."""

from published_rows.row import Data, Row

REVIEWS = Data("imdb", "imdb/aclImdb_v1.tar.gz")
NEWS = Data("classify", "ag_news/dev.csv", {"text": "content", "label": "label"})

_ALL = {"val": "1000"}  # of the 25,000 training reviews; the others train
_EXAMPLE = "24,000 of the 25,000 reviews train; n-grams of whole reviews, where the example sees 400 ids; 100,000 terms"

ROWS = [
    Row("texts_imdb", "fasttext, bigrams, 5 epochs", "keras3", REVIEWS, "fasttext", "test_accuracy", 0.9056,
        settings=_ALL, note=_EXAMPLE),
    Row("texts_imdb", "naive Bayes", "keras3", REVIEWS, "naive_bayes", "test_accuracy", settings=_ALL, seeds=(0,)),
    *(
        Row("texts_ag_news", f"{model}, defaults by size", "keras3", NEWS, model, "test_accuracy", seeds=seeds)
        for model, seeds in (("fasttext", (0, 1, 2)), ("average", (0, 1, 2)), ("transformer", (0,)), ("lstm", (0,)),
                             ("naive_bayes", (0,)))
    ),
]  # fmt: skip
