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
class Found:
    """A translation.

    Attributes:
        words: ids of its words, without special tokens.
        score: mean log probability of its words and, where it has one, its end token.
        ended: whether it has an end token; False where it was cut at the maximum length.
        looked: attention weights over the source words, float32 of shape `(words, width)`; None for models without
            attention.
    """

    words: list[int]
    score: float
    ended: bool
    looked: np.ndarray | None


def search(
    decoder: "Decoder", source: np.ndarray, positions: int, beam: int, penalty: float, unknown: bool
) -> list[Found]:
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
    written = np.zeros((SENTENCES, beam, positions), np.int32)
    looked = np.zeros((SENTENCES, beam, positions, source.shape[1] if decoder.attends else 0), np.float32)
    ended: list[list[tuple[float, Found]]] = [[] for _ in range(count)]
    for place in range(positions):
        top, at, state, weights = advance(words, tf.constant(place), parents, scores, state, memory)
        top, at = top.numpy(), at.numpy()
        begun, word = np.divmod(at, decoder.target_words)
        if decoder.attends:
            looked[:, :, place] = weights.numpy().reshape(SENTENCES, beam, -1)
        last = place == positions - 1
        ends = word == END
        for row, rank in np.argwhere((ends | last)[:count, :beam]):
            if len(ended[row]) >= beam:
                continue
            whole = bool(ends[row, rank])
            own, length = int(begun[row, rank]), place + (not whole)
            found = written[row, own, :length].tolist()
            if not whole:
                found[-1] = int(word[row, rank])
            value = float(top[row, rank])
            seen = looked[row, own, :length].copy() if decoder.attends else None
            ended[row].append((value / (place + 1) ** penalty, Found(found, value / (place + 1), whole, seen)))
        if last or all(len(one) >= beam for one in ended):
            break
        going = np.argsort(ends, axis=1, kind="stable")[:, :beam]  # unfinished continuations, best first
        begun, word, scores = (np.take_along_axis(part, going, 1) for part in (begun, word, top))
        written, looked = written[sentence, begun], looked[sentence, begun]
        written[:, :, place] = word
        words = word.reshape(-1).astype(np.int32)
        parents = (sentence * beam + begun).reshape(-1).astype(np.int32)
    return [max(one, key=lambda pair: pair[0])[1] for one in ended]
