"""Translation from Japanese to English: 50,000 short sentence pairs of the Tanaka Corpus."""

from raysq.tasks.spaces import TRANSLATION
from raysq.tasks.task import Task

TASK = Task(
    name="translation",
    problem="translation",
    title="translation of short sentences, such as the 50,000 pairs of small_parallel_enja",
    settings={
        # Leaves out one word in two hundred. The softmax over the target words takes most of the training time.
        "target_words": 5000,
        "epochs": 6,
        "steps_per_epoch": None,
        "batch_size": 32,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "schedule": "cosine",
        "clipnorm": 1.0,
    },
    search_model="encoder_decoder",
    search=TRANSLATION,
)
