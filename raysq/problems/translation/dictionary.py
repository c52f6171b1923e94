"""Dictionary fitted to sentence pairs (IBM Model 1), and word-by-word translation with it."""

from dataclasses import dataclass

import numpy as np

from raysq.problems.translation.vocabulary import END, FIRST

ITERATIONS = 8
_SILENT = 0.3  # fewer expected target words than this: no translation; the value with the best BLEU on real pairs
_CELLS = 1 << 25  # maximum number of word pairs to fit


@dataclass(frozen=True, eq=False)
class Dictionary:
    """Best translation of every source word.

    Attributes:
        best: id of the target word for each source id, int32; 0 where a word has no translation, such as particles.
        share: probability of that translation, float32.
        unigrams: relative frequency of each target id in the target sentences, float32; 3 ("eos") counts once a
            sentence.
        ending: probability that a sentence ends where the dictionary gives no further word.
    """

    best: np.ndarray
    share: np.ndarray
    unigrams: np.ndarray
    ending: float

    def translate(self, source: list[int]) -> list[int]:
        """Translate the ids of a sentence word by word, in source order."""
        return [int(self.best[word]) for word in source if self.best[word]]


def fit_dictionary(
    source: np.ndarray,
    source_starts: np.ndarray,
    target: np.ndarray,
    target_starts: np.ndarray,
    source_size: int,
    target_size: int,
    iterations: int = ITERATIONS,
) -> Dictionary:
    """Fit a dictionary to sentence pairs by expectation maximization.

    Source: Brown et al. 1993, "The Mathematics of Statistical Machine Translation", Model 1. Every target word comes
    from one word of the source sentence or from an empty word, whatever their positions. A source word with fewer than
    0.3 expected target words per occurrence gets no translation.

    Args:
        source: ids of all source sentences.
        source_starts: start of each source sentence, then the end of the last one.
        target: ids of all target sentences.
        target_starts: start of each target sentence, then the end of the last one.
        source_size: number of source ids.
        target_size: number of target ids.
        iterations: number of iterations.
    """
    source_lengths, target_lengths = np.diff(source_starts), np.diff(target_starts)
    unigrams = np.bincount(target[target_starts[0] : target_starts[-1]], minlength=target_size).astype(np.float64)
    cells = ((source_lengths + 1) * target_lengths).cumsum()
    limited = len(cells) and cells[-1] > _CELLS
    fitted = int(np.searchsorted(cells, _CELLS, side="right")) if limited else len(source_lengths)
    # A cell is a source word (or 0, the empty word) and a target word of the same pair. The cells of a target word are
    # consecutive.
    first_cells, words = _cells(
        source, source_starts, source_lengths[:fitted], target, target_starts, target_lengths[:fitted]
    )
    keys, key = np.unique(words[0].astype(np.int64) * target_size + words[1], return_inverse=True)
    from_word, to_word = np.divmod(keys, target_size)
    share = np.full(len(keys), 1.0)
    for _ in range(iterations):
        values = share[key]
        sizes = np.diff(first_cells, append=len(values))
        values /= np.add.reduceat(values, first_cells)[np.repeat(np.arange(len(first_cells)), sizes)]
        counts = np.bincount(key, values, len(keys))
        share = counts / np.bincount(from_word, counts, source_size)[from_word]
    best, best_share = np.zeros(source_size, np.int32), np.zeros(source_size, np.float32)
    order = np.lexsort((-share, from_word))
    order = order[to_word[order] >= FIRST]
    translated, first = np.unique(from_word[order], return_index=True)
    best[translated], best_share[translated] = to_word[order][first], share[order][first]
    occurrences = np.bincount(source[source_starts[0] : source_starts[fitted]], minlength=source_size)
    expected = np.bincount(from_word, counts, source_size) if len(keys) else np.zeros(source_size)
    silent = (expected < _SILENT * np.maximum(occurrences, 1)) | (np.arange(source_size) < FIRST)
    best[silent], best_share[silent] = 0, 0
    unigrams[END] += len(target_lengths)
    has_translation = best[source[source_starts[0] : source_starts[-1]]] > 0
    written = np.add.reduceat(np.append(has_translation, 0), source_starts[:-1] - source_starts[0])
    # Positions for which the dictionary gives no word, the end token's among them.
    further = np.maximum(target_lengths + 1 - np.where(source_lengths > 0, written, 0), 1).sum()
    unigrams = (unigrams / unigrams.sum()).astype(np.float32)
    return Dictionary(best, best_share, unigrams, float(len(target_lengths) / further))


def _cells(
    source: np.ndarray,
    source_starts: np.ndarray,
    source_lengths: np.ndarray,
    target: np.ndarray,
    target_starts: np.ndarray,
    target_lengths: np.ndarray,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the first cell of each target word, and the source and target word of every cell."""
    pair = np.repeat(np.arange(len(source_lengths)), target_lengths)  # index of the pair of each target word
    sizes = source_lengths[pair] + 1
    first_cells = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    within = np.arange(sizes.sum()) - np.repeat(first_cells, sizes)
    positions = np.repeat(source_starts[pair], sizes) + within - 1
    source_words = np.where(within == 0, 0, source[np.maximum(positions, 0)])
    begin = int(target_starts[0])
    return first_cells, (source_words, np.repeat(target[begin : begin + len(pair)], sizes))
