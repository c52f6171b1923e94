"""The two passes over pairs: words of both sides of each piece first, rows of the common vocabularies then.

As in `raysq.corpus.survey`, the first pass reads and tokenises once and leaves the rows in the scratch folder with
words numbered as each table meets them; the second looks the numbers up.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raysq.columns import one_array
from raysq.corpus import scratch
from raysq.corpus.scratch import Slice
from raysq.corpus.vocabulary import Vocabulary, look_up, tally
from raysq.kinds.kind import Settled

if TYPE_CHECKING:
    from raysq.kinds.pairs.prepare import PairPreparation

Note = dict[str, Any]

SIDES = ("source", "target")
_NAMED = 5  # pairs that a note names
_PARTS = 3  # train, test, validation


@dataclass(frozen=True)
class Look:
    """Tokenises the pairs of a piece and leaves them in the scratch folder."""

    settings: "PairPreparation"
    scratch: Path

    def __call__(self, number: int, piece: Any) -> Iterator[Note]:
        for block, (table, note) in enumerate(self.settings.read(piece)):
            if table.num_rows:
                yield self._block(f"{number:06d}-{block:05d}", table.combine_chunks(), note)

    def _block(self, name: str, table: pa.Table, note: Note) -> Note:
        ids = table.column("id")
        sides = [
            language.words(one_array(table.column(side)))
            for side, language in zip(SIDES, self.settings.languages, strict=True)
        ]
        lengths = [np.diff(offsets) for _, offsets, _ in sides]
        whole = (lengths[0] > 0) & (lengths[1] > 0)
        empty = ids.filter(pa.array(~whole)).to_pylist()
        texts = {side: table.column(side).filter(pa.array(whole)).combine_chunks() for side in SIDES}
        keys = _keys(texts["source"])
        said = table.column("part").to_numpy()[whole]
        drawn = (keys < self.settings.test * 2.0**32).astype(np.int8)
        part = np.where(said >= 0, said, drawn).astype(np.int8)
        counted = whole.copy()
        counted[whole] = part == 0
        columns: dict[str, Any] = {}
        for side, (codes, offsets, words) in zip(SIDES, sides, strict=True):
            counts, first = tally(codes, offsets, len(words), counted)
            codes = codes[np.repeat(whole, np.diff(offsets))]
            offsets = np.concatenate([[0], np.cumsum(np.diff(offsets)[whole])]).astype(np.int64)
            columns[f"{side}_tokens"] = pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(codes))
            scratch.write_words(self.scratch, f"{name}.{side}", words, counts, first)
        ids = ids.filter(pa.array(whole)).combine_chunks()
        columns |= {"part": pa.array(part), "key": pa.array(keys), "id": ids, **texts}
        scratch.write(self.scratch / f"{name}.rows", pa.table(columns))
        known = [one[whole] for one in lengths]
        return {
            "pairs": note["pairs"],
            **{name: _named(note[name]) for name in ("undecodable", "uneven")},
            "empty": _named(empty),
            "block": name,
            "rows": len(part),
            "parts": np.bincount(part, minlength=_PARTS).tolist(),
            "said": int((said >= 0).sum()),
            "tokens": [int(one.sum()) for one in known],
            "longest": [int(one[part == 0].max(initial=0)) for one in known],
        }


@dataclass(frozen=True)
class Rows:
    """Reads the rows of a shard from what the first pass left."""

    scratch: Path

    def __call__(self, shard: list[Slice]) -> pa.Table:
        ranks = {side: scratch.read_array(self.scratch / f"{side}.ranks") for side in SIDES}
        return pa.concat_tables([self._slice(part, ranks) for part in shard])

    def _slice(self, part: Slice, ranks: dict[str, np.ndarray]) -> pa.Table:
        table = scratch.read(self.scratch / f"{part.block}.rows")
        table = table.slice(part.begin, part.end - part.begin).combine_chunks()
        for place, side in enumerate(SIDES):
            tokens = table.column(f"{side}_tokens").chunk(0)
            offsets = tokens.offsets.to_numpy()
            codes = tokens.values.to_numpy()[offsets[0] : offsets[-1]]
            words = ranks[side][scratch.read_places(self.scratch, f"{part.block}.{side}")]
            found = pa.LargeListArray.from_arrays(pa.array(offsets - offsets[0]), pa.array(look_up(words, codes)))
            table = table.set_column(place, f"{side}_tokens", found)
        return table


class PairSurvey:
    """Merges what was seen in the pieces, in order; see `raysq.kinds.kind.Survey`."""

    def __init__(self, settings: "PairPreparation", scratch: Path) -> None:
        self.look = Look(settings, scratch)
        self._settings = settings
        self._scratch = scratch
        self._vocabularies = {side: Vocabulary() for side in SIDES}
        self._blocks: list[tuple[str, int]] = []

    def add(self, number: int, notes: list[Note]) -> None:
        """Takes in the words of a piece."""
        for note in notes:
            name = note["block"]
            for side in SIDES:
                scratch.add_words(self._scratch, f"{name}.{side}", self._vocabularies[side])
            self._blocks.append((name, note["rows"]))

    def settle(self, shard_rows: int) -> Settled:
        """The vocabularies, and the slices of each shard."""
        extras = {}
        for side in SIDES:
            scratch.end_words(self._scratch, self._vocabularies[side])
            table, rows = self._vocabularies[side].sorted()
            scratch.write_array(self._scratch / f"{side}.ranks", rows)
            extras[f"{side}_vocabulary"] = table
        shards = scratch.share_out(self._blocks, shard_rows)
        found: Note = {
            "words": [extras[f"{side}_vocabulary"].num_rows for side in SIDES],
            "shared": self._shared(),
        }
        return Settled(Rows(self._scratch), shards, extras, found, scratch.Spent(self._scratch, shards))

    def _shared(self) -> int:
        """Pairs of the test part whose source sentence the train part has as well."""
        train, test = [np.empty(0, np.uint32)], [np.empty(0, np.uint32)]
        for name, _ in self._blocks:
            table = scratch.read(self._scratch / f"{name}.rows")
            keys, part = table.column("key").to_numpy(), table.column("part").to_numpy()
            train.append(keys[part == 0])
            test.append(keys[part == 1])
        return int(np.isin(np.concatenate(test), np.concatenate(train)).sum())


def _named(ids: list[str]) -> Note:
    return {"count": len(ids), "names": ids[:_NAMED]}


def _keys(texts: pa.Array) -> np.ndarray:
    """CRC-32 of each sentence in lower case, without spaces around it: what a reader would call the same one."""
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(texts)).cast(pa.large_binary()).to_pylist()
    return np.fromiter(map(zlib.crc32, folded), np.uint32, len(folded))
