"""IMDB reviews: positive or negative ("Deep Learning with Python", sections 3.4, 6.1, 6.2 and 6.4)."""

from raysq.tasks.spaces import TEXT
from raysq.tasks.task import Source, Task

TASK = Task(
    name="imdb",
    problem="text_classification",
    title="IMDB reviews: positive or negative, 25,000 to train on and 25,000 to test on",
    source=Source(
        url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        about="Maas et al. 2011, Stanford: Large Movie Review Dataset, for research",
    ),
    settings={
        "max_features": 10000,
        "maxlen": 500,
        "special_tokens": True,
        # The published word index ranks the words of all 25,000 training reviews, including the validation split.
        "vocabulary": "prepared",
        "val": "0.2",
        "epochs": 10,
        "steps_per_epoch": None,
        "batch_size": 128,
    },
    # Accuracy: multihot on the test split (listing 3.11), the others on the validation split (6.7, 6.23 to 6.46).
    published={
        "multihot": 0.873,
        "embedding": 0.76,
        "simple_rnn": 0.85,
        "lstm": 0.89,
        "lstm_bidirectional": 0.89,
    },
    search_model="rnn",
    search=TEXT,
)
