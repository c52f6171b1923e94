"""Names of settings: unknown ones end in an error that names the valid, nearest or present ones."""

from dataclasses import dataclass

import pytest

from raysq.config import RENAMED, make_settings, nearest_name
from raysq.errors import UsageError


@dataclass(frozen=True)
class Some:
    val: str = "0.1"
    val_selection: str = "hash"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("pick", "pick is now val_selection"),
        ("val_selektion", "did you mean val_selection"),
        ("marks", "valid: val, val_selection"),  # its present name is no setting here
    ],
)
def test_an_unknown_setting_names_others(name, hint):
    with pytest.raises(UsageError, match=f"unknown setting '{name}': {hint}"):
        make_settings(Some, {name: "1"})


def test_a_former_name_is_no_present_one():
    assert not RENAMED.keys() & set(RENAMED.values())
    assert nearest_name("white", ["max_pixel"]) == "white is now max_pixel"
    assert nearest_name("form", ["examples", "window"]) == "form is now examples"
