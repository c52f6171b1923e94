"""Options before, between and behind the positional arguments of every command."""

import pytest

from raysq.cli.parser import parser


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("neighbors run --top 3 tasty", {"run_name": "run", "words": ["tasty"], "top": 3}),
        ("neighbors --top 3 run tasty good", {"run_name": "run", "words": ["tasty", "good"], "top": 3}),
        ("neighbors run tasty --top 3 good", {"run_name": "run", "words": ["tasty", "good"], "top": 3}),
        ("neighbors run --top 3 -- -nik --top", {"run_name": "run", "words": ["-nik", "--top"], "top": 3}),
        ("neighbors run --export v.txt", {"run_name": "run", "words": [], "export": "v.txt"}),
        ("report --week 2014-05-05 a b", {"targets": ["a", "b"], "problem_week": "2014-05-05"}),
        ("report a --week 2014-05-05 b", {"targets": ["a", "b"], "problem_week": "2014-05-05"}),
        ("rm a --yes b", {"run_names": ["a", "b"], "yes": True}),
        ("predict --text good run --text bad", {"run_name": "run", "text": ["good", "bad"]}),
        ("train --epochs 2 jena --set units=4 --set lr=1", {"task": "jena", "epochs": 2, "set": ["units=4", "lr=1"]}),
    ],
)
def test_options_stand_anywhere(given, wanted):
    found = vars(parser().parse_args(given.split()))
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("rm --yes", "the following arguments are required: RUN"),
        ("train jena another", "unrecognized arguments: another"),
        ("neighbors run --topp 3", "unrecognized arguments: --topp"),
        ("predict run", "one of the arguments --input --text is required"),
        ("predict run --text good --input f", "not allowed with argument"),
    ],
)
def test_what_cannot_be_parsed_is_a_usage_error(given, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(given.split())
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
