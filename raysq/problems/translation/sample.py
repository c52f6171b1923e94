"""Built-in synthetic sentence pairs: English-like sentences and their translations into an invented language."""

from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # increment when the same number gives other pairs
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
    """Write synthetic sentence pairs, unless the file exists already. The same number gives the same pairs everywhere.

    The invented language has one word for every English word except articles. It puts the time first, the verb last and
    adjectives after their nouns, and marks the subject with an ending. A word-by-word dictionary therefore finds the
    right words in the wrong order.

    Args:
        directory: folder to write the file to.
        spec: number of pairs, such as "2000"; 8,000 when empty.

    Returns:
        The path of a text file. Each line holds a source and a target sentence, separated by a tab.

    Raises:
        UsageError: if `spec` is not a number of pairs.
        SourceError: if the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "pairs", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.txt"
    if path.exists():
        return path
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{source}\t{target}\n" for source, target in pairs(count))
    return path


def pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return synthetic sentences with their translations.

    Args:
        count: number of pairs. A larger count adds pairs at the end and leaves the first ones unchanged.
        seed: seed of the random draws.

    Returns:
        A list of `(source, target)`.
    """
    random = np.random.RandomState(seed)

    def draw(words: tuple[str, ...]) -> str:
        return words[random.randint(len(words))]

    def draw_noun() -> tuple[list[str], list[str]]:
        noun, adjectives = draw(_NOUNS), [draw(_ADJECTIVES)] if random.randint(2) else []
        if random.randint(4):
            return ["the", *adjectives, noun], [noun, *adjectives]
        number = draw(_NUMBERS)
        return [number, *adjectives, f"{noun}s"], [noun, *adjectives, number]

    sentences = []
    for _ in range(count):
        (subject, subject_words), (object_, object_words), verb = draw_noun(), draw_noun(), draw(_VERBS)
        time = [draw(_TIMES)] if random.randint(2) else []
        source = [*subject, verb, *object_, *time]
        target = [
            *map(_word, time),
            _word(subject_words[0]) + "a",
            *map(_word, [*subject_words[1:], *object_words, verb]),
        ]
        sentences.append((" ".join(source).capitalize() + ".", " ".join(target).capitalize() + "."))
    return sentences


def _word(english: str) -> str:
    """Return the invented word for an English word: its letters reversed, with other vowels and an ending."""
    return english[::-1].translate(str.maketrans("aeiou", "oiuea")) + "u"
