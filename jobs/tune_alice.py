#!/usr/bin/env python
"""Searches for better settings of a language model: alone, or by `ray job submit jobs/tune_alice.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--task text --source FOLDER` searches on texts of your own.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "embedding": [32, 64, 128],
    "units": [32, 64, 128],
    "layers": [1, 2],
    "dropout": [0.0, 0.2, 0.4, 0.6],
    "learning_rate": ("loguniform", 5e-4, 5e-3),
}

raysq.search_job(
    "alice",
    __doc__,
    model="lstm_every",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="6h",  # of all sessions together; what trials have reached then is kept
    epochs=40,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=None,  # of an epoch; None is a pass over the training examples
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
