"""Text that goes on from a beginning: sampling from a trained model, in one compiled function."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import DataError, UsageError
from raysq.problems.language_modeling.decoding import Stepwise, steps
from raysq.problems.language_modeling.prefixes import read, windows
from raysq.problems.language_modeling.settings import END, FIRST, START, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import Vocabulary

MOST = 10_000  # words of a sample
_ROOM = 64  # steps for which the function is compiled at least; then twice as many, and so on
_BETWEEN = {"sentence": " ", "line": "\n", "paragraph": "\n\n", "document": "\n\n"}


@dataclass(frozen=True)
class Sampling:
    """How the next word is chosen.

    Attributes:
        temperature: below 1 likely words are chosen more often than the model says, above 1 less often; 0 always
            takes the most likely word.
        top_k: only among so many of the most likely words; 0 for all.
        top_p: only among the most likely words that together have this probability, before the temperature; 1 for all.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise UsageError(
                f"temperature must be 0 (always the most likely word) or above, received {self.temperature}"
            )
        if self.top_k < 0:
            raise UsageError(f"top_k must be a number of words, 0 for all, received {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p must be above 0 and at most 1, received {self.top_p}")


class Generator:
    """Goes on with texts; keeps what it has compiled.

    Args:
        facts: the run's facts.
        settings: the run's text settings.
        model: the Keras model.
        assets: folder with the run's vocabulary.
    """

    def __init__(self, facts: Mapping[str, Any], settings: LanguageModelingSettings, model: Any, assets: Path):
        self._facts = facts
        self._settings = settings
        self._vocabulary = Vocabulary.read(assets, facts)
        self._model = model
        self._following = _last_output(model, settings)
        self._stepwise = Stepwise(model, settings.maxlen) if steps(model, settings) else None
        self._compiled: dict[tuple[int, int], Any] = {}

    def __call__(
        self,
        prompt: str = "",
        *,
        words: int = 30,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        samples: int = 1,
        stop: bool = False,
    ) -> dict[str, Any]:
        """Goes on with a text.

        Args:
            prompt: the beginning, read as the run's data were; the model sees its last sentence. Empty to begin anew.
            words: how many to add to each sample (characters, where the model is one of characters). After the end of
                a sentence another one begins.
            temperature: as for `Sampling`.
            top_k: as for `Sampling`.
            top_p: as for `Sampling`.
            seed: the same seed and settings give the same text.
            samples: how many texts.
            stop: end each sample with its first sentence.

        Returns:
            JSON-ready `prompt`, `samples` (texts, the prompt's words not among them), `unknown` (words of the prompt
            that the model does not know), `seconds` and `words_per_second` (over all samples, without compiling).

        Raises:
            UsageError: a value out of its range, or a prompt that is no text.
        """
        if not isinstance(prompt, str):
            raise UsageError(f"prompt must be a text, empty to begin anew, received {prompt!r}")
        chosen = Sampling(float(temperature), int(top_k), float(top_p))
        for name, value, most in (("words", words, MOST), ("samples", samples, 1000)):
            if not 1 <= value <= most:
                raise UsageError(f"{name} must be from 1 to {most:,}, received {value}")
        if not 0 <= seed < 2**31:
            raise UsageError(f"seed must be from 0 to {2**31 - 1}, received {seed}")
        begun = read(pa.array([prompt], pa.large_string()), self._facts, self._vocabulary)
        last = begun.sentence(len(begun.texts) - 1) if len(begun.texts) else np.empty(0, np.int32)
        left = np.repeat(windows([last], self._settings), samples, 0)
        room = _ROOM
        while room < 2 * words:  # ends of sentences take steps too
            room *= 2
        function = self._function(samples, room)
        arguments = (left, np.float32(chosen.temperature), np.int32(chosen.top_k), np.float32(chosen.top_p))
        function(*arguments, np.int32(seed), np.int32(0), stop)  # compiles, and writes nothing
        started = time.perf_counter()
        ids, used = (np.asarray(part) for part in function(*arguments, np.int32(seed), np.int32(words), stop))
        seconds = time.perf_counter() - started
        texts, added = [], 0
        for row in ids[:, : int(used)].tolist():
            kept = _kept(row, words, stop)
            texts.append(self._text(kept))
            added += sum(number >= FIRST for number in kept)
        return {
            "prompt": prompt,
            "samples": texts,
            "unknown": begun.unknown,
            "seconds": round(seconds, 4),
            "words_per_second": round(added / max(seconds, 1e-9), 1),
        }

    def _text(self, ids: Sequence[int]) -> str:
        return text(ids, self._vocabulary.terms, self._facts)

    def _function(self, samples: int, room: int) -> Any:
        import tensorflow as tf

        key = samples, room
        if key not in self._compiled:
            features = self._vocabulary.features
            signature = [
                tf.TensorSpec((samples, self._settings.maxlen), tf.int32),
                *(tf.TensorSpec((), kind) for kind in (tf.float32, tf.int32, tf.float32, tf.int32, tf.int32, tf.bool)),
            ]

            def run(*arguments: Any) -> Any:
                return _run(self._following, self._stepwise, features, room, *arguments)

            self._compiled[key] = tf.function(run, input_signature=signature, autograph=False)
        return self._compiled[key]


def generator(
    facts: Mapping[str, Any], settings: LanguageModelingSettings, model: Any, assets: Path | None
) -> Generator:
    """What goes on with texts for a run.

    Raises:
        DataError: there is no vocabulary.
    """
    if assets is None:
        raise DataError("words are looked up in the run's assets: generate with `raysq.load(run)`")
    return Generator(facts, settings, model, assets)


