"""Batches: by hand, in NumPy, and in the graph."""

import numpy as np
import pytest
from problems.word_vectors.written import texts, write

from raysq.errors import UsageError
from raysq.problems.word_vectors.problem import WordVectors
from raysq.problems.word_vectors.settings import WordVectorsSettings
from raysq.problems.word_vectors.stream import Streams


def numpy_take(array, at):
    return array.take(at, axis=0)


def gathered(examples):
    indices = np.arange(len(examples))
    return examples.gather(indices, examples.arrays(), numpy_take)


def parted(stream):
    return [part[part > 0].tolist() for part in np.split(stream, np.flatnonzero(stream == 0))]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_cbow_windows_by_hand(tmp_path, window):
    dataset = write(tmp_path / "made", texts())
    problem = WordVectors.from_dataset(dataset, {"architecture": "cbow", "window": window, "val": 0.2})
    for name, examples in problem.splits(dataset).items():
        x, y = gathered(examples)
        wanted = []
        for part in parted(dataset.derived(Streams, problem.settings).ids[name]):
            wide = [0] * window + part + [0] * window
            for place in range(len(part)):
                around = wide[place : place + window] + wide[place + window + 1 : place + 2 * window + 1]
                if any(around):
                    wanted.append([*around, part[place]])
        assert np.concatenate([x, y], 1).tolist() == wanted
        assert x.dtype == y.dtype == np.int32 and x.shape[1:] == problem.input_spec(dataset).shape


@pytest.mark.parametrize("window", [1, 2, 4])
def test_skip_gram_pairs_by_hand(tmp_path, window):
    dataset = write(tmp_path / "made", texts())
    problem = WordVectors.from_dataset(dataset, {"architecture": "skipgram", "window": window, "val": 0.2})
    for name, examples in problem.splits(dataset).items():
        x, y = gathered(examples) if len(examples) else (np.zeros((0, 1)), np.zeros((0, 1)))
        wanted = [
            [part[place], part[other]]
            for part in parted(dataset.derived(Streams, problem.settings).ids[name])
            for place in range(len(part))
            for other in range(max(0, place - window), min(len(part), place + window + 1))
            if other != place
        ]
        assert np.concatenate([x, y], 1).tolist() == wanted


def test_blocks_hold_every_word_once_in_the_middle(tmp_path):
    dataset = write(tmp_path / "made", texts())
    problem = WordVectors.from_dataset(
        dataset, {"examples": "blocks", "window": 3, "block": 8, "val": 0.2, "shrink": True}
    )
    for name, examples in problem.splits(dataset).items():
        if not len(examples):
            continue
        x, y = gathered(examples)
        stream = dataset.derived(Streams, problem.settings).ids[name]
        middle = x[:, 3:-3].reshape(-1)
        assert middle[: len(stream)].tolist() == stream.tolist() and not middle[len(stream) :].any()
        np.testing.assert_array_equal(x[1:, :6], x[:-1, 8:])  # what stands around a block is its neighbors' end
        assert not x[0, :3].any()
        assert y.shape == (len(examples), 1) and y.dtype == np.float32
        assert y[0, 0] * dataset.derived(Streams, problem.settings).total_weight(name) == pytest.approx(
            len(examples), rel=1e-6
        )


@pytest.mark.parametrize(
    "values",
    [
        {"architecture": "cbow", "window": 2},
        {"architecture": "skipgram", "window": 3},
        {"architecture": "cbow", "examples": "blocks", "window": 2, "block": 5},
    ],
)
def test_the_graph_gathers_what_numpy_gathers(tmp_path, values):
    import tensorflow as tf

    dataset = write(tmp_path / "made", texts())
    examples = WordVectors.from_dataset(dataset, {**values, "val": 0.2}).splits(dataset)["train"]
    indices = np.random.RandomState(1).permutation(len(examples))[:40]
    wanted = examples.gather(indices, examples.mapped(), numpy_take)
    arrays = {name: tf.constant(array) for name, array in examples.arrays().items()}
    found = tf.function(lambda at: examples.gather(at, arrays, tf.gather))(tf.constant(indices))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)
        assert one.numpy().dtype == other.dtype
    assert examples.nbytes >= max(array.nbytes for array in examples.arrays().values())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"window": 0}, "window must be at least 1"),
        ({"val": 0.0}, "val must be above 0 and below 1"),
        ({"val": 1.5}, "val must be above 0 and below 1"),
        ({"subsample": 1.0}, "subsample must be at least 0 and below 1"),
        ({"power": -1.0}, "power must be at least 0 and at most 1"),
        ({"negatives": 0}, "negatives must be at least 1"),
        ({"max_features": 2}, "max_features must be at least 3"),
        ({"shrink": True}, "is for examples=blocks"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, said):
    with pytest.raises(UsageError, match=said):
        WordVectorsSettings(**values)
