"""Our layers against Keras's: outputs, gradients, saving, determinism."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from raysq import layers

BATCH, STEPS, FEATURES, UNITS = 7, 23, 8, 5
CELLS = ["LSTM", "GRU", "SimpleRNN"]


@pytest.fixture(autouse=True)
def few_parts(monkeypatch):
    """Fewer loops, that are compiled sooner."""
    monkeypatch.setattr(layers.scan, "PARTS", 3)


def padded(batch=BATCH, steps=STEPS, seed=0):
    """Ids with padding in front: none, some, all."""
    random = np.random.RandomState(seed)
    ids = random.randint(1, 10, (batch, steps)).astype(np.int32)
    for number, row in enumerate(ids):
        row[: (0, steps, 5, steps - 1, 11, 5, 1)[number % 7]] = 0
    return ids


def pair(name, **arguments):
    """Keras's layer and ours, with the same random weights."""
    both = [getattr(package, name)(UNITS, **arguments) for package in (keras.layers, layers)]
    random = np.random.RandomState(1)
    for layer in both:
        layer.build((BATCH, STEPS, FEATURES))
    weights = [random.normal(size=array.shape) * 0.4 for array in both[0].get_weights()]
    for layer in both:
        layer.set_weights(weights)
    return both


def outputs_and_gradients(call, *watched):
    """What a function of variables gives, and the gradients of a sum of it with a weight of its own for each value."""
    with tf.GradientTape() as tape:
        outputs = call()
        weights = tf.cos(tf.range(tf.size(outputs), dtype=tf.float32))
        total = tf.reduce_sum(outputs * tf.reshape(weights, tf.shape(outputs)))
    return [outputs, *(tf.convert_to_tensor(gradient) for gradient in tape.gradient(total, watched))]


def close(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected)
    for first, second in zip(actual, expected, strict=True):
        scale = max(1.0, float(np.abs(second).max()))
        np.testing.assert_allclose(first / scale, second / scale, atol=tolerance)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"return_sequences": True},
        {"go_backwards": True, "return_sequences": True},
        {"dropout": 0.3, "seed": 7},
    ],
    ids=["last", "sequences", "backwards", "dropout"],
)
def test_recurrent_layers_equal_those_of_keras(name, arguments, monkeypatch):
    # Two loops have a first and a last one; one in between is the same for all cells.
    monkeypatch.setattr(layers.scan, "PARTS", 3 if name == "LSTM" else 2)
    table = tf.Variable(tf.random.stateless_normal((10, FEATURES), (0, 1)))
    ids = padded()
    keras_layer, fast = pair(name, **arguments)
    starts = layers.LeadingZeros()(ids)
    assert starts.numpy().tolist() == [0, 23, 5, 22, 11, 5, 1]

    def run(layer, **extra):
        watched = (table, *(variable.value for variable in layer.trainable_variables))
        return outputs_and_gradients(lambda: layer(tf.gather(table, ids), training=True, **extra), *watched)

    expected = run(keras_layer)
    close(run(fast), expected)
    if arguments.get("dropout"):  # the generator has moved on
        keras_layer, fast = pair(name, **arguments)
        expected = run(keras_layer)
    close(run(fast, starts=starts), expected)


@pytest.mark.parametrize("name", CELLS[:2])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("front", [True, False], ids=["starts", "states"])
def test_groups_of_rows_give_what_all_rows_do(name, sequences, front, monkeypatch):
    _, layer = pair(name, return_sequences=sequences)
    table = tf.Variable(tf.random.stateless_normal((10, FEATURES), (0, 1)))
    ids = padded(batch=14)
    states = [
        tf.Variable(tf.random.stateless_normal((14, UNITS), (0, seed))) for seed in range(layer.arithmetic.states)
    ]
    extra = {"starts": layers.LeadingZeros()(ids)} if front else {"initial_state": states}
    watched = (table, *(variable.value for variable in layer.trainable_variables), *([] if front else states))
    results = []
    for groups in (1, 2):
        monkeypatch.setattr(layers.scan, "_groups", lambda batch, groups=groups: groups)
        monkeypatch.setattr(layers.scan, "PARTS", 2)
        results.append(outputs_and_gradients(lambda: layer(tf.gather(table, ids), **extra), *watched))
    close(results[1], results[0])


@pytest.mark.parametrize("batch", [1, 31, 64, 96, 97, 128])
def test_groups_are_equal_and_not_small(batch):
    groups = layers.scan._groups(batch)
    assert batch % groups == 0
    assert groups == 1 or batch // groups >= 32
    inside = []
    tf.function(lambda x: inside.append(layers.scan._groups(batch)) or x, jit_compile=True)(tf.constant(1.0))
    assert inside == [1]  # XLA would work on them in turn


