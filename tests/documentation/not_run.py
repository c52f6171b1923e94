"""Commands and blocks of the pages that no test runs, each with the reason.

A key is the beginning of a command, or of a block's first line that is code; it stands for all that begin so.
"""

INSTALLS = "installs, or works on the repository itself"
CLUSTER = "needs a cluster of several machines, an account or a registry"
STANDS = "a word in capitals stands for a name of the reader's"

NOT_RUN = {
    "pip install": INSTALLS,
    "python -m pytest": INSTALLS,
    "uv run": INSTALLS,
    ".ci/run": INSTALLS,
    "mkdocs build": ".ci/run builds the documentation",
    "python examples/": "tests/test_gallery.py runs the scripts",
    "python jobs/tune_jena.py": "tests/test_jobs.py submits the same script, with fewer steps",
    "ray job submit": "tests/test_jobs.py submits the scripts to a cluster of its own",
    "ray get-auth-token": CLUSTER,
    "ray dashboard": CLUSTER,
    "ray job logs": CLUSTER,
    "ray rsync-down": CLUSTER,
    "ray down": CLUSTER,
    "ray start": CLUSTER,
    "export RAY": CLUSTER,
    "export MLFLOW_TRACKING_URI": "stands for a server; tests/training/test_trackers.py logs to one",
    "raysq train jena --model gru --track mlflow": "logs to the server of the line above",
    "RAY_ADDRESS=auto raysq train": CLUSTER,
    "raysq serve reviews": "serves until it is stopped; tests/serving starts it and deploys its files",
    "curl": "asks a server; tests/serving/test_answers.py sends such requests",
    "docker build": CLUSTER,
    "kubectl": CLUSTER,
    "raysq prepare TASK": STANDS,
    "raysq train TASK": STANDS,
    "raysq tune TASK": STANDS,
    "raysq evaluate RUN": STANDS,
    "raysq predict RUN": STANDS,
    "raysq report RUN": STANDS,
    "raysq compare RUN": STANDS,
    "raysq serve RUN": STANDS,
    "raysq export RUN": STANDS,
    "raysq report NAME": STANDS,
    "raysq train beijing --config ~/.raysq/experiments/NAME/best.json": STANDS,
    'raysq --print-completion zsh > "${fpath[1]}/_raysq"': "zsh expands the folder",
}
