"""What predictions need beside a run's facts: the words of its ids, written with its model."""

from raysq.kinds.classify.examples import documents
from raysq.kinds.classify.ids import FILE
from raysq.kinds.classify.settings import TextSettings
from raysq.shards import Dataset


def write(dataset: Dataset, settings: TextSettings) -> dict[str, bytes]:
    """The files of a run's assets; `ids.Vocabulary.read` reads them.

    Returns:
        `vocabulary.txt`: a line for each id, in order of rank, of its words, parted by a space; backslash, line breaks
        and spaces inside a word are escaped. It is empty where ids are hashes.
    """
    lines = documents(dataset, settings).vocabulary.lines()
    return {FILE: "".join(f"{line}\n" for line in lines).encode()}