def test_the_gradient_reaches_what_made_the_steps_alike_and_no_row_is_lost():
    _, layer = pair("LSTM")
    table = tf.Variable(tf.random.stateless_normal((10, FEATURES), (0, 1)))
    ids = padded()
    ids[:, :3] = 0  # every row begins with padding
    plain = outputs_and_gradients(lambda: layer(tf.gather(table, ids)), table)
    short = outputs_and_gradients(lambda: layer(tf.gather(table, ids), starts=layers.LeadingZeros()(ids)), table)
    close(short, plain)
    assert np.abs(plain[1][0]).max() > 1e-3


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    "arguments", [{"activation": "relu"}, {"recurrent_dropout": 0.2}, {"use_bias": False}, {"return_state": True}]
)
def test_what_the_quick_loop_cannot_do_takes_the_way_of_keras(name, arguments, monkeypatch):
    monkeypatch.setattr(layers.recurrent, "scan", None)
    x = np.random.RandomState(0).normal(size=(2, 6, FEATURES)).astype(np.float32)
    expected, actual = (layer(x) for layer in pair(name, **arguments))
    for first, second in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_masks_and_states_take_the_way_of_keras():
    x = np.random.RandomState(0).normal(size=(3, 6, FEATURES)).astype(np.float32)
    mask = np.array([[True] * 4 + [False] * 2] * 3)
    states = [tf.ones((3, UNITS)), tf.ones((3, UNITS))]
    expected, actual = pair("LSTM")
    np.testing.assert_allclose(actual(x, mask=mask), expected(x, mask=mask), atol=1e-6)
    np.testing.assert_allclose(actual(x, initial_state=states), expected(x, initial_state=states), atol=1e-6)


def test_recurrent_layers_in_compiled_graphs_of_both_kinds_with_any_number_of_rows():
    keras_layer, fast = pair("GRU")
    ids = padded()
    table = tf.random.stateless_normal((10, FEATURES), (0, 1))
    expected = keras_layer(tf.gather(table, ids))
    for xla in (False, True):

        @tf.function(input_signature=[tf.TensorSpec((None, STEPS), tf.int32)], jit_compile=xla)
        def call(ids):
            return fast(tf.gather(table, ids), starts=layers.LeadingZeros()(ids))

        np.testing.assert_allclose(call(ids), expected, atol=1e-5)
        np.testing.assert_allclose(call(ids[:3]), expected[:3], atol=1e-5)


def test_recurrent_layers_give_the_same_numbers_every_time():
    _, layer = pair("LSTM", return_sequences=True)
    x = tf.random.stateless_normal((BATCH, STEPS, FEATURES), (0, 1))
    ids = padded()
    x *= tf.cast(ids > 0, tf.float32)[..., None]

    def run():
        watched = [variable.value for variable in layer.trainable_variables]
        return outputs_and_gradients(lambda: layer(x, starts=layers.LeadingZeros()(ids)), *watched)

    first = run()
    for _ in range(3):
        for repeated, original in zip(run(), first, strict=True):
            np.testing.assert_array_equal(repeated, original)


def dense_input(ids, counts, weights, features, idf):
    """The matrix that a bag stands for, as Keras's Tokenizer.sequences_to_matrix makes it."""
    matrix = np.zeros((len(ids), features), np.float32)
    for row, (some, many) in enumerate(zip(ids, counts, strict=True)):
        for word, count in zip(some[some > 0], many[some > 0], strict=True):
            matrix[row, word] = {
                "multi_hot": 1,
                "count": count,
                "freq": count / many.sum(),
                "tfidf": (1 + np.log(count)) * idf[word],
            }[weights]
    return matrix


def bags(batch=7, width=9, features=20, seed=0):
    random = np.random.RandomState(seed)
    ids, counts = np.zeros((2, batch, width), np.int32)
    for row in range(1, batch):  # the first document is empty
        some = np.sort(random.choice(np.arange(1, features), random.randint(1, width + 1), replace=False))
        ids[row, : len(some)] = some
        counts[row, : len(some)] = random.randint(1, 5, len(some))
    return ids, counts


