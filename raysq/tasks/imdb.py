"""IMDB reviews: positive or negative ("Deep Learning with Python", sections 3.4, 6.1, 6.2 and 6.4)."""

from raysq.tasks.published import Published
from raysq.tasks.spaces import TEXT
from raysq.tasks.task import Source, Task

_BOOK = "Deep Learning with Python"
_FILE = "imdb.npz"  # whose order of reviews the splits follow
_LAST = {"val_selection": "last"}

TASK = Task(
    name="imdb",
    problem="text_classification",
    title="IMDB reviews: positive or negative, 25,000 to train on and 25,000 to test on",
    source=Source(
        url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        about="Maas et al. 2011, Stanford: Large Movie Review Dataset, for research",
        rows=50_000,
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
    published=(
        Published(
            "multihot",
            "val_accuracy",
            0.8897,
            f"{_BOOK}, notebook of section 3.4",
            "peak",
            {"epochs": 20, "val": "10000", "val_selection": "first"},
            _FILE,
            "keras2",
        ),
        *(
            Published(model, "val_accuracy", value, where, "peak", {**_LAST, **settings}, _FILE, "keras2")
            for model, value, where, settings in (
                ("embedding", 0.76, f"{_BOOK}, listing 6.7", {"batch_size": 32}),
                ("simple_rnn", 0.85, f"{_BOOK}, plot in section 6.2", {}),
                ("lstm", 0.89, f"{_BOOK}, plot in section 6.2", {}),
                ("lstm_bidirectional", 0.89, f"{_BOOK}, plot in section 6.3", {}),
            )
        ),
    ),
    search_model="rnn",
    search=TEXT,
)
