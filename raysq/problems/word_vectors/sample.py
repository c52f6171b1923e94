"""Built-in synthetic sentences, in which the words of a class occur in the same contexts."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # increment when the same number gives other texts
DEFAULT = "20000"

_FEWEST, _MOST = 100, 1_000_000
_TOGETHER = 10  # sentences of a text


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


CLASSES = {
    "animal": _listed("dog cat horse cow sheep goat fox wolf bear rabbit"),
    "food": _listed("bread cheese soup rice apple cake honey fish pie salad"),
    "color": _listed("red blue green yellow black white brown grey"),
    "place": _listed("garden forest kitchen market river castle village meadow"),
    "season": _listed("spring summer autumn winter"),
    "tool": _listed("hammer saw shovel rope ladder needle knife bucket"),
}
# Nouns for a man and a woman, for analogies.
PAIRS = (
    ("king", "queen"),
    ("man", "woman"),
    ("prince", "princess"),
    ("brother", "sister"),
    ("father", "mother"),
    ("uncle", "aunt"),
    ("boy", "girl"),
)
_DEEDS = {  # verbs that only one pair takes
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
    """Write synthetic texts, unless the file exists already. The same number gives the same texts everywhere.

    Args:
        directory: folder to write the file to.
        spec: number of sentences, such as "2000"; 20,000 when empty.

    Returns:
        The path of a JSONL file with the field `text`, ten sentences each.

    Raises:
        UsageError: if `spec` is not a number of sentences.
        SourceError: if the directory cannot be written.
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
    """Return synthetic sentences.

    Args:
        count: number of sentences. A larger count adds sentences at the end and leaves the first ones unchanged.
        seed: seed of the random draws.
    """
    random = np.random.RandomState(seed)

    def one(words: Sequence[str]) -> str:
        # The first words of a class are more frequent: real word frequencies are skewed too.
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
