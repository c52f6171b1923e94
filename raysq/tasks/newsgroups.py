"""20 Newsgroups: the group of a post (Keras example "Using pre-trained word embeddings", F. Chollet, 2016)."""

from raysq.tasks.published import Published
from raysq.tasks.spaces import TEXT
from raysq.tasks.task import Source, Task

_EXAMPLE = "Keras blog, Using pre-trained word embeddings, 2016"

TASK = Task(
    name="newsgroups",
    problem="text_classification",
    title="20 Newsgroups: the group of a post, 20 classes, 19,997 posts",
    source=Source(
        url="https://www.cs.cmu.edu/afs/cs.cmu.edu/project/theo-20/www/data/news20.tar.gz",
        about="Ken Lang, CMU: 19,997 posts of 20 groups, with their headers",
        rows=19_997,
    ),
    preparation={
        # As in the example: no test split, and a vocabulary from all posts.
        "test": 0.0,
        "vocabulary_from": "all",
        "encoding": "latin-1",
    },
    settings={
        "max_features": 20000,
        "maxlen": 1000,
        "special_tokens": False,
        "vocabulary": "prepared",
        "val": "0.2",
        "epochs": 10,
        "steps_per_epoch": None,
        "batch_size": 128,
    },
    published=(
        Published("conv1d_glove", "val_accuracy", 0.95, _EXAMPLE, "last", {"epochs": 2}, preset="keras1"),
        Published(
            "conv1d_glove", "val_accuracy", 0.9, _EXAMPLE, "last", {"epochs": 2, "vectors": False}, preset="keras1"
        ),
    ),
    search_model="rnn",
    search={**TEXT, "embedding": [50, 100], "units": [32, 64, 128], "max_features": [10000, 20000]},
)
