"""What a run needs of its words once its data set is gone: the words of its ids and how often they occur."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raysq.errors import DataError
from raysq.kinds.vectors.settings import VectorSettings
from raysq.kinds.vectors.stream import streams
from raysq.shards import Dataset

FILE = "words.json"


def write(dataset: Dataset, settings: VectorSettings) -> dict[str, bytes]:
    """The files of a run's assets: `words.json` with `words` and `counts` of the ids from 1 on."""
    found = streams(dataset, settings)
    values = {"words": found.words[1:], "counts": found.counts[1:].tolist()}
    return {FILE: json.dumps(values, ensure_ascii=False).encode()}


def words(facts: Mapping[str, Any], settings: VectorSettings, assets: Path) -> list[str]:
    """The word of each id, "" for 0.

    Raises:
        DataError: the file is not there, or is not that of the run.
    """
    path = Path(assets) / FILE
    try:
        found = json.loads(path.read_bytes())["words"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} cannot be read ({error}); train the run again with --fresh") from None
    if len(found) != facts["words"]:
        raise DataError(
            f"{path} has {len(found):,} words, its run was trained with {facts['words']:,}; train it again with --fresh"
        )
    return ["", *found]
