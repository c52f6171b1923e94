"""Subwords of pairs: learned in preparation, stored with data and run, and joined to plain text."""

import numpy as np
import pytest
from problems.translation.pairs_corpus import prepared, sentences, write_tabbed

from raysq import layers
from raysq.inference.predictor import load
from raysq.storage.assets import write_assets
from raysq.training.run import Run
from raysq.training.run_config import resolve_config

MADE = [(source, f"{target} end.") for source, target in sentences(300)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("subwords")


@pytest.fixture(scope="module")
def dataset(folder):
    raw = write_tabbed(folder / "in.txt", MADE)
    return prepared(raw, folder / "data", level="subword", vocab_size=20, test=0.2, punctuation="apart")


def test_sentences_are_split_and_measured_in_subwords(dataset):
    report = dataset.manifest.report
    assert report["levels"] == ["subword", "subword"] and report["words"] == [20, 20]
    assert dataset.manifest.preparation["settings"]["vocab_size"] == 20
    part = dataset.column("part").slice(0, dataset.rows)
    for position, side in enumerate(("source", "target")):
        pieces = dataset.extra(f"{side}_vocabulary").column("word").to_pylist()
        tokens = dataset.ragged(f"{side}_tokens")
        codes = [tokens.row(row) for row in range(dataset.rows)]
        texts = ["".join(pieces[code] for code in row).replace("\u2581", " ").strip() for row in codes]
        wanted = [text.as_py() for array in dataset.arrow(side) for text in array]
        assert [text.replace(" .", ".") for text in texts] == wanted
        assert report["tokens"][position] == sum(map(len, codes)) > sum(len(text.split()) for text in wanted)
        assert report["longest"][position] == max(len(row) for row, of in zip(codes, part, strict=True) if of == 0)
        counts = np.bincount(
            np.concatenate([row for row, of in zip(codes, part, strict=True) if of == 0]), minlength=20
        )
        assert dataset.extra(f"{side}_vocabulary").column("count").to_pylist() == counts.tolist()


def test_a_run_needs_only_its_own_files_and_writes_plain_text(dataset, folder):
    config = resolve_config("pairs", "baseline", dataset, 0, {"max_source": 12})
    run = Run.create(config, name="subwords", folder=folder / "runs")
    layers.to_keras(config.build(dataset)).save(run.directory / "model.keras")
    write_assets(run.assets, config.make_problem().asset_files(dataset))
    predictor = load(run)
    assert "up to 12 subwords" in "".join(predictor.problem.describe())
    (one, long) = predictor.translate(["w1 w10 w99!", "w99 " * 9])
    assert one.source[0] == "\u2581w1" and one.remark == "unknown words"  # the exclamation mark
    assert one.text and "\u2581" not in one.text and " ." not in one.text
    assert long.remark.startswith("cut to its first 12 of") and long.remark.endswith("subwords")
    assert predictor.problem.interface().input.example[0].split()[0].startswith("w")
