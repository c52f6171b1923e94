"""Report section of the nearest neighbors in a model's Embedding layer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from raysq.problems.charts import Section, Table
from raysq.problems.text_classification.batches import Texts
from raysq.text.neighbors import nearest, unit_rows

SAMPLED = 10_000  # most training documents in which words are counted
_NEAREST = 8
_SHOWN = 12  # words in the table, shared among the classes; at least one per class
_RARE = 10  # words with fewer occurrences are hardly trained


def neighbors_section(train: Texts, classes: Sequence[str], weights: np.ndarray) -> Section | None:
    """Return the section of the nearest neighbors of the most typical words of each class.

    Args:
        train: batch source of the training split.
        classes: names of the classes.
        weights: weights of the Embedding layer, `(features, dimension)`.

    Returns:
        None if the ids are not single words in order, or if too few words are frequent enough.
    """
    settings, vocabulary = train.data.settings, train.data.vocabulary
    if settings.bag or settings.hashing or len(weights) != vocabulary.features:
        return None
    counts = class_counts(train, len(classes), len(weights))
    scores = typical(counts)
    frequent = counts.sum(0) >= _RARE
    frequent[: settings.first] = False  # padding and special tokens
    if frequent.sum() <= _NEAREST:
        return None
    each = max(1, _SHOWN // len(classes))
    unit = unit_rows(weights)
    rows: list[list[Any]] = []
    for number, name in enumerate(classes):
        order = np.argsort(-np.where(frequent, scores[number], -np.inf), kind="stable")
        words = order[:each].tolist()
        neighbors = nearest(unit, weights[words], _NEAREST, among=frequent, without=[[word] for word in words])
        for word, pairs in zip(words, neighbors, strict=True):
            others = ", ".join(f"{vocabulary.term(other)} {cosine:.2f}" for other, cosine in pairs)
            rows.append([vocabulary.term(word), name, others])
    note = (
        "The cosine of the angle between the vectors of the Embedding. Of each class the words that are most typical "
        "of it in the training split (log-odds ratio with an informative prior, Monroe et al. 2008), beside their "
        f"nearest; words that occur fewer than {_RARE} times are left out."
    )
    return Section("Nearest words", [Table(["word", "typical of", "nearest, with cosine"], rows)], note)


def class_counts(train: Texts, classes: int, features: int) -> np.ndarray:
    """Return how often each id occurs in the training documents of each class, int64 of shape `(classes, features)`.

    Args:
        train: batch source of the training split; at most `SAMPLED` evenly spaced documents are counted.
        classes: number of classes.
        features: number of ids.
    """
    indices = np.linspace(0, len(train) - 1, min(SAMPLED, len(train))).astype(np.int64)
    mapped = train.mapped()
    counts = np.zeros((classes, features), np.int64)
    for low in range(0, len(indices), 1024):
        x, y = train.gather(indices[low : low + 1024], mapped, lambda array, at: array.take(at))
        cells = y.reshape(-1, 1).astype(np.int64) * features + x
        counts += np.bincount(cells.ravel(), minlength=classes * features).reshape(classes, features)
    return counts


def typical(counts: np.ndarray) -> np.ndarray:
    """Return how typical each word is of each class.

    The value is the z-score of the word's log-odds in the class against the other classes. The prior is the share of
    each word in all classes.

    Source: Monroe, Colaresi & Quinn 2008, "Fightin' Words", equations 15 to 22.

    Args:
        counts: occurrences of each word in each class, `(classes, words)`.

    Returns:
        float64 of the same shape; 0 for words that never occur.
    """
    whole = counts.sum(0).astype(np.float64)
    total = max(whole.sum(), 1.0)
    prior = np.where(whole > 0, whole / total * 500.0, 1.0)  # 500 pseudo-words, as many as a longer document has
    strength = prior[whole > 0].sum()
    scores = np.zeros(counts.shape)
    for number, own in enumerate(counts.astype(np.float64)):
        rest = whole - own
        odds = np.log((own + prior) / np.maximum(own.sum() + strength - own - prior, 1e-9))
        others = np.log((rest + prior) / np.maximum(rest.sum() + strength - rest - prior, 1e-9))
        scores[number] = np.where(whole > 0, (odds - others) / np.sqrt(1 / (own + prior) + 1 / (rest + prior)), 0.0)
    return scores
