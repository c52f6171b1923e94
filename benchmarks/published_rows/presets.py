"""Rows of the tutorials and books that were written with Keras 1 and 2, cheap ones first."""

from dataclasses import replace

from published_rows.row import Data, Row

IMDB = Data("imdb", "imdb/imdb.npz")
MNIST = Data("mnist", "mnist/mnist.npz")
_GLOVE = {"vectors": "DATA/glove/glove.6B.100d.first100k.txt.gz"}
REVIEWS = Data("imdb", "imdb/aclImdb_v1.tar.gz", _GLOVE)
NEWSGROUPS = Data("newsgroups", "newsgroups20/news20.tar.gz", _GLOVE)
BEIJING = Data("beijing", "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv")

# The IMDB notebook of the book (Keras 2.1.5): the first 10,000 reviews of the file validate.
DENSE = {"val": "10000", "val_selection": "first", "epochs": 20}
DENSE_ROWS = {
    "2 layers, highest of 20 epochs": (0.8897, {}),
    "3 layers, highest": (0.8937, {"layers": 3}),
    "3 layers, mse, highest": (0.8858, {"layers": 3, "loss": "mse"}),
    "3 layers, tanh, mse, highest": (0.8863, {"layers": 3, "loss": "mse", "activation": "tanh"}),
    "1 layer, highest": (None, {"layers": 1}),
    "32 units, highest": (None, {"units": 32}),
    "64 units, highest": (None, {"units": 64}),
}

# The tutorial (Keras 1.0.2): the last fifth validates.
DIGITS = {"optimizer": "adadelta", "batch_size": 256, "epochs": 5, "val": "0.2", "val_selection": "last"}
# The tutorial's autoencoder has no activations: Dense(144) and Dense(784).
CODE = {
    "activation": "linear",
    "output_activation": "linear",
    "optimizer": "adadelta",
    "batch_size": 256,
    "train_samples": 7000,
    "epochs": 19,
}

BOOK = {"val_selection": "last"}  # of the 25,000 reviews, the last fifth validates, as with validation_split=0.2
EPSILON = 1e-8  # of Keras 2.0, with which the book was written
RECURRENT = {"simple_rnn": 0.85, "lstm": 0.89, "lstm_bidirectional": 0.89}

# The book's eight models: 40 epochs without early stopping for those with dropout, 20 for others.
FORECASTS = {
    "dense": {},
    "gru": {},
    "gru_dropout": {"epochs": 40, "patience": 0},
    "gru_stacked": {"epochs": 40, "patience": 0},
    "gru_reversed": {},
    "gru_bidirectional": {"epochs": 40},
    "conv1d": {},
    "conv1d_gru": {},
}


# Why is the dense model among the best on Beijing, and no better than the baseline in the book? It has 120 x 6 inputs
# here, and had 240 x 14 there.
DENSE_INPUTS = {
    "dense, 120 x 6 inputs": {},
    "dense, 560 x 6 inputs, as many as in the book": {"lookback": 560},
    "dense, 120 x 1 inputs, the temperature alone": {"features": ("TEMP",)},
    "dense, 120 x 6 inputs, a third of the rows to train on": {"split": "8000/10000/rest"},
    "baseline, a third of the rows to train on": {"split": "8000/10000/rest"},
}

# What the chapters suggest to try next, beside the model itself; one row each.
NEXT = {
    "gru, 64 units": ("gru", {"units": 64}),
    "gru, 2 dense layers above": ("gru", {"dense_layers": 2}),
    "rnn, both directions": ("rnn", {"bidirectional": True}),
    "conv1d, dilation 2": ("conv1d", {"dilation": 2}),
    "conv1d, means": ("conv1d", {"pooling": "average"}),
}
FEATURES = ("p (mbar)", "T (degC)", "Tdew (degC)", "wv (m/s)", "wd (deg)", "rh (%)")
FEW = {"maxlen": 100, "val": "10000", "batch_size": 32}
SAMPLES = (200, 400, 800, 1600, 3200)


def both(row: Row, preset: str, **settings: object) -> list[Row]:
    """Return a row with the preset of its time and these settings, and with the defaults of Keras 3."""
    return [replace(row, variant=preset, preset=preset, settings={**row.settings, **settings}), row]


def dense_rows() -> list[Row]:
    rows = []
    for what, (published, settings) in DENSE_ROWS.items():
        row = Row("presets_imdb_dense", what, "keras3", IMDB, "multihot", "val_accuracy", published, "best")
        rows += both(replace(row, settings={**DENSE, **settings}), "keras2")
    kept = Row("presets_imdb_dense", "2 layers, lowest val loss", "keras3", IMDB, "multihot", "val_accuracy", 0.8832)
    # Four passes over 25,000 reviews, of which two must validate, are one epoch here, whose weights are kept.
    passes = {"val": "2", "val_selection": "first", "epochs": 1, "steps_per_epoch": 4 * 49}
    final = Row("presets_imdb_dense", "4 epochs on all reviews", "keras3", IMDB, "multihot", "test_accuracy", 0.87296)
    return rows + both(replace(kept, settings=DENSE), "keras2") + both(replace(final, settings=passes), "keras2")


