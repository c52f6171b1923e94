"""Files of all settings, as `raysq config` prints them and `raysq train --config` reads them."""

import json

import pytest
import yaml

import raysq
from raysq import problems, tasks
from raysq.cli import main
from raysq.config import check_range
from raysq.errors import UsageError
from raysq.training.config_file import ConfigFile
from raysq.training.run_config import resolve_config
from raysq.training.template import Template


def test_a_file_of_all_settings_trains_the_same_run(tmp_path, capsys):
    data = raysq.prepare("jena", source="sample:20d", quiet=True)
    command = ["config", "jena", "--model", "gru", "--seed", "4", "--set", "model.units=3", "--set", "epochs=2"]
    assert main(command) == 0
    text = capsys.readouterr().out
    (tmp_path / "a.yaml").write_text(text)
    assert main([*command, "--json"]) == 0
    (tmp_path / "a.json").write_text(capsys.readouterr().out)
    direct = resolve_config("jena", "gru", data, 4, {"units": 3, "epochs": 2})
    for name in ("a.yaml", "a.json"):
        file = ConfigFile.read(tmp_path / name, "jena")
        assert (file.model, file.seed) == ("gru", 4)
        assert resolve_config("jena", file.model, data, file.seed, file.settings) == direct
    assert "# number of epochs. An epoch ends with evaluation on the validation split (at least 1)." in text


@pytest.mark.parametrize("task", tasks.names())
def test_every_model_has_a_file_without_data(task):
    for model in problems.get(tasks.get(task).problem).models:
        template = Template.of(task, model=model)
        values = yaml.safe_load(template.to_yaml())
        assert values == template.to_dict() and values["data"] is None
        schema = template.schema()["properties"]["settings"]["properties"]
        for section, fields in template.values.items():
            assert set(fields) <= set(schema[section]["properties"])
        assert schema["training"]["properties"]["epochs"]["minimum"] == 1
        json.dumps(schema)


def test_settings_of_a_file_without_data_are_converted_and_checked(capsys):
    assert main(["config", "imdb", "--model", "gru", "--set", "epochs=2", "--set", "model.units=8"]) == 0
    values = yaml.safe_load(capsys.readouterr().out)
    assert values["settings"]["training"]["epochs"] == 2 and values["settings"]["model"]["units"] == 8
    assert main(["config", "imdb", "--set", "epochs=0"]) == 2
    assert "setting epochs must be at least 1, received 0" in capsys.readouterr().err


def test_every_setting_is_described():
    for name in problems.REGISTRY.names():
        task = next(task for task in tasks.names() if tasks.get(task).problem == name)
        texts, sections = (Template.of(task), Template.of(task).sections)
        for section in ("data", "training"):
            missing = set(sections[section]) - set(texts.texts[section])
            assert not missing, f"{name}: {section} settings without a description: {missing}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task: imdb\n", "is of task 'imdb', received 'jena'"),
        ("model: gru\n", "'task' is missing"),
        ("- 1\n", "expected an object"),
        ("task: [jena\n", r"is no YAML \(line 2: "),
        ("task: jena\nseed: many\n", "seed: expected a whole number"),
        ("task: jena\nsettings: {model: 3}\n", "settings.model: expected an object"),
        ("task: jena\na: &a [1]\nb: [*a, *a]\n", "aliases"),
        ("task: !!python/object/apply:os.getcwd []\n", "is no YAML"),
        ("\0", "cannot be used"),
        (b"\xff\xfe\xff", "cannot be used"),
        ("[" * 5000, "cannot be used|is no YAML"),
        ("# " + "x" * 2_000_000, "more than 1,048,576 bytes"),
    ],
)
def test_another_file_is_one_clear_line(tmp_path, text, message):
    path = tmp_path / "a.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=message):
        ConfigFile.read(path, "jena")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(UsageError, match="is missing"):
            ConfigFile.read(path, "jena")


def models_of(task):
    return problems.get(tasks.get(task).problem).models


MODELS = [
    (task, model) for task in ("jena", "imdb", "alice", "pairs", "skipgram", "mnist") for model in models_of(task)
]


@pytest.mark.parametrize(("task", "model"), MODELS)
def test_every_number_of_a_model_has_a_range_that_is_checked(task, model):
    sections = Template.of(task, model=model).sections
    numbers = [setting for setting in sections["model"].values() if setting.type in (int, float, int | None)]
    for setting in numbers:
        assert setting.range is not None and check_range(setting, setting.default) == setting.default
        for wrong in (-1, float("nan")):
            with pytest.raises(UsageError, match=rf"setting {setting.name} must be .*, received {wrong}"):
                check_range(setting, wrong)
