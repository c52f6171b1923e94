"""Search spaces that several tasks share."""

RECURRENT = {  # of the model `rnn`
    "cell": ["gru", "lstm"],
    "units": [16, 32, 64],
    "layers": [1, 2],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "recurrent_dropout": [0.0, 0.2],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
}
TEXT = {  # the same over words
    **RECURRENT,
    "embedding": [16, 32, 64],
    "max_features": [5000, 10000, 20000],
    "maxlen": [100, 200, 400],
}
