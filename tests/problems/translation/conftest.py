"""Runs that several test modules share: trained once for the session."""

import pytest
from problems.translation.pairs_corpus import SMALL, prepared, sentences, write_tabbed

from raysq.storage.assets import write_assets
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.runtime import configure
from raysq.training.worker import run_worker

MODELS = {
    "baseline": ("baseline", {}),
    "plain": ("encoder_decoder", {}),
    "attention": ("attention", {"epochs": 8, "reversed": True, "xla": "false"}),
    "repeat": ("repeat", {}),
    "transformer": ("transformer", {"heads": 2, "layers": 2, "units": 32}),
    "own": ("problems.translation.small_models:summed", {}),
}


@pytest.fixture(scope="session")
def pairs_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pairs-runs")


@pytest.fixture(scope="session")
def pairs_dataset(pairs_folder):
    return prepared(write_tabbed(pairs_folder / "in.txt", sentences(500)), pairs_folder / "data")


@pytest.fixture(scope="session")
def pairs_run(pairs_folder, pairs_dataset):
    """`pairs_run(name)`: a run of one of the models above; "attention" is trained, the others are as they are built."""
    from raysq import layers

    runs = {}

    def get(name):
        if name not in runs:
            model, settings = MODELS[name]
            values = {**SMALL, **settings}
            if name in ("baseline", "own"):
                values = {key: value for key, value in values.items() if key not in ("embedding", "units")}
            config = resolve_config("pairs", model, pairs_dataset, 0, values)
            run = Run.create(config, name=name, folder=pairs_folder / "runs")
            configure(config.train_settings(), 0, gpu=False)
            if name == "attention":
                run_worker(run, None, TrainingCallbacks())
            else:  # as `raysq.training.worker` exports a run
                layers.to_keras(config.build(pairs_dataset)).save(run.directory / "model.keras")
                write_assets(run.assets, config.make_problem().asset_files(pairs_dataset))
            runs[name] = run
        return runs[name]

    return get
