"""Search spaces that several tasks share."""

RECURRENT = {  # for the model `rnn`
    "cell": ["gru", "lstm"],
    "units": [16, 32, 64],
    "layers": [1, 2],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "recurrent_dropout": [0.0, 0.2],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
}
TEXT = {  # for the model `rnn` over words
    **RECURRENT,
    "embedding": [16, 32, 64],
    "max_features": [5000, 10000, 20000],
    "maxlen": [100, 200, 400],
}
LANGUAGE = {  # for language models
    "embedding": [32, 64, 128],
    "units": [32, 64, 128],
    "layers": [1, 2],
    "dropout": [0.0, 0.2, 0.4, 0.6],
    "learning_rate": ("loguniform", 5e-4, 5e-3),
}
TRANSLATION = {  # for the model `encoder_decoder`
    "attention": ["none", "dot"],
    "embedding": [64, 128, 256],
    "units": [64, 128, 256],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "learning_rate": ("loguniform", 5e-4, 5e-3),
}
VECTORS = {  # for word vectors with negative sampling; window, negatives and subsample would change the loss itself
    "dimension": [50, 100, 200],
    "batch_size": [64, 256, 1024],
    "learning_rate": ("loguniform", 5e-3, 1e-1),
}
IMAGES = {  # for the model `cnn`
    "filters": [8, 16, 32],
    "convolutions": [1, 2],
    "blocks": [1, 2],
    "units": [64, 128, 256],
    "dropout": [0.0, 0.2, 0.4],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
    "batch_size": [32, 64, 128],
}
TABLES = {  # for the model `mlp` over a table
    "units": [32, 64, 128, 256],
    "layers": [1, 2, 3],
    "dropout": [0.0, 0.1, 0.2, 0.4],
    "embedding": [2, 4, 8, 16],
    "normalize": [False, True],
    "learning_rate": ("loguniform", 3e-4, 1e-2),
    "batch_size": [32, 64, 128],
}
