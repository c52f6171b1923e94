"""Text generation: continue a prompt by sampling from a trained model in one compiled function."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from raysq.errors import UsageError
from raysq.problems.language_modeling.decoding import StepwiseDecoder, supports_steps
from raysq.problems.language_modeling.prefixes import encode_texts, windows
from raysq.problems.language_modeling.preprocessor import LanguageModelingPreprocessor
from raysq.problems.language_modeling.sampling import Sampling, sample_ids
from raysq.problems.language_modeling.settings import END, FIRST, LanguageModelingSettings
from raysq.problems.language_modeling.vocabulary import LanguageVocabulary
from raysq.text.subwords import begins_word, join

MOST = 10_000  # most words of a sample
_ROOM = 64  # fewest steps of a compiled function; longer ones double the number
_BETWEEN = {"sentence": " ", "line": "\n", "paragraph": "\n\n", "document": "\n\n"}


class Generator:
    """Text generator of a run; caches its compiled functions.

    Example:
        >>> generate = Generator(model, vocabulary, preprocessor, settings)
        >>> generate("once upon a time", words=20, temperature=0.8)["samples"]

    Args:
        model: the Keras model.
        vocabulary: vocabulary of the run.
        preprocessor: preprocessor of the run's data set.
        settings: batch-time settings of the run.
    """

    def __init__(
        self,
        model: Any,
        vocabulary: LanguageVocabulary,
        preprocessor: LanguageModelingPreprocessor,
        settings: LanguageModelingSettings,
    ):
        self._vocabulary = vocabulary
        self._preprocessor = preprocessor
        self._settings = settings
        self._following = _last_output(model, settings)
        self._stepwise = StepwiseDecoder(model, settings.maxlen) if supports_steps(model, settings) else None
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
            words: number of words to add to each sample, 1 to 10,000; characters or subwords for models of those. After
                the end of a sentence a new sentence begins.
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
        sampling = Sampling(float(temperature), int(top_k), float(top_p))
        for name, value, most in (("words", words, MOST), ("samples", samples, 1000)):
            if not 1 <= value <= most:
                raise UsageError(f"{name} must be from 1 to {most:,}, received {value}")
        if not 0 <= seed < 2**31:
            raise UsageError(f"seed must be from 0 to {2**31 - 1}, received {seed}")
        encoded = encode_texts(pa.array([prompt], pa.large_string()), self._vocabulary, self._preprocessor)
        last = encoded.sentence(len(encoded.texts) - 1) if len(encoded.texts) else np.empty(0, np.int32)
        left = np.repeat(windows([last], self._settings), samples, 0)
        room = _ROOM
        while room < 2 * words:  # ends of sentences take steps as well
            room *= 2
        function = self._function(samples, room)
        arguments = (left, np.float32(sampling.temperature), np.int32(sampling.top_k), np.float32(sampling.top_p))
        function(*arguments, np.int32(seed), np.int32(0), stop)  # zero words: compiles outside of the measured time
        started = time.perf_counter()
        ids, used = (np.asarray(part) for part in function(*arguments, np.int32(seed), np.int32(words), stop))
        seconds = time.perf_counter() - started
        kept = [_keep(row, words, stop) for row in ids[:, : int(used)].tolist()]
        added = sum(number >= FIRST for row in kept for number in row)
        texts = [join_text(row, self._vocabulary.terms, self._preprocessor) for row in kept]
        spaces = [self._space(prompt, row) for row in kept]
        return {
            "prompt": prompt,
            "samples": texts,
            "texts": [f"{prompt}{space}{text}" for space, text in zip(spaces, texts, strict=True)],
            "unknown": encoded.unknown,
            "seconds": round(seconds, 4),
            "words_per_second": round(added / max(seconds, 1e-9), 1),
        }

    def _space(self, prompt: str, ids: Sequence[int]) -> str:
        """Return what stands between a prompt and its continuation, which may begin inside of the last word."""
        inside = self._vocabulary.subwords is not None and not begins_word(self._vocabulary.terms[ids[0]])
        return "" if not prompt or self._preprocessor.level == "char" or (ids[0] >= FIRST and inside) else " "

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
                return sample_ids(self._following, self._stepwise, features, room, *arguments)

            self._compiled[key] = tf.function(run, input_signature=signature, autograph=False)
        return self._compiled[key]


def join_text(ids: Sequence[int], terms: Sequence[str], preprocessor: LanguageModelingPreprocessor) -> str:
    """Convert ids to text.

    Words are joined by spaces, with one line per sentence; subwords are joined to words first. Characters are joined as
    they are, with the separator of the run's unit between sentences.

    Args:
        ids: ids of words and ends of sentences.
        terms: text of each id.
        preprocessor: preprocessor of the run's data set.
    """
    sentences: list[list[str]] = [[]]
    for number in ids:
        if number == END:
            sentences.append([])
        elif number >= FIRST:
            sentences[-1].append(terms[number])
    if preprocessor.level == "char":
        return _BETWEEN[preprocessor.unit].join("".join(sentence) for sentence in sentences).rstrip()
    if preprocessor.level == "subword":
        sentences = [join(sentence) for sentence in sentences]
    return "\n".join(" ".join(sentence) for sentence in sentences).rstrip("\n")


def _keep(ids: Sequence[int], words: int, stop: bool) -> list[int]:
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
        positions = tf.range(width)[None] + (width - lengths)[:, None]
        x = tf.gather(tf.concat([left, tf.zeros_like(left)], 1), positions, batch_dims=1)
        outputs = (model if body is None else body)(x, training=False)
        last = tf.gather(outputs, lengths - 1, batch_dims=1)
        return last if body is None else head(last)

    return following
