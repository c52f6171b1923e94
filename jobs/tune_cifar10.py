#!/usr/bin/env python
"""Searches for better settings on CIFAR-10: alone, or by `ray job submit jobs/tune_cifar10.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "filters": [16, 32, 64],
    "convolutions": [1, 2],
    "blocks": [1, 2, 3],
    "padding": ["same"],
    "units": [128, 256, 512],
    "dropout": [0.0, 0.2, 0.4],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
    "batch_size": [32, 64, 128],
}

raysq.search_job(
    "cifar10",
    __doc__,
    model="cnn",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="12h",  # of all sessions together; what trials have reached then is kept
    epochs=20,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=None,  # of an epoch; None is a pass over the training examples
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