@pytest.mark.parametrize("weights", ["multi_hot", "count", "freq", "tfidf"])
def test_a_bag_is_the_dense_product(weights):
    ids, counts = bags()
    layer = layers.BagDense(4, 20, weights, activation="tanh")
    x = ids if weights == "multi_hot" else np.stack([ids, counts], 1)
    layer.build(x.shape)
    idf = np.random.RandomState(2).rand(20).astype(np.float32)
    if weights == "tfidf":
        layer.idf.assign(idf)
    layer.bias.assign([1.0, 0.5, 0.0, -1.0])
    dense = keras.layers.Dense(4, activation="tanh")
    dense.build((None, 20))
    dense.set_weights([layer.kernel, layer.bias])
    matrix = dense_input(ids, counts, weights, 20, idf)
    mine = outputs_and_gradients(lambda: layer(x), layer.kernel.value, layer.bias.value)
    expected = outputs_and_gradients(lambda: dense(matrix), dense.kernel.value, dense.bias.value)
    close(mine, expected)
    wider = np.concatenate([x, np.zeros_like(x)], -1)
    np.testing.assert_array_equal(layer(wider), mine[0])
    empty = np.zeros_like(x[..., :0])
    np.testing.assert_allclose(layer(empty), np.tile(np.tanh([1.0, 0.5, 0.0, -1.0]), (7, 1)), atol=1e-6)


def test_layers_work_in_half_precision():
    ids, counts = bags()
    layer = layers.BagDense(4, 20, "tfidf", dtype="mixed_float16")
    plain = layers.BagDense(4, 20, "tfidf")
    x = np.stack([ids, counts], 1)
    assert layer(x).dtype == "float16"
    plain(x)
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), plain(x), atol=5e-2)
    assert layers.OneHotConv1D(3, 2, 10, dtype="mixed_float16")(padded()).dtype == "float16"


def test_an_unknown_weighting_is_refused():
    with pytest.raises(ValueError, match="weights must be one of multi_hot, count, freq, tfidf, received 'binary'"):
        layers.BagDense(4, 20, "binary")


def test_a_convolution_over_one_hot_vectors():
    ids = padded(4, 12)
    layer = layers.OneHotConv1D(3, 5, 10, activation="relu")
    layer.build(ids.shape)
    layer.bias.assign([0.1, -0.2, 0.3])
    conv = keras.layers.Conv1D(3, 5, activation="relu")
    vectors = keras.ops.one_hot(ids, 10) * (ids > 0)[..., None]
    conv.build(vectors.shape)
    conv.set_weights([layer.kernel, layer.bias])
    mine = outputs_and_gradients(lambda: layer(ids), layer.kernel.value, layer.bias.value)
    close(mine, outputs_and_gradients(lambda: conv(vectors), conv.kernel.value, conv.bias.value))
    assert layer.compute_output_shape(ids.shape) == mine[0].shape


def test_a_constant():
    layer = layers.Constant([0.2, 0.8])
    np.testing.assert_allclose(layer(np.zeros((3, 5), np.int32)), [[0.2, 0.8]] * 3)


def test_words_are_dropped_with_their_counts_in_training_alone():
    keras.utils.set_random_seed(0)
    ids = np.tile(np.arange(1, 201, dtype=np.int32), (4, 1))
    x = np.stack([ids, 2 * ids], 1)
    layer = layers.WordDropout(0.3)
    np.testing.assert_array_equal(layer(x), x)
    found = layer(x, training=True).numpy()
    assert found.dtype == np.int32 and set(np.unique(found - x * (found > 0))) == {0}
    np.testing.assert_array_equal(found[:, 0] > 0, found[:, 1] > 0)
    assert 0.6 < (found[:, 0] > 0).mean() < 0.8 and not np.array_equal(found[0], found[1])
    assert layer(ids, training=True).shape == ids.shape


def test_layers_are_saved_with_their_weights(tmp_path):
    ids, counts = bags()
    words = keras.Input((STEPS,), dtype="int32")
    bag = keras.Input((2, None), dtype="int32")
    seen = layers.LSTM(UNITS)(keras.layers.Embedding(20, 4)(words), starts=layers.LeadingZeros()(words))
    inner = layers.BagDense(3, 20, "tfidf", activation="relu")
    convolved = keras.layers.GlobalMaxPooling1D()(layers.OneHotConv1D(2, 3, 20)(words))
    parts = [seen, inner(bag), convolved, layers.Constant([0.5])(words)]
    model = keras.Model([words, bag], keras.layers.Concatenate()(parts))
    inner.idf.assign(np.arange(20))
    model.save(tmp_path / "model.keras")
    x = [padded(7), np.stack([ids, counts], 1)]
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-6)
