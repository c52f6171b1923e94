#!/usr/bin/env python
"""Searches for better settings of skip-gram word vectors: alone, or by `ray job submit jobs/tune_skipgram.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--source FOLDER` has the texts.
"""

import raysq

# setting: choices, or (uniform | loguniform | randint, low, high); others keep their defaults. Trials are ranked
# by the loss of the same pairs with the same negatives: window, negatives, subsample and min_count would change it.
SPACE = {
    "dimension": [50, 100, 200],
    "batch_size": [64, 256, 1024],
    "learning_rate": ("loguniform", 5e-3, 1e-1),
}

raysq.search_job(
    "skipgram",
    __doc__,
    model="negative_sampling",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="6h",  # of all sessions together; what trials have reached then is kept
    epochs=20,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=None,  # of an epoch; None is a pass over the training examples
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
