#!/usr/bin/env python
"""Searches for better settings on MNIST: alone, or by `ray job submit jobs/tune_mnist.py`.

Submitting it again continues the search, or shows what it found; more trials or a longer time continue one that has
ended. `--task images --source FOLDER` searches on images of your own.
"""

import raysq

SPACE = {  # setting: choices, or (uniform | loguniform | randint, low, high); what is not here keeps its default
    "filters": [8, 16, 32],
    "convolutions": [1, 2],
    "blocks": [1, 2],
    "units": [64, 128, 256],
    "dropout": [0.0, 0.2, 0.4],
    "learning_rate": ("loguniform", 3e-4, 3e-3),
    "batch_size": [32, 64, 128],
}

raysq.search_job(
    "mnist",
    __doc__,
    model="cnn",
    space=SPACE,
    trials=16,  # the defaults are the first
    time="6h",  # of all sessions together; what trials have reached then is kept
    epochs=10,  # the most that a trial gets; ASHA ends the worse ones earlier
    steps=None,  # of an epoch; None is a pass over the training examples
    workers=1,  # of a trial
    gpu=0.0,  # of a worker; 0.5: two trials share a GPU
    refit=3,  # seeds with which the best and the defaults are trained at the end
)
