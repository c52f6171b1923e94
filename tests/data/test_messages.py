"""Lines about raw files, with and without the options of `prepare` that they name."""

import copy
import json
import pickle

from raysq import problems
from raysq.config import make_settings
from raysq.data.messages import Message, without_options


def test_a_message_is_its_whole_line_and_knows_its_parts():
    message = Message("text: column 'a'", "--text NAME names another")
    assert message == "text: column 'a' (--text NAME names another)" and json.dumps([message]) == json.dumps(
        [str(message)]
    )
    for same in (message, copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert same == message and without_options(same) == "text: column 'a'"
    assert without_options(Message("12 rows")) == "12 rows" and without_options("plain (--x)") == "plain (--x)"


def test_no_option_is_left_where_a_command_does_not_have_it(tmp_path):
    (tmp_path / "a.csv").write_bytes(
        "".join(["review;kind\n", *(f"caf\u00e9 {n} is good;{'ab'[n % 2]}\n" for n in range(30))]).encode("cp1252")
    )
    lines = make_settings(problems.get("text_classification").Preprocessor, {}).infer([tmp_path / "a.csv"])[1]
    assert sum("--" in line for line in lines) == 4, "encoding, delimiter, text, label"
    assert not any("--" in without_options(line) for line in lines)
