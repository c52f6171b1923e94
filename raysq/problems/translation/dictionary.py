"""A dictionary learned from pairs of sentences: IBM Model 1, and the translation of a sentence word by word."""

from dataclasses import dataclass

import numpy as np

from raysq.problems.translation.vocabulary import FIRST

ITERATIONS = 8
_SILENT = 0.3  # expected translations of a word below which it has none; BLEU on real pairs is best with it
_CELLS = 1 << 25  # pairs of words at most that are looked at


@dataclass(frozen=True, eq=False)
class Dictionary:
    """The best translation of every source word.

    Attributes:
        best: int32 by id of the source word: id of the target word; 0 where it has none, as particles have.
        share: float32, the probability of that translation.
        unigrams: float32 by id of the target word, how often targets have each; 3 ("eos") once a sentence.
        ending: the probability that a sentence ends where the dictionary has no further word.
    """

    best: np.ndarray
    share: np.ndarray
    unigrams: np.ndarray
    ending: float

    def translate(self, source: list[int]) -> tuple[list[int], list[int]]:
        """The translation of a sentence word by word, in the order of the source.

        Args:
            source: ids of the sentence's words.

        Returns:
            Ids of the target words, and for each the place of the source word that it comes from.
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
    """The dictionary that fits pairs of sentences best, by expectation maximization.

    Source: Brown et al. 1993, "The Mathematics of Statistical Machine Translation", Model 1: every target word comes
    from one word of the source sentence, or from none (an empty word that each sentence has), whatever their places.
    A source word that is expected to make fewer than 0.3 target words at an occurrence gets no translation.

    Args:
        source: ids of all source sentences.
        begins: where each begins, and the last one ends.
        target: ids of all target sentences.
        starts: the same of them.
        source_words: number of source ids.
        target_words: number of target ids.
        iterations: of the estimation.
    """
    ours, theirs = np.diff(begins), np.diff(starts)
    unigrams = np.bincount(target[starts[0] : starts[-1]], minlength=target_words).astype(np.float64)
    cells = ((ours + 1) * theirs).cumsum()
    used = int(np.searchsorted(cells, _CELLS, side="right")) if len(cells) and cells[-1] > _CELLS else len(ours)
    # A cell is a source word (or the empty one, 0) and a target word of the same pair; those of a target word in a row.
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
    """Where the cells of each target word begin, and the source and the target word of every cell."""
    pair = np.repeat(np.arange(len(ours)), theirs)  # of each target word
    sizes = ours[pair] + 1
    group = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    within = np.arange(sizes.sum()) - np.repeat(group, sizes)
    at = np.repeat(begins[pair], sizes) + within - 1
    words = np.where(within == 0, 0, source[np.maximum(at, 0)])
    low = int(starts[0])
    return group, (words, np.repeat(target[low : low + len(pair)], sizes))