def digit_rows() -> list[Row]:
    rows = []
    for model, metric, published in (
        ("mlp", "val_accuracy", 0.9706),
        ("mlp", "test_accuracy", 0.9722),
        ("cnn", "val_accuracy", 0.9855),
    ):
        row = Row("presets_mnist", model, "keras1", MNIST, model, metric, published, preset="keras1", settings=DIGITS)
        row = replace(row, epoch=5) if metric == "val_accuracy" else row
        # The rate of Keras 3's Adadelta is a thousandth of the one of then, with which it learns nothing here.
        plain = replace(row, variant="keras3", preset=None, settings={**DIGITS, "learning_rate": 1.0})
        rows += [replace(each, what=f"{model}, {metric}") for each in (row, plain)]
    code = Row(
        "presets_mnist", "autoencoder, training loss of epoch 19", "keras1", MNIST, "autoencoder", "loss", 0.0473, 19
    )
    code = replace(code, preset="keras1", settings=CODE)
    relu = replace(
        code,
        what="autoencoder with relu in the code",
        settings={**CODE, "activation": "relu"},
        note="the listing's Dense(144) without an activation is better than the figure, and with relu close to it",
    )
    better = replace(code, variant="best", preset=None, settings={"epochs": 19, "train_samples": 7000})
    return [
        *rows,
        code,
        replace(code, variant="keras3", preset=None, settings={**CODE, "learning_rate": 1.0}),
        better,
        relu,
    ]


def forecast_rows() -> list[Row]:
    rows = []
    for model, settings in FORECASTS.items():
        row = Row("presets_beijing", model, "keras3", BEIJING, model, "val_mae", None, settings=settings)
        rows += both(row, "keras2", epsilon=EPSILON)
    return rows


def recurrent_rows() -> list[Row]:
    rows = []
    for model, published in RECURRENT.items():
        row = Row("presets_imdb", model, "keras3", IMDB, model, "val_accuracy", published, "best", settings=BOOK)
        rows += both(row, "keras2", epsilon=EPSILON)
    return rows


def dense_input_rows() -> list[Row]:
    rows = []
    for what, settings in DENSE_INPUTS.items():
        row = Row("presets_dense_inputs", what, "keras3", BEIJING, what.partition(",")[0], "val_mae", settings=settings)
        rows.append(row if row.model == "dense" else replace(row, seeds=(0,)))
    jena = Data("jena", "jena/jena_climate_2020.csv.zip")
    for what, model, settings in (
        ("Jena 2020, baseline", "baseline", {}),
        ("Jena 2020, dense, 120 x 14 inputs", "dense", {"epochs": 20}),
        ("Jena 2020, dense, 120 x 6 inputs", "dense", {"epochs": 20, "features": FEATURES}),
    ):
        row = Row("presets_dense_inputs", what, "keras3", jena, model, "val_mae", settings=settings)
        rows.append(row if model == "dense" else replace(row, seeds=(0,)))
    return rows


def next_rows() -> list[Row]:
    rows = [
        Row("presets_next", f"beijing, {what}", "keras3", BEIJING, model, "val_mae", settings=settings)
        for what, (model, settings) in NEXT.items()
    ]
    for count in SAMPLES:
        row = Row("presets_next", f"imdb, glove, {count} reviews", "keras3", REVIEWS, "glove", "val_accuracy")
        rows.append(replace(row, settings={**FEW, "train_samples": count}))
    for number in (1, 2):
        settings = {**FEW, "train_samples": 200, "sample_seed": number}
        row = Row(
            "presets_next", f"imdb, glove, 200 reviews, draw {number}", "keras3", REVIEWS, "glove", "val_accuracy"
        )
        rows.append(replace(row, settings=settings, seeds=(0,)))
    return rows


def newsgroup_rows() -> list[Row]:
    row = Row("presets_newsgroups", "GloVe", "keras3", NEWSGROUPS, "conv1d_glove", "val_accuracy", 0.95, "best")
    row = replace(row, settings={"epochs": 2})
    dropout, tuned = {"epochs": 10, "dense_dropout": 0.3}, {"epochs": 10, "embedding_trainable": True}
    return [
        replace(row, variant="keras1", preset="keras1"),
        row,
        *(
            replace(row, what=what, settings=settings, published=None)
            for what, settings in (
                ("GloVe, 10 epochs", {"epochs": 10}),
                ("dropout 0.3, 10 epochs", dropout),
                ("fine-tuned, 10 epochs", tuned),
                ("both, 10 epochs", dropout | tuned),
            )
        ),
    ]


ROWS = [
    *dense_rows(),
    *digit_rows(),
    *dense_input_rows(),
    *forecast_rows(),
    *recurrent_rows(),
    *next_rows(),
    *newsgroup_rows(),
]
