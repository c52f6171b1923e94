#!/usr/bin/env python
"""Searches for better settings on the Jena weather data: alone, or by `ray job submit jobs/tune_jena.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--task beijing` (or another task) searches that one's data, in the space of raysq/tasks/beijing.py.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "cell": ["gru", "lstm"],
    "units": [16, 32, 64],
    "layers": [1, 2],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "recurrent_dropout": [0.0, 0.2],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
    "lookback": ["3d", "5d", "10d"],
    "step": ["30min", "1h", "2h"],
    "calendar": ["", "hour", "hour,yearday"],
}

raysq.search_job(
    "jena",
    __doc__,
    model="rnn",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="12h",  # of all sessions together; what trials have reached then is kept
    epochs=20,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=200,  # of an epoch
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
