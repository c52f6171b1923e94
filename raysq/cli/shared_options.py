"""Options that several commands share."""

import argparse
from typing import Any


def add_task(sub: argparse.ArgumentParser) -> None:
    """Add the argument of a task."""
    sub.add_argument("task", metavar="TASK", help="Name of a task. `raysq tasks` lists them.")


def add_run(sub: argparse.ArgumentParser, name: str = "run_name", **keywords: Any) -> None:
    """Add the argument of a run, or of several with `nargs`."""
    sub.add_argument(name, metavar="RUN", **keywords, help="Id of a run, a prefix of it, or the run's directory.")


def add_epoch(sub: argparse.ArgumentParser) -> None:
    """Add the option of a kept epoch."""
    sub.add_argument(
        "--epoch", type=int, metavar="N", help="Epoch whose weights --keep-epochs kept. Defaults to the best epoch."
    )


def add_track(sub: argparse.ArgumentParser) -> None:
    """Add the option of a tracker."""
    sub.add_argument(
        "--track",
        metavar="NAME",
        help="Log to a tracker: mlflow, wandb (whose environment variables apply) or tensorboard.",
    )


def add_callbacks(sub: argparse.ArgumentParser, of: str) -> None:
    """Add the option of Keras callbacks."""
    sub.add_argument(
        "--callback",
        action="append",
        default=[],
        metavar="MODULE:NAME[,KEY=VALUE]",
        help=f"Keras callback {of}: a keras.callbacks.Callback object, or a class or function that makes one, with its "
        "arguments, such as keras.callbacks:EarlyStopping,patience=3. Can be repeated.",
    )


def add_data_and_model(sub: argparse.ArgumentParser, default_model: str) -> None:
    """Add the options of a data set and a model."""
    sub.add_argument("--data", help="Name or directory of a prepared data set. Defaults to the task's newest.")
    sub.add_argument(
        "--model", help=f"Name of a model of the task, or package.module:function. Defaults to {default_model}."
    )


def add_training(sub: argparse.ArgumentParser) -> None:
    """Add the options that `train` and `backtest` share."""
    add_task(sub)
    add_data_and_model(sub, "the task's model")
    sub.add_argument(
        "--workers",
        metavar="N|MIN:MAX",
        default="1",
        help="Number of workers. More than one form a Ray worker group. With MIN:MAX, the group goes on with fewer "
        "workers where nodes are lost, and with more where there is room.",
    )
    sub.add_argument("--gpu", action="store_true", help="Use a GPU for each worker.")
    sub.add_argument("--threads", type=int, help="Number of TensorFlow threads of each worker. Defaults to all cores.")
    sub.add_argument("--epochs", type=int, help="Maximum number of epochs. Same as --set epochs=N.")
    add_preset(sub)
    add_trust(sub)


def add_settings(sub: argparse.ArgumentParser) -> None:
    """Add the option of settings."""
    sub.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="Value of a setting. Can be repeated."
    )


def add_preset(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--preset",
        metavar="NAME",
        help="Defaults and formulas of an older Keras, for tutorials: keras2 or keras1. --set wins over them.",
    )


def add_seed(sub: argparse.ArgumentParser, default: int | None, of: str) -> None:
    """Add the option of a random seed."""
    sub.add_argument("--seed", type=int, default=default, help=f"Random seed of {of}.")


def add_fresh(sub: argparse.ArgumentParser, what: str) -> None:
    """Add the option that discards earlier results."""
    sub.add_argument("--fresh", action="store_true", help=f"Discard earlier results of the {what} and start anew.")


def add_trust(sub: argparse.ArgumentParser) -> None:
    """Add the option that trusts what is from elsewhere."""
    sub.add_argument(
        "--trust",
        action="store_true",
        help="Import the code that a run or search from elsewhere names. See docs/trust.md.",
    )
