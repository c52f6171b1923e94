"""Built-in synthetic reviews: a JSONL file with texts and labels, for a first run without data."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from raysq.problems.sample_size import sample_length
from raysq.storage.atomic import atomic_write

VERSION = 1  # incremented when the same count would give other texts
DEFAULT = "4000"
CLASSES = ("neg", "pos")

_FEWEST, _MOST = 50, 200_000
_TESTED = 5  # every fifth document belongs to the test part
_AGREES = 0.83  # share of the opinions that agree with the review's class
_NEGATED = 0.2  # share of the opinions that are expressed as the negated opposite


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_OPINIONS = (
    _listed("""awful boring dull weak lazy flat bland clumsy tired stale shallow messy noisy empty cheap silly painful
    dreary wooden forced predictable confusing pointless annoying lifeless sloppy tedious ugly hollow bad"""),
    _listed("""great moving clever strong fresh funny bright gentle tender sharp lively rich warm honest elegant
    thrilling charming graceful gripping original witty beautiful brave superb touching vivid memorable smart lovely
    good"""),
)
_ASPECTS = _listed("""acting script plot music ending cast camera dialogue story pace direction humour opening score
    editing costume lighting scenery hero villain sound romance chase dancing voice""")
_ADVERBS = ("", "", "", "really", "quite", "so", "rather", "very", "truly", "surprisingly")
_NEGATIONS = ("not", "never", "hardly")
_PEOPLE = _listed("""director writer actor actress captain doctor detective teacher soldier farmer brother sister mother
    father stranger neighbour friend lawyer driver singer painter thief king child""")
_VERBS = _listed("""follows meets leaves finds loses forgets visits helps fights marries watches hears saves betrays
    remembers drives calls blames joins teaches calms cheats hires invites misses paints""")
_PLACES = _listed("""city village island forest hospital school station harbour castle theatre desert kitchen garden
    mountain prison museum river bridge hotel farm cave market temple tower tunnel valley""")
_TIMES = _listed("yesterday later tonight again twice once early slowly suddenly finally quietly together alone")


def sample(directory: Path, spec: str = "") -> Path:
    """Write synthetic reviews, or return the existing file.

    The same number of reviews gives the same file on every machine. Most opinions of a review agree with its class, so
    a model can learn but cannot reach perfect accuracy. Some opinions are the negated opposite, so word order carries
    information that word counts lack.

    Args:
        directory: folder for the file.
        spec: number of reviews, such as "2000"; 4000 if empty.

    Returns:
        Path of a JSONL file with `text`, `label` ("neg" or "pos") and `split` ("train", or "test" for every fifth).

    Raises:
        UsageError: `spec` is not a number of documents in the allowed range.
        SourceError: the directory cannot be written.
    """
    count = sample_length(spec, DEFAULT, "documents", _FEWEST, _MOST)
    path = Path(directory) / f"sample-{count}-v{VERSION}.jsonl"
    if path.exists():
        return path
    with atomic_write(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for number, (text, label) in enumerate(reviews(count)):
            part = "test" if number % _TESTED == _TESTED - 1 else "train"
            file.write(json.dumps({"text": text, "label": label, "split": part}) + "\n")
    return path


def reviews(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return synthetic reviews and their labels.

    Args:
        count: number of reviews; a smaller count gives a prefix of a larger one.
        seed: random seed.
    """
    random = np.random.RandomState(seed)

    def pick(words: Sequence[str]) -> str:
        return words[random.randint(len(words))]

    def opinion(label: int) -> str:
        side = label if random.random_sample() < _AGREES else 1 - label
        negated = random.random_sample() < _NEGATED
        # The power skews the draw toward the first words of the list, as frequencies in real text are skewed.
        word = _OPINIONS[1 - side if negated else side][int(len(_OPINIONS[0]) * random.random_sample() ** 1.5)]
        adverb = pick(_NEGATIONS if negated else _ADVERBS)
        return f"the {pick(_ASPECTS)} was {adverb} {word}" if random.randint(2) else f"{adverb} {word} {pick(_ASPECTS)}"

    def event() -> str:
        return f"the {pick(_PEOPLE)} {pick(_VERBS)} the {pick(_PEOPLE)} in the {pick(_PLACES)} {pick(_TIMES)}"

    texts = []
    for _ in range(count):
        label = random.randint(2)
        parts = [opinion(label) for _ in range(random.randint(2, 9))]
        parts += [event() for _ in range(random.randint(0, 5))]
        random.shuffle(parts)
        text = " ".join(" ".join(part.split()).capitalize() + pick((".", ".", ".", "!")) for part in parts)
        texts.append((text, CLASSES[label]))
    return texts
