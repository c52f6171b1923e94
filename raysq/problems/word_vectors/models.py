"""Models of word vectors (Mikolov et al. 2013, "Efficient Estimation ..." and "Distributed Representations ...").

A builder takes an `InputSpec` (see `WordVectors.input_spec`) and keyword settings, and returns an uncompiled Keras
model. For windows the output is a probability for every id, `(batch, features)`. For blocks it is the summed loss of
each block's pairs, `(batch, 1)`. The first weight of the model with a row for each id holds the words' vectors.
"""

from typing import Any

import keras
import numpy as np

from raysq import layers
from raysq.errors import UsageError
from raysq.problems.setting_types import Count
from raysq.problems.specs import InputSpec
from raysq.problems.word_vectors.settings import WordVectorsSettings


def baseline(inputs: InputSpec) -> keras.Model:
    """Build the baseline: the frequency of each word, whatever its context. It has no weights to train.

    For blocks, the score of a word is log(p / (negatives * q)). p is its share of the text, and q its probability as a
    negative sample. This is the optimal score without context.
    """
    counts = np.asarray(inputs.extra["counts"], np.float64)
    share = counts / counts.sum()
    ids = keras.Input(inputs.shape, dtype="int32")
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.examples == "windows":
        return keras.Model(ids, layers.Constant(share.tolist())(ids), name="baseline")
    table = keras.layers.Embedding(len(counts), 1, embeddings_initializer="ones", trainable=False)
    sampling = _sampling(inputs, trainable=False)
    model = keras.Model(ids, sampling([ids, table(_input_ids(ids, settings))]), name="baseline")
    distribution = _negative_distribution(counts, settings)
    scores = np.zeros((len(counts), 1), np.float32)
    scores[1:, 0] = np.log(share[1:] / (settings.negatives * (distribution / distribution.sum())[1:]))
    sampling.vectors.assign(scores)
    sampling.set_distribution(distribution)
    return model


def softmax(inputs: InputSpec, *, dimension: Count = 100) -> keras.Model:
    """Build an embedding and a dense layer with a softmax over all words.

    For cbow the embeddings of the context are averaged. The words' vectors are the embedding.

    Args:
        inputs: the input spec.
        dimension: size of the vectors.

    Raises:
        UsageError: if the setting examples is not "windows", or `dimension` is below 1.
    """
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.examples != "windows":
        raise UsageError("model softmax gives a probability for every word: set examples=windows")
    features = inputs.extra["features"]
    ids = keras.Input(inputs.shape, dtype="int32")
    embedded = keras.layers.Embedding(features, dimension, mask_zero=settings.architecture == "cbow")(ids)
    if settings.architecture == "cbow":
        hidden = keras.layers.GlobalAveragePooling1D()(embedded)  # positions outside the passage are masked
    else:
        hidden = keras.layers.Flatten()(embedded)
    # float32 under any precision policy: the loss takes logarithms of the output.
    probabilities = keras.layers.Dense(features, activation="softmax", dtype="float32")(hidden)
    return keras.Model(ids, probabilities, name="softmax")


def negative_sampling(inputs: InputSpec, *, dimension: Count = 100) -> keras.Model:
    """Build a model with negative sampling, which learns to tell pairs of the text from drawn pairs.

    It has two tables of vectors, for input words and for predicted words. The words' vectors are those of the input
    words, as in word2vec.

    Args:
        inputs: the input spec.
        dimension: size of the vectors.

    Raises:
        UsageError: if the setting examples is not "blocks", or `dimension` is below 1.
    """
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.examples != "blocks":
        raise UsageError("model negative_sampling takes blocks of words: set examples=blocks")
    ids = keras.Input(inputs.shape, dtype="int32")
    start = keras.initializers.RandomUniform(-0.5 / dimension, 0.5 / dimension)  # as word2vec's C code
    table = keras.layers.Embedding(inputs.extra["features"], dimension, embeddings_initializer=start)
    sampling = _sampling(inputs)
    model = keras.Model(ids, sampling([ids, table(_input_ids(ids, settings))]), name="negative_sampling")
    sampling.set_distribution(_negative_distribution(inputs.extra["counts"], settings))
    return model


def _input_ids(ids: Any, settings: WordVectorsSettings) -> Any:
    """Return the input ids: the block and its context (cbow), or the block (skip-gram)."""
    if settings.architecture == "cbow":
        return ids
    return ids[:, settings.window : -settings.window]


def _sampling(inputs: InputSpec, trainable: bool = True) -> layers.WordSampling:
    settings: WordVectorsSettings = inputs.extra["settings"]
    return layers.WordSampling(
        settings.architecture,
        inputs.extra["features"],
        settings.window,
        settings.block,
        settings.negatives,
        settings.shared,
        settings.shrink,
        trainable=trainable,
        name="sampling",
    )


def _negative_distribution(counts: np.ndarray, settings: WordVectorsSettings) -> np.ndarray:
    """Return the unnormalized distribution of negative samples over ids."""
    distribution = np.asarray(counts, np.float64) ** settings.power
    distribution[0] = 0.0
    return distribution