def text(ids: Sequence[int], terms: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Ids as text: words parted by spaces, a line for each sentence; of characters as they are.

    Args:
        ids: of words, and ends.
        terms: what each id stands for.
        facts: the run's facts.
    """
    chars = facts["reading"].get("level") == "char"
    found: list[list[str]] = [[]]
    for number in ids:
        if number == END:
            found.append([])
        elif number >= FIRST:
            found[-1].append(terms[number])
    if chars:
        return _BETWEEN[facts["reading"]["unit"]].join("".join(part) for part in found).rstrip()
    return "\n".join(" ".join(part) for part in found).rstrip("\n")


def _kept(ids: Sequence[int], words: int, stop: bool) -> list[int]:
    """What a sample has written up to its last word, or its first end."""
    kept, count = [], 0
    for number in ids:
        if number == END and stop:
            break
        kept.append(number)
        count += number >= FIRST
        if count == words:
            break
    return kept


def _last_output(model: Any, settings: LanguageModelingSettings) -> Any:
    """A function from windows, padded in front, to how likely each id is to follow."""
    import keras
    import tensorflow as tf

    if not settings.every:
        return lambda left: model(left, training=False)
    head = model.layers[-1]
    # The softmax over all ids is most of the work, and is needed in one position.
    body = keras.Model(model.inputs, head.input) if isinstance(head, keras.layers.Dense) else None

    def following(left: Any) -> Any:
        lengths = tf.reduce_sum(tf.cast(left > 0, tf.int32), 1)
        width = left.shape[1]
        places = tf.range(width)[None] + (width - lengths)[:, None]
        x = tf.gather(tf.concat([left, tf.zeros_like(left)], 1), places, batch_dims=1)
        seen = (model if body is None else body)(x, training=False)
        last = tf.gather(seen, lengths - 1, batch_dims=1)
        return last if body is None else head(last)

    return following


def _run(
    following: Any,
    stepwise: Stepwise | None,
    features: int,
    room: int,
    left: Any,
    temperature: Any,
    top_k: Any,
    top_p: Any,
    seed: Any,
    words: Any,
    stop: Any,
) -> Any:
    """Writes ids until every sample has its words: ids of shape (samples, room), and how many steps were taken.

    A model that can be run word by word is; see `Stepwise`.
    """
    import tensorflow as tf

    samples, width = left.shape
    # Padding, the start mark and unknown words are never written; a sentence has a word at least.
    never = tf.range(features) < END
    begun = tf.constant(START)

    def body(step: Any, left: Any, ids: Any, counts: Any, ended: Any, *carried: Any) -> Any:
        probability = following(left) if stepwise is None else stepwise.predict(carried[0])
        empty = left[:, -1] == begun
        left_out = never[None] | (empty[:, None] & (tf.range(features) == END)[None])
        scores = tf.where(left_out, float("-inf"), tf.math.log(tf.maximum(probability, 1e-30)))
        chosen = _choose(scores, temperature, top_k, top_p, tf.stack([seed, step]))
        is_end = chosen == END
        grown = tf.concat([left[:, 1:], chosen[:, None]], 1)
        anew = tf.concat([tf.zeros_like(left[:, 1:]), tf.fill((samples, 1), begun)], 1)
        left = tf.where(is_end[:, None], anew, grown)
        ids = tf.tensor_scatter_nd_update(ids, step[None, None], chosen[None])
        counts += tf.cast(~is_end, tf.int32)
        if stepwise is not None:
            lengths = tf.reduce_sum(tf.cast(left > 0, tf.int32), 1)
            carried = stepwise.read(left[:, -1], width + step, lengths, carried[1:])
        return step + 1, left, ids, counts, ended | (is_end & stop), *carried

    def goes_on(step: Any, left: Any, ids: Any, counts: Any, ended: Any, *carried: Any) -> Any:
        return (step < room) & tf.reduce_any((counts < words) & ~ended)

    state = (tf.constant(0), left, tf.zeros((room, samples), tf.int32), tf.zeros(samples, tf.int32))
    carried = () if stepwise is None else stepwise.begin(left)
    step, _, ids, *_ = tf.while_loop(goes_on, body, (*state, tf.zeros(samples, tf.bool), *carried))
    return tf.transpose(ids), step


def _choose(scores: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any) -> Any:
    """One id for each row.

    Args:
        scores: logarithms of probabilities, `(rows, features)`; -inf for ids that must not be chosen.
        temperature: 0 for the largest score.
        top_k: 0 for all.
        top_p: 1 for all.
        seed: two whole numbers.
    """
    import tensorflow as tf

    features = scores.shape[1]

    def limited() -> Any:
        ordered = tf.sort(scores, direction="DESCENDING")
        count = tf.where(top_k > 0, tf.minimum(top_k, features), features)
        shares = tf.nn.softmax(ordered)
        # The most likely one always stays.
        within = (tf.cumsum(shares, 1, exclusive=True) < top_p) & (tf.range(features) < count)[None]
        least = tf.reduce_min(tf.where(within, ordered, float("inf")), 1, keepdims=True)
        return tf.where(scores >= least, scores, float("-inf"))

    def drawn() -> Any:
        allowed = tf.cond((top_k > 0) | (top_p < 1), limited, lambda: scores)
        # The largest of scores with Gumbel noise is a draw from the softmax.
        uniform = tf.random.stateless_uniform(tf.shape(scores), seed, minval=1e-20, maxval=1.0)
        return tf.argmax(allowed / temperature - tf.math.log(-tf.math.log(uniform)), 1, tf.int32)

    return tf.cond(temperature > 0, drawn, lambda: tf.argmax(scores, 1, tf.int32))
