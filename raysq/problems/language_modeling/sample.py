"""Built-in synthetic stories: a plain text file, for a first run without data."""

from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # incremented when the same count would give other texts
DEFAULT = "2000"

_FEWEST, _MOST = 50, 200_000
_PARAGRAPH = 5  # sentences
_WIDTH = 72  # characters of a line


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


# Person, pronoun, possession, home. Late words of a sentence depend on its beginning, so that a model with memory
# outperforms one that uses the last word only.
_PEOPLE = (
    ("queen", "her", "crown", "palace"),
    ("king", "his", "sword", "castle"),
    ("fisher", "his", "boat", "harbour"),
    ("baker", "her", "bread", "village"),
    ("miller", "his", "flour", "mill"),
    ("gardener", "her", "roses", "garden"),
    ("shepherd", "his", "flock", "mountain"),
    ("painter", "her", "colours", "city"),
    ("smith", "his", "hammer", "forge"),
    ("sailor", "her", "compass", "sea"),
)
_MANNERS = _listed("slowly quietly early often never always sadly gladly suddenly alone")
_VERBS = _listed("walked came went rode ran travelled")
_PLACES = _listed("forest river bridge market church tower well crossroads meadow inn")
_TIMES = ("in the morning", "at noon", "in the evening", "at night", "in winter", "in spring", "before the rain")
_FEELINGS = _listed("tired happy hungry cold proud afraid lonely merry")
_SPEECH_VERBS = _listed("said cried whispered sang thought")
_QUESTIONS = ("Who has seen", "Where is", "Who will carry", "What became of", "Why does nobody want")


def sample(directory: Path, spec: str = "") -> Path:
    """Write synthetic stories, or return the existing file.

    The same number of sentences gives the same file on every machine.

    Args:
        directory: folder for the file.
        spec: number of sentences, such as "1000"; 2000 if empty.

    Returns:
        Path of a plain text file with five sentences per paragraph.

    Raises:
        UsageError: `spec` is not a number of sentences in the allowed range.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "sentences", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.txt"
    if path.exists():
        return path
    sentences = stories(count)
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for low in range(0, count, _PARAGRAPH):
            file.write(_wrapped(" ".join(sentences[low : low + _PARAGRAPH])) + "\n\n")
    return path


def stories(count: int, seed: int = 0) -> list[str]:
    """Return synthetic sentences.

    Args:
        count: number of sentences; a smaller count gives a prefix of a larger one.
        seed: random seed.
    """
    random = np.random.RandomState(seed)

    def pick(words: tuple[str, ...]) -> str:
        return words[random.randint(len(words))]

    sentences = []
    for _ in range(count):
        # The power makes the first people more frequent than the last.
        who, whose, thing, home = _PEOPLE[int(len(_PEOPLE) * random.random_sample() ** 1.4)]
        way = f"{pick(_MANNERS)} {pick(_VERBS)} to the {pick(_PLACES)}"
        pattern = random.randint(4)
        if pattern == 0:
            text = f"the {who} {way} {pick(_TIMES)} with {whose} {thing}."
        elif pattern == 1:
            text = f"{pick(_TIMES)} the {who} {way} and then home to the {home}."
        elif pattern == 2:
            text = f"the {who} was {pick(_FEELINGS)} and {pick(_FEELINGS)} {pick(_TIMES)}, far away from the {home}."
        else:
            text = f"\u201c{pick(_QUESTIONS)} {whose} {thing}?\u201d {pick(_SPEECH_VERBS)} the {who} from the {home}."
        sentences.append(text[0].upper() + text[1:])
    return sentences


def _wrapped(text: str) -> str:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])
