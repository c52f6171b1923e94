#!/usr/bin/env python
"""Searches for better settings of CBOW word vectors: alone, or by `ray job submit jobs/tune_cbow.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--source FOLDER` has the texts.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "dimension": [50, 100, 200],
    "window": [2, 5, 8],
    "negatives": [5, 10, 20],
    "subsample": [0.0, 1e-4, 1e-3],
    "learning_rate": ("loguniform", 1e-3, 1e-2),
}

raysq.search_job(
    "cbow",
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
