"""Built-in synthetic sentences: words of a few classes that stand in the same places, for trying things out."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # raised when the same number would give other texts
DEFAULT = "20000"

_FEWEST, _MOST = 100, 1_000_000
_TOGETHER = 10  # sentences of a text


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


CLASSES = {
    "animal": _listed("dog cat horse cow sheep goat fox wolf bear rabbit"),
    "food": _listed("bread cheese soup rice apple cake honey fish pie salad"),
    "color": _listed("red blue green yellow black white brown gray"),
    "place": _listed("garden forest kitchen market river castle village meadow"),
    "season": _listed("spring summer autumn winter"),
    "tool": _listed("hammer saw shovel rope ladder needle knife bucket"),
}
# For analogies: what a man and a woman are called.
PAIRS = (
    ("king", "queen"),
    ("man", "woman"),
    ("prince", "princess"),
    ("brother", "sister"),
    ("father", "mother"),
    ("uncle", "aunt"),
    ("boy", "girl"),
)
_DEEDS = {  # what is said of each pair alone
    "king": _listed("rules commands crowns"),
    "man": _listed("works walks smokes"),
    "prince": _listed("inherits rides hunts"),
    "brother": _listed("teases shares quarrels"),
    "father": _listed("feeds raises teaches"),
    "uncle": _listed("visits travels writes"),
    "boy": _listed("plays climbs giggles"),
}
_EATS = _listed("eats wants smells steals")
_MOVES = _listed("runs sleeps hides waits")
_MAKES = _listed("cooks buys sells bakes")
_MENDS = _listed("lends holds mends drops")


def sample(directory: Path, spec: str = "") -> Path:
    """Writes synthetic texts, the same for the same number everywhere, or finds them written.

    Args:
        directory: where the file goes.
        spec: how many sentences, such as "2000"; twenty thousand when empty.

    Returns:
        A JSONL file with `text`, ten sentences each.

    Raises:
        UsageError: not a number of sentences.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "sentences", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.jsonl"
    if path.exists():
        return path
    found = sentences(count)
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for begin in range(0, count, _TOGETHER):
            file.write(json.dumps({"text": " ".join(found[begin : begin + _TOGETHER])}) + "\n")
    return path


def sentences(count: int, seed: int = 0) -> list[str]:
    """Synthetic sentences; the first ones are the same for any count."""
    random = np.random.RandomState(seed)

    def one(words: Sequence[str]) -> str:
        # The first of a class are the more frequent ones, as words are.
        return words[int(len(words) * random.random_sample() ** 1.5)]

    def of(name: str) -> str:
        return one(CLASSES[name])

    def person() -> str:
        pair = PAIRS[random.randint(len(PAIRS))]
        side = random.randint(2)
        own = ("his", "her")[side]
        who = ("he", "she")[side]
        deed = one(_DEEDS[pair[0]])
        return f"the {pair[side]} {deed} and {who} {one(_MENDS)} {own} {of('tool')}"

    makers: tuple[Callable[[], str], ...] = (
        lambda: f"the {of('color')} {of('animal')} {one(_MOVES)} in the {of('place')}",
        lambda: f"a {of('animal')} {one(_EATS)} {of('food')} near the {of('place')}",
        lambda: f"in {of('season')} she {one(_MAKES)} {of('food')} and {of('food')}",
        lambda: f"every {of('season')} the {of('place')} turns {of('color')}",
        person,
        person,
    )
    return [makers[random.randint(len(makers))]().capitalize() + "." for _ in range(count)]
