#!/usr/bin/env python
"""Searches for better settings of a translator: alone, or by `ray job submit jobs/tune_translation.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--source FOLDER` has the pairs; `--task pairs --source FILE` searches on pairs of your own.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "attention": ["none", "dot"],
    "embedding": [64, 128, 256],
    "units": [64, 128, 256],
    "dropout": [0.0, 0.1, 0.2, 0.3],
    "learning_rate": ("loguniform", 5e-4, 5e-3),
}

raysq.search_job(
    "translation",
    __doc__,
    model="encoder_decoder",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="12h",  # of all sessions together; what trials have reached then is kept
    epochs=10,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=None,  # of an epoch; None is a pass over the training examples
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
