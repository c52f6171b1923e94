"""Beam search: extend several hypotheses of each translation word by word and keep the best."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from raysq.problems.translation.vocabulary import BEGIN, END

if TYPE_CHECKING:
    from raysq.problems.translation.decoder import Decoder

SENTENCES = 32  # fixed batch size: another one would be compiled again and might round differently


@dataclass(frozen=True)
class Hypothesis:
    """A translation found by the search.

    Attributes:
        words: ids of its words, without special tokens.
        score: mean log probability of its words and, where it has one, its end token.
        ended: whether it has an end token; False where it was cut at the maximum length.
        attention_weights: weights over the source words, float32 of shape `(words, width)`; None for models
            without attention.
    """

    words: list[int]
    score: float
    ended: bool
    attention_weights: np.ndarray | None


def search(
    decoder: "Decoder", source: np.ndarray, positions: int, beam: int, penalty: float, unknown: bool
) -> list[Hypothesis]:
    """Translate sentences by beam search.

    At each step the best `beam` unfinished continuations of a sentence are kept. A hypothesis that ends is accepted if
    it is among the best `beam` candidates of its step. The search for a sentence stops when `beam` hypotheses have
    ended, or at the maximum length. The result is the hypothesis with the highest log probability divided by
    `length ** penalty` (Wu et al. 2016, without its constants). A beam of 1 is greedy search.

    Args:
        decoder: decoder of the model.
        source: ids, shape `(n, width)`, n at most `SENTENCES`.
        positions: maximum number of words of a target sentence, end token included.
        beam: number of hypotheses per sentence.
        penalty: exponent of the length. 0 prefers short sentences; 1 compares mean log probabilities.
        unknown: whether the unknown token may be written.
    """
    count = len(source)
    rows = np.concatenate([source, np.repeat(source[-1:], SENTENCES - count, 0)])
    memory, state = decoder.start(rows, beam)
    advance = decoder.advance(beam, unknown)
    sentence = np.arange(SENTENCES)[:, None]
    words = np.full(SENTENCES * beam, BEGIN, np.int32)
    parents = np.arange(SENTENCES * beam, dtype=np.int32)
    # All hypotheses are equal at first: only the first one continues.
    scores = np.full((SENTENCES, beam), -1e9, np.float32)
    scores[:, 0] = 0
    prefixes = np.zeros((SENTENCES, beam, positions), np.int32)
    attention = np.zeros((SENTENCES, beam, positions, source.shape[1] if decoder.attends else 0), np.float32)
    ended: list[list[tuple[float, Hypothesis]]] = [[] for _ in range(count)]
    for position in range(positions):
        top, candidates, state, weights = advance(words, tf.constant(position), parents, scores, state, memory)
        top, candidates = top.numpy(), candidates.numpy()
        prefix, word = np.divmod(candidates, decoder.target_words)
        if decoder.attends:
            attention[:, :, position] = weights.numpy().reshape(SENTENCES, beam, -1)
        last = position == positions - 1
        ends = word == END
        for row, rank in np.argwhere((ends | last)[:count, :beam]):
            if len(ended[row]) >= beam:
                continue
            complete = bool(ends[row, rank])
            parent, length = int(prefix[row, rank]), position + (not complete)
            ids = prefixes[row, parent, :length].tolist()
            if not complete:
                ids[-1] = int(word[row, rank])
            score = float(top[row, rank])
            attended = attention[row, parent, :length].copy() if decoder.attends else None
            hypothesis = Hypothesis(ids, score / (position + 1), complete, attended)
            ended[row].append((score / (position + 1) ** penalty, hypothesis))
        if last or all(len(hypotheses) >= beam for hypotheses in ended):
            break
        unfinished = np.argsort(ends, axis=1, kind="stable")[:, :beam]  # best first
        prefix, word, scores = (np.take_along_axis(array, unfinished, 1) for array in (prefix, word, top))
        prefixes, attention = prefixes[sentence, prefix], attention[sentence, prefix]
        prefixes[:, :, position] = word
        words = word.reshape(-1).astype(np.int32)
        parents = (sentence * beam + prefix).reshape(-1).astype(np.int32)
    return [max(hypotheses, key=lambda pair: pair[0])[1] for hypotheses in ended]
