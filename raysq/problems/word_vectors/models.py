"""Models of word vectors (Mikolov et al. 2013, "Efficient Estimation ..." and "Distributed Representations ...").

A builder takes `InputSpec` (see `WordVectorsSettings.inputs`) and keyword settings, and returns an uncompiled Keras
model. Of windows it gives a probability for every id, `(batch, features)`; of blocks the sum of the losses of each
block's pairs, `(batch, 1)`. The first table of the model with a row for each id holds the words' vectors.
"""

import keras
import numpy as np

from raysq import layers as quick
from raysq.errors import UsageError
from raysq.problems.base import InputSpec
from raysq.problems.word_vectors.settings import WordVectorsSettings


def baseline(inputs: InputSpec) -> keras.Model:
    """How common each word is, whatever stands around it. Nothing to train.

    Of blocks a word's score is log(p / (negatives * q)), p its share of the text and q the chance that it is drawn,
    which is the best that a score of the word alone can be.
    """
    counts = np.asarray(inputs.extra["counts"], np.float64)
    share = counts / counts.sum()
    ids = keras.Input(inputs.shape, dtype="int32")
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.form == "windows":
        return keras.Model(ids, quick.Constant(share.tolist())(ids), name="baseline")
    table = keras.layers.Embedding(len(counts), 1, embeddings_initializer="ones", trainable=False)
    sampling = _sampling(inputs, trainable=False)
    model = keras.Model(ids, sampling([ids, table(_seen(ids, settings))]), name="baseline")
    drawn = _chances(counts, settings)
    scores = np.zeros((len(counts), 1), np.float32)
    scores[1:, 0] = np.log(share[1:] / (settings.negatives * (drawn / drawn.sum())[1:]))
    sampling.vectors.assign(scores)
    sampling.set_distribution(drawn)
    return model


def softmax(inputs: InputSpec, *, dimension: int = 100) -> keras.Model:
    """An embedding (cbow: the mean of those around) and a dense layer with a softmax over all words.

    The words' vectors are the embedding's.
    """
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.form != "windows":
        raise UsageError("model softmax gives a probability for every word: set form=windows")
    _at_least_one(dimension)
    features = inputs.extra["features"]
    ids = keras.Input(inputs.shape, dtype="int32")
    seen = keras.layers.Embedding(features, dimension, mask_zero=settings.architecture == "cbow")(ids)
    if settings.architecture == "cbow":
        hidden = keras.layers.GlobalAveragePooling1D()(seen)  # without places outside of the text, which are masked
    else:
        hidden = keras.layers.Flatten()(seen)
    # float32 whatever the precision of the others: the loss takes logarithms of it.
    found = keras.layers.Dense(features, activation="softmax", dtype="float32")(hidden)
    return keras.Model(ids, found, name="softmax")


def negative_sampling(inputs: InputSpec, *, dimension: int = 100) -> keras.Model:
    """Two tables of vectors, a word seen and a word predicted, trained to tell pairs of the text from drawn ones.

    The words' vectors are those of the word seen, as word2vec has them.
    """
    settings: WordVectorsSettings = inputs.extra["settings"]
    if settings.form != "blocks":
        raise UsageError("model negative_sampling takes blocks of words: set form=blocks")
    _at_least_one(dimension)
    ids = keras.Input(inputs.shape, dtype="int32")
    start = keras.initializers.RandomUniform(-0.5 / dimension, 0.5 / dimension)  # as word2vec's C code
    table = keras.layers.Embedding(inputs.extra["features"], dimension, embeddings_initializer=start)
    sampling = _sampling(inputs)
    model = keras.Model(ids, sampling([ids, table(_seen(ids, settings))]), name="negative_sampling")
    sampling.set_distribution(_chances(inputs.extra["counts"], settings))
    return model


def _seen(ids, settings: WordVectorsSettings):
    """The ids whose vectors predict: all of a block and around it (cbow), or those of the block (skip-gram)."""
    if settings.architecture == "cbow":
        return ids
    return ids[:, settings.window : -settings.window]


def _sampling(inputs: InputSpec, trainable: bool = True) -> quick.WordSampling:
    settings: WordVectorsSettings = inputs.extra["settings"]
    return quick.WordSampling(
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


def _chances(counts, settings: WordVectorsSettings) -> np.ndarray:
    """How often each id is drawn, of any sum."""
    found = np.asarray(counts, np.float64) ** settings.power
    found[0] = 0.0
    return found


def _at_least_one(dimension: int) -> None:
    if dimension < 1:
        raise UsageError(f"setting dimension must be at least 1, received {dimension}")
