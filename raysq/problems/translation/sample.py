"""Built-in synthetic pairs: English-like sentences and an invented language, for trying things out without any data."""

from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # raised when the same number would give other pairs
DEFAULT = "8000"

_FEWEST, _MOST = 50, 200_000


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_NOUNS = _listed(
    """king bird house teacher river book dog child garden letter doctor boat friend horse bridge song tree farmer city
    mirror baker stone lamp wolf"""
)
_ADJECTIVES = _listed("old red small quiet young heavy green clever golden tired")
_VERBS = _listed("sees finds helps follows hears likes draws leaves knows wants")
_TIMES = _listed("today yesterday often never again soon")
_NUMBERS = _listed("two three four five seven")


def sample(directory: Path, spec: str = "") -> Path:
    """Writes synthetic pairs, the same for the same number everywhere, or finds them written.

    The invented language has a word for every word but articles; it puts the time first, the verb last, adjectives
    behind their nouns, and marks who does something by another ending. So a dictionary has its words, not their order.

    Args:
        directory: where the file goes.
        spec: how many, such as "2000"; eight thousand when empty.

    Returns:
        A text file with a source and a target sentence in each line, parted by a tab.

    Raises:
        UsageError: not a number of pairs.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "pairs", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.txt"
    if path.exists():
        return path
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{source}\t{target}\n" for source, target in pairs(count))
    return path


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Synthetic sentences and their translations; the first ones are the same for any count."""
    random = np.random.RandomState(seed)

    def one(words: tuple[str, ...]) -> str:
        return words[random.randint(len(words))]

    def thing() -> tuple[list[str], list[str]]:
        noun, adjectives = one(_NOUNS), [one(_ADJECTIVES)] if random.randint(2) else []
        if random.randint(4):
            return ["the", *adjectives, noun], [noun, *adjectives]
        number = one(_NUMBERS)
        return [number, *adjectives, f"{noun}s"], [noun, *adjectives, number]

    found = []
    for _ in range(count):
        (who, doing), (what, done), verb = thing(), thing(), one(_VERBS)
        when = [one(_TIMES)] if random.randint(2) else []
        source = [*who, verb, *what, *when]
        target = [*map(_word, when), _word(doing[0]) + "a", *map(_word, doing[1:]), *map(_word, done), _word(verb)]
        found.append((" ".join(source).capitalize() + ".", " ".join(target).capitalize() + "."))
    return found


def _word(english: str) -> str:
    """The invented word for an English one: its letters from the end, other vowels, and an ending."""
    return english[::-1].translate(str.maketrans("aeiou", "oiuea")) + "u"
