"""Dictionary learned from sentence pairs (IBM Model 1), and word-by-word translation with it."""

from dataclasses import dataclass

import numpy as np

from raysq.problems.translation.vocabulary import FIRST

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

    def translate(self, source: list[int]) -> tuple[list[int], list[int]]:
        """Translate a sentence word by word, in source order.

        Args:
            source: ids of the words of the sentence.

        Returns:
            Ids of the target words, and the index of the source word of each.
        """
        places = [place for place, word in enumerate(source) if self.best[word]]
        return [int(self.best[source[place]]) for place in places], places


def learn(
    source: np.ndarray,
    begins: np.ndarray,
    target: np.ndarray,
    starts: np.ndarray,
    source_words: int,
    target_words: int,
    iterations: int = ITERATIONS,
) -> Dictionary:
    """Fit a dictionary to sentence pairs by expectation maximization.

    Source: Brown et al. 1993, "The Mathematics of Statistical Machine Translation", Model 1. Every target word comes
    from one word of the source sentence or from an empty word, whatever their positions. A source word with fewer than
    0.3 expected target words per occurrence gets no translation.

    Args:
        source: ids of all source sentences.
        begins: start of each source sentence, then the end of the last one.
        target: ids of all target sentences.
        starts: start of each target sentence, then the end of the last one.
        source_words: number of source ids.
        target_words: number of target ids.
        iterations: number of iterations.
    """
    ours, theirs = np.diff(begins), np.diff(starts)
    unigrams = np.bincount(target[starts[0] : starts[-1]], minlength=target_words).astype(np.float64)
    cells = ((ours + 1) * theirs).cumsum()
    used = int(np.searchsorted(cells, _CELLS, side="right")) if len(cells) and cells[-1] > _CELLS else len(ours)
    # A cell is a source word (or 0, the empty word) and a target word of the same pair. The cells of a target word are
    # consecutive.
    group, words = _cells(source, begins, ours[:used], target, starts, theirs[:used])
    keys, place = np.unique(words[0].astype(np.int64) * target_words + words[1], return_inverse=True)
    from_word, to_word = np.divmod(keys, target_words)
    share = np.full(len(keys), 1.0)
    for _ in range(iterations):
        values = share[place]
        values /= np.add.reduceat(values, group)[np.repeat(np.arange(len(group)), np.diff(group, append=len(values)))]
        counts = np.bincount(place, values, len(keys))
        share = counts / np.bincount(from_word, counts, source_words)[from_word]
    best, found = np.zeros(source_words, np.int32), np.zeros(source_words, np.float32)
    order = np.lexsort((-share, from_word))
    order = order[to_word[order] >= FIRST]
    words_there, first = np.unique(from_word[order], return_index=True)
    best[words_there], found[words_there] = to_word[order][first], share[order][first]
    occurrences = np.bincount(source[begins[0] : begins[used]], minlength=source_words)
    expected = np.bincount(from_word, counts, source_words) if len(keys) else np.zeros(source_words)
    silent = (expected < _SILENT * np.maximum(occurrences, 1)) | (np.arange(source_words) < FIRST)
    best[silent], found[silent] = 0, 0
    unigrams[3] += len(theirs)
    made = np.add.reduceat(np.append(best[source[begins[0] : begins[-1]]] > 0, 0), begins[:-1] - begins[0])
    further = np.maximum(theirs + 1 - np.where(ours > 0, made, 0), 1).sum()
    return Dictionary(best, found, (unigrams / unigrams.sum()).astype(np.float32), float(len(theirs) / further))


def _cells(
    source: np.ndarray, begins: np.ndarray, ours: np.ndarray, target: np.ndarray, starts: np.ndarray, theirs: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return the first cell of each target word, and the source and target word of every cell."""
    pair = np.repeat(np.arange(len(ours)), theirs)  # index of the pair of each target word
    sizes = ours[pair] + 1
    group = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    within = np.arange(sizes.sum()) - np.repeat(group, sizes)
    at = np.repeat(begins[pair], sizes) + within - 1
    words = np.where(within == 0, 0, source[np.maximum(at, 0)])
    low = int(starts[0])
    return group, (words, np.repeat(target[low : low + len(pair)], sizes))
