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
    lines = sentences(count)
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for begin in range(0, count, _TOGETHER):
            file.write(json.dumps({"text": " ".join(lines[begin : begin + _TOGETHER])}) + "\n")
    return path


def sentences(count: int, seed: int = 0) -> list[str]:
    """Return synthetic sentences.

    Args:
        count: number of sentences. A larger count adds sentences at the end and leaves the first ones unchanged.
        seed: seed of the random draws.
    """
    random = np.random.RandomState(seed)

    def draw(words: Sequence[str]) -> str:
        # The first words of a class are more frequent: real word frequencies are skewed too.
        return words[int(len(words) * random.random_sample() ** 1.5)]

    def draw_from(name: str) -> str:
        return draw(CLASSES[name])

    def person() -> str:
        pair = PAIRS[random.randint(len(PAIRS))]
        side = random.randint(2)
        own = ("his", "her")[side]
        who = ("he", "she")[side]
        deed = draw(_DEEDS[pair[0]])
        return f"the {pair[side]} {deed} and {who} {draw(_MENDS)} {own} {draw_from('tool')}"

    makers: tuple[Callable[[], str], ...] = (
        lambda: f"the {draw_from('color')} {draw_from('animal')} {draw(_MOVES)} in the {draw_from('place')}",
        lambda: f"a {draw_from('animal')} {draw(_EATS)} {draw_from('food')} near the {draw_from('place')}",
        lambda: f"in {draw_from('season')} she {draw(_MAKES)} {draw_from('food')} and {draw_from('food')}",
        lambda: f"every {draw_from('season')} the {draw_from('place')} turns {draw_from('color')}",
        person,
        person,
    )
    return [makers[random.randint(len(makers))]().capitalize() + "." for _ in range(count)]
