"""Model `fasttext`: the mean of the embeddings of a document's words and n-grams, and a linear classifier.

Source: Joulin et al. 2016, "Bag of Tricks for Efficient Text Classification", and the Keras example `imdb_fasttext`.
"""

import keras

from raysq.errors import UsageError
from raysq.layers import BagDense, WordDropout
from raysq.problems.setting_types import Count, Rate
from raysq.problems.specs import InputSpec
from raysq.problems.text_classification.models import class_output, document_input


def fasttext(inputs: InputSpec, *, embedding: Count = 50, word_dropout: Rate = 0.0, dropout: Rate = 0.0) -> keras.Model:
    """Build the mean of embedded words and n-grams into the output layer.

    The mean is over all of a document, and padding has no part in it. It is computed as a sparse product, whose
    gradient takes the same time whatever the number of n-grams.

    Args:
        inputs: spec of bags with `vectorization=freq`.
        embedding: dimension of the embeddings.
        word_dropout: share of a document's words and n-grams to drop in training.
        dropout: share of the mean's numbers to drop in training.

    Raises:
        UsageError: the input is no bag of shares.
    """
    weights = inputs.extra["vectorization"]
    if weights != "freq":
        raise UsageError(f"model fasttext takes the mean over words, and vectorization is {weights}: set freq")
    uniform = keras.initializers.RandomUniform()  # as of an Embedding
    mean = BagDense(embedding, inputs.extra["features"], weights, use_bias=False, kernel_initializer=uniform)
    parts: list[keras.layers.Layer] = [WordDropout(word_dropout), mean] if word_dropout else [mean]
    if dropout:
        parts.append(keras.layers.Dropout(dropout))
    return keras.Sequential([document_input(inputs), *parts, class_output(inputs)], name="fasttext")
