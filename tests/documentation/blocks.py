"""Blocks of code in the pages of the documentation, and the commands in them."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md")))
]
FENCE = re.compile(
    r"(?:^<!-- (?P<quoted>\S+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        page: path of its page in the repository.
        line: number of its first line.
        language: of the fence.
        text: what stands between the fences.
        quoted: file of tests/extension_package that it quotes, or None.
    """

    page: str
    line: int
    language: str
    text: str
    quoted: str | None

    @property
    def file(self) -> str | None:
        """The name of the file that the block is, from its first line `# NAME.py`."""
        named = re.match(r"# (\w+\.py)\b", self.text)
        return named and named[1]

    @cached_property
    def commands(self) -> list[str]:
        """The commands of a block of bash, without comments; continued lines are one command."""
        lines = self.text.replace("\\\n", " ").splitlines()
        commands = (re.sub(r"(^|\s+)# .*", "", line).strip() for line in lines)
        return [" ".join(command.split()) for command in commands if command]


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start("text")) + 1, found["language"], found["text"], found["quoted"])
        for found in FENCE.finditer(text)
    ]
