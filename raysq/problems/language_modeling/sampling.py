"""Sampling from a language model: its settings, and the compiled loop that samples word after word."""

from dataclasses import dataclass
from typing import Any

from raysq.errors import UsageError
from raysq.problems.language_modeling.decoding import StepwiseDecoder
from raysq.problems.language_modeling.settings import END, START


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


def sample_ids(
    following: Any,
    stepwise: StepwiseDecoder | None,
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

    Uses `StepwiseDecoder` if the model supports it.
    """
    import tensorflow as tf

    samples, width = left.shape
    # Padding, the start token and unknown words are never sampled, and a sentence has at least one word.
    never = tf.range(features) < END
    start = tf.constant(START)

    def body(step: Any, left: Any, ids: Any, counts: Any, ended: Any, *carried: Any) -> Any:
        probability = following(left) if stepwise is None else stepwise.predict(carried[0])
        empty = left[:, -1] == start
        left_out = never[None] | (empty[:, None] & (tf.range(features) == END)[None])
        scores = tf.where(left_out, float("-inf"), tf.math.log(tf.maximum(probability, 1e-30)))
        chosen = choose(scores, temperature, top_k, top_p, tf.stack([seed, step]))
        is_end = chosen == END
        grown = tf.concat([left[:, 1:], chosen[:, None]], 1)
        anew = tf.concat([tf.zeros_like(left[:, 1:]), tf.fill((samples, 1), start)], 1)
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


def choose(scores: Any, temperature: Any, top_k: Any, top_p: Any, seed: Any) -> Any:
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
