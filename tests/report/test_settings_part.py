"""The settings that a report shows are those that acted."""

from types import SimpleNamespace

from raysq.report.run import settings_part


def test_what_a_compiled_model_decided_is_not_shown_as_a_setting():
    sections = {"data": {}, "model": {}, "training": {"learning_rate": 0.001}}
    config = SimpleNamespace(task="jena", data="d", model="m:build", seed=0, sections=sections.items)
    for left, wanted in (([], "0.001"), (["learning_rate"], "decided by the model")):
        analysis = SimpleNamespace(config=config, defaults=sections, result={"left_to_model": left})
        page = str(settings_part(analysis))
        assert wanted in page and ("0.001" in page) == (not left)
