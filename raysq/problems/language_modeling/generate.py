"""Text generation: continue a prompt by sampling from a trained model in one compiled function."""

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

MOST = 10_000  # most words of a sample
_ROOM = 64  # fewest steps of a compiled function; longer ones double the number
_BETWEEN = {"sentence": " ", "line": "\n", "paragraph": "\n\n", "document": "\n\n"}


@dataclass(frozen=True)
class Sampling:
    """Sampling settings for the next word.

    Attributes:
        temperature: divides the log-probabilities: values below 1 favor likely words, values above 1 flatten the
            distribution; 0 always takes the most likely word.
        top_k: sample from the `top_k` most likely words only; 0 for all.
        top_p: sample from the most likely words that together reach this probability, before the temperature is
            applied; 1 for all.

    Raises:
        UsageError: a value is out of range.
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
    """Text generator of a run; caches its compiled functions.

    Example:
        >>> generate = Generator(facts, settings, model, assets)
        >>> generate("once upon a time", words=20, temperature=0.8)["samples"]

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        model: the Keras model.
        assets: folder with the run's vocabulary.

    Raises:
        DamagedError: the vocabulary file is missing or belongs to another run.
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
        """Continue a text.

        Args:
            prompt: beginning of the text, read like the run's data; the model sees its last sentence. Empty starts a
                new sentence.
            words: number of words to add to each sample, 1 to 10,000; characters for models of characters. After the
                end of a sentence a new sentence begins.
            temperature: as for `Sampling`.
            top_k: as for `Sampling`.
            top_p: as for `Sampling`.
            seed: random seed from 0 to 2**31 - 1; the same seed and settings give the same text.
            samples: number of texts, 1 to 1,000.
            stop: end each sample at its first end of a sentence.

        Returns:
            JSON-ready `prompt`, `samples` (texts without the words of the prompt), `unknown` (words of the prompt
            outside of the vocabulary), `seconds` and `words_per_second` (over all samples, compilation excluded).

        Raises:
            UsageError: a value is out of range, or the prompt is no text.
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
        while room < 2 * words:  # ends of sentences take steps as well
            room *= 2
        function = self._function(samples, room)
        arguments = (left, np.float32(chosen.temperature), np.int32(chosen.top_k), np.float32(chosen.top_p))
        function(*arguments, np.int32(seed), np.int32(0), stop)  # zero words: compiles outside of the measured time
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
    """Return the text generator of a run.

    Args:
        facts: metadata of the run.
        settings: batch-time settings of the run.
        model: the Keras model.
        assets: folder with the run's vocabulary.

    Raises:
        DataError: `assets` is None, or the vocabulary file cannot be used.
    """
    if assets is None:
        raise DataError("words are looked up in the run's assets: generate with `raysq.load(run)`")
    return Generator(facts, settings, model, assets)


def text(ids: Sequence[int], terms: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Convert ids to text.

    Words are joined by spaces, with one line per sentence. Characters are joined as they are, with the separator of the
    run's unit between sentences.

    Args:
        ids: ids of words and ends of sentences.
        terms: text of each id.
        facts: metadata of the run.
    """
    chars = facts["preprocessor"].get("level") == "char"
    found: list[list[str]] = [[]]
    for number in ids:
        if number == END:
            found.append([])
        elif number >= FIRST:
            found[-1].append(terms[number])
    if chars:
        return _BETWEEN[facts["preprocessor"]["unit"]].join("".join(part) for part in found).rstrip()
    return "\n".join(" ".join(part) for part in found).rstrip("\n")


def _kept(ids: Sequence[int], words: int, stop: bool) -> list[int]:
    """Return the ids of a sample up to its last word, or up to its first end if `stop` is set."""
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
    """Return a function from windows, padded in front, to the probability of each next id."""
    import keras
    import tensorflow as tf

    if not settings.sequence_targets:
        return lambda left: model(left, training=False)
    head = model.layers[-1]
    # The softmax over all ids dominates the cost, so it is computed for the last position only.
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
    """Sample ids until every sample is complete; return them, `(samples, room)`, and the number of steps.

    Uses `Stepwise` if the model supports it.
    """
    import tensorflow as tf

    samples, width = left.shape
    # Padding, the start token and unknown words are never sampled, and a sentence has at least one word.
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
    """Sample one id for each row.

    Args:
        scores: log-probabilities, `(rows, features)`; -inf for excluded ids.
        temperature: 0 takes the largest score.
        top_k: 0 for all.
        top_p: 1 for all.
        seed: two integers.
    """
    import tensorflow as tf

    features = scores.shape[1]

    def limited() -> Any:
        ordered = tf.sort(scores, direction="DESCENDING")
        count = tf.where(top_k > 0, tf.minimum(top_k, features), features)
        shares = tf.nn.softmax(ordered)
        # The exclusive sum always keeps the most likely id.
        within = (tf.cumsum(shares, 1, exclusive=True) < top_p) & (tf.range(features) < count)[None]
        least = tf.reduce_min(tf.where(within, ordered, float("inf")), 1, keepdims=True)
        return tf.where(scores >= least, scores, float("-inf"))

    def drawn() -> Any:
        allowed = tf.cond((top_k > 0) | (top_p < 1), limited, lambda: scores)
        # Gumbel-max trick: the argmax of scores with Gumbel noise is a draw from the softmax.
        uniform = tf.random.stateless_uniform(tf.shape(scores), seed, minval=1e-20, maxval=1.0)
        return tf.argmax(allowed / temperature - tf.math.log(-tf.math.log(uniform)), 1, tf.int32)

    return tf.cond(temperature > 0, drawn, lambda: tf.argmax(scores, 1, tf.int32))
