"""Help, plain and in colors, and completion by shells."""

import io
import re
import resource
import subprocess
import sys

import pytest

from raysq.cli import main
from raysq.cli.completion import SHELLS
from raysq.cli.parser import parser

pytest.importorskip("shtab")
pytest.importorskip("rich_argparse")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_commands_options_and_tasks(shell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert ended.value.code == 0
    for word in ("prepare", "tune", "jena", "translation"):
        assert word in script
    assert "budget" not in script, "a removed name"


def test_bash_takes_the_script(tmp_path):
    script = tmp_path / "raysq.bash"
    done = subprocess.run([sys.executable, "-m", "raysq", "--print-completion", "bash"], capture_output=True, text=True)
    script.write_text(done.stdout)
    words = "COMP_WORDS=(raysq train je); COMP_CWORD=2"
    ask = f"source {script}; {words}; _shtab_raysq raysq je train; echo ${{COMPREPLY[@]}}"
    assert subprocess.run(["bash", "-c", ask], capture_output=True, text=True).stdout.split() == ["jena"]


def test_an_unknown_shell_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--print-completion", "cmd"])
    assert ended.value.code == 2 and "invalid choice: 'cmd'" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_the_same_words_in_colors(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)
    commands = [[], ["tune"], ["prepare"], ["predict"]]

    def helps(stream) -> list[str]:
        monkeypatch.setattr(sys, "stdout", stream)
        for command in commands:
            with pytest.raises(SystemExit):
                parser().parse_args([*command, "--help"])
        return stream.getvalue()

    plain, colored = helps(io.StringIO()), helps(Terminal())
    assert "\x1b[" in colored and "\x1b[" not in plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored).split() == plain.split()
    monkeypatch.setenv("NO_COLOR", "1")
    assert helps(Terminal()) == plain


def test_help_states_the_default_of_each_option_that_has_one(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["tune", "--help"])
    lines = " ".join(capsys.readouterr().out.split())
    assert "continues a search. Defaults to 16, or to as many" in lines and "workers share one. Defaults to 0." in lines
    assert "over all sessions, such as 90 (seconds), 30m or 2h. --epochs" in lines, "no default to state"


@pytest.mark.slow
def test_help_feels_instant():
    """In seconds of a processor, which other work on the machine changes less than those of a clock."""

    def seconds(*command: str) -> float:
        def once() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        return min(once() for _ in range(7))

    assert seconds("-m", "raysq", "--help") - seconds("-c", "pass") < 0.15
