"""The file of every built-in model is loaded by a process that has Keras and not raysq, and gives the same."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from problems.images.made import make_dataset, write_npz
from problems.language_modeling import corpus
from problems.text_classification.corpus import write_corpus
from problems.translation import pairs_corpus
from problems.word_vectors import written
from training.series import SMALL, write_series

from raysq import layers, problems
from raysq.training.run_config import resolve_config

# What a colleague does who has the file alone.
READ = """
import os, sys, json
os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
import numpy as np, keras
said = {}
for name in sys.argv[2:]:
    try:
        model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
        x = np.load(f"{sys.argv[1]}/{name}.x.npy")
        np.testing.assert_allclose(model(x), np.load(f"{sys.argv[1]}/{name}.y.npy"), rtol=1e-4, atol=1e-5)
    except Exception as error:
        said[name] = str(error)
assert not [name for name in sys.modules if name.startswith("raysq")]
print(json.dumps(said))
"""
# A table of pairs of words with gaps has no likeness among Keras's layers.
OURS = ("language_modeling-baseline",)
TASKS = {
    "forecasting": "jena",
    "text_classification": "classify",
    "language_modeling": "text",
    "translation": "pairs",
    "word_vectors": "cbow",
    "images": "images",
}
FURTHER = [
    *(("text_classification", "multihot", {"vectorization": one}) for one in ("count", "freq", "tfidf")),
    ("word_vectors", "negative_sampling", {"architecture": "skipgram", "shrink": True}),
    ("word_vectors", "baseline", {"examples": "blocks"}),
    ("images", "baseline", {"target": "image"}),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems")
    raw = pairs_corpus.write_tabbed(folder / "pairs.txt", pairs_corpus.sentences(200))
    return {
        "forecasting": write_series(folder / "waves"),
        "text_classification": write_corpus(folder / "classify"),
        "language_modeling": corpus.prepared(folder / "text", corpus.TEXT * 5),
        "translation": pairs_corpus.prepared(raw, folder / "pairs"),
        "word_vectors": written.write(folder / "vectors", written.texts()),
        "images": make_dataset(write_npz(folder / "x.npz"), folder / "images"),
    }


def suited(problem, model):
    """Settings without which the model does not take these data."""
    if problem == "forecasting":
        # Recurrent layers take their time, convolutions need a long input.
        return {**SMALL, "lookback": 122 if "conv" in model else 48, "step": 2, "season": 24}
    if problem == "text_classification":
        return {"maxlen": 150 if "conv" in model else 40, **({"vectors": False} if "glove" in model else {})}
    if problem == "translation":
        return {"examples": "words"} if model == "repeat" else {}
    if problem == "word_vectors":
        return {"examples": "windows" if model == "softmax" else "blocks", "min_count": 1}
    if problem == "images" and model == "autoencoder":
        return {"target": "image"}
    return {}


def test_every_built_in_model_is_loaded_by_keras_alone(data, tmp_path):
    every = [(problem, model, {}) for problem in TASKS for model in problems.get(problem).models]
    names = []
    for problem, model, settings in every + FURTHER:
        name = "-".join([problem, model, *map(str, settings.values())])
        config = resolve_config(TASKS[problem], model, data[problem], 0, {**suited(problem, model), **settings})
        keras.utils.set_random_seed(len(names))
        built = config.build(data[problem])
        source = config.make_problem().splits(data[problem])["train"]
        x = source.gather(np.arange(6), source.arrays(), lambda array, at: array.take(at, axis=0))[0]
        layers.to_keras(built).save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.x.npy", x)
        np.save(tmp_path / f"{name}.y.npy", built(x))
        names.append(name)
    done = subprocess.run([sys.executable, "-c", READ, str(tmp_path), *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == set(OURS), {name: text[-300:] for name, text in said.items() if name not in OURS}
    assert all("raysq>" in said[name] for name in OURS)
