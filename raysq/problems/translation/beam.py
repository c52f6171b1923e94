"""Beam search: the best of several translations of each sentence, written word by word side by side."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from raysq.problems.translation.vocabulary import BEGIN, END

if TYPE_CHECKING:
    from raysq.problems.translation.decoder import Decoder

SENTENCES = 32  # always as many at a time: another number would be compiled anew, and could round otherwise


@dataclass(frozen=True)
class Found:
    """A translation.

    Attributes:
        words: ids of its words, without marks.
        score: mean logarithm of the probabilities of its words and of its end.
        ended: whether it has an end, or was cut at the longest that the model writes.
        looked: float32 `(words, width)`, which source words each word looked at; None where the model does not say.
    """

    words: list[int]
    score: float
    ended: bool
    looked: np.ndarray | None


def search(
    decoder: "Decoder", source: np.ndarray, positions: int, beam: int, penalty: float, unknown: bool
) -> list[Found]:
    """Translates sentences.

    Of the best continuations of a sentence, as many as the beam is wide go on. One that ends is kept when it is among
    that many best; a sentence is done when as many have ended, or at the longest. The best one is that with the highest
    score over `length ** penalty` (Wu et al. 2016, without its constants). With a beam of 1 this is greedy search.

    Args:
        decoder: of the model.
        source: ids `(n, width)`, n at most `SENTENCES`.
        positions: words of a target sentence, its end mark among them.
        beam: beginnings of a sentence that are followed.
        penalty: 0 prefers short sentences, 1 compares by the mean of a word.
        unknown: whether the mark of an unknown word may be among the words.
    """
    count = len(source)
    rows = np.concatenate([source, np.repeat(source[-1:], SENTENCES - count, 0)])
    memory, state = decoder.start(rows, beam)
    advance = decoder.advance(beam, unknown)
    sentence = np.arange(SENTENCES)[:, None]
    words = np.full(SENTENCES * beam, BEGIN, np.int32)
    parents = np.arange(SENTENCES * beam, dtype=np.int32)
    # The beginnings are all alike at first: only one of them goes on.
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
        going = np.argsort(ends, axis=1, kind="stable")[:, :beam]  # those without an end, best first
        begun, word, scores = (np.take_along_axis(part, going, 1) for part in (begun, word, top))
        written, looked = written[sentence, begun], looked[sentence, begun]
        written[:, :, place] = word
        words = word.reshape(-1).astype(np.int32)
        parents = (sentence * beam + begun).reshape(-1).astype(np.int32)
    return [max(one, key=lambda pair: pair[0])[1] for one in ended]
