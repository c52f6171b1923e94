"""Translate sentences with a trained model."""

import itertools
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from raysq.errors import UsageError
from raysq.problems.translation.dictionary import Dictionary
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.vocabulary import FIRST, UNKNOWN, Words, read

BEAM = 4
_CHUNK = 4096  # number of sentences tokenized at a time

Unknown = Literal["never", "copy"]


@dataclass(frozen=True)
class Translation:
    """A sentence and its translation.

    Attributes:
        source: words of the source sentence, truncated to the model's maximum length.
        words: words of the translation.
        text: the translation.
        score: mean log probability of a word, at most 0; NaN for a sentence without words.
        remark: a reason why the translation is unreliable, or None.
        looked: attention weights, float32 of shape `(words, source)`; None for models without attention.
    """

    source: list[str]
    words: list[str]
    text: str
    score: float
    remark: str | None = None
    looked: np.ndarray | None = None


class Translator:
    """A model with everything it needs to translate.

    Args:
        facts: the run's metadata.
        settings: the run's settings.
        model: the Keras model.
        words: the vocabularies of source and target.
    """

    def __init__(
        self, facts: Mapping[str, Any], settings: TranslationSettings, model: Any, words: tuple[Words, Words]
    ) -> None:
        from raysq.problems.translation.decoder import Decoder

        self._source, self._target = words
        self._languages = [Language.of(facts["preprocessor"], side) for side in ("source", "target")]
        self._reversed = settings.reversed
        assert settings.max_source is not None
        assert settings.max_target is not None
        self._width, self._positions = settings.max_source, settings.max_target + 1
        self._dictionary = dictionary_of(model)
        self._decoder = Decoder(model, self._width, self._positions) if self._dictionary is None else None

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam: int = BEAM,
        penalty: float = 1.0,
        unknown: Unknown = "never",
        progress: Callable[[int], None] | None = None,
    ) -> list[Translation]:
        """Translate sentences. A translation does not depend on the other sentences of the call.

        Args:
            texts: source sentences. The translation of a sentence without words is empty.
            beam: number of hypotheses per sentence; 1 takes the most probable word at every step.
            penalty: hypotheses are ranked by their log probability divided by `length ** penalty`.
            unknown: "never" excludes unknown words. "copy" replaces an unknown word by the source word with the
                highest attention weight. It requires a model with attention or the word-by-word baseline.
            progress: called with the number of sentences translated since the last call.

        Raises:
            UsageError: if `beam` is out of range, or `unknown` is "copy" and the model has no attention.
        """
        if not 1 <= beam <= self._target.count // 2:
            raise UsageError(
                f"beam must be from 1 to {self._target.count // 2}, half the target's words; received {beam}"
            )
        if unknown == "copy" and self._decoder is not None and not self._decoder.attends:
            raise UsageError("unknown words are copied from where a model with attention looks; this one has none")
        found: list[Translation] = []
        for low in range(0, len(texts), _CHUNK):
            found += self._chunk(
                texts[low : low + _CHUNK], beam, penalty, unknown == "copy", progress or (lambda _: None)
            )
        return found

    def _chunk(
        self, texts: Sequence[str], beam: int, penalty: float, copy: bool, progress: Callable[[int], None]
    ) -> list[Translation]:
        codes, offsets, distinct = self._languages[0].words(pa.array(texts, pa.large_string()))
        known = self._source.ids(distinct)
        spelled = distinct.to_pylist()
        sentences = [codes[a:b].tolist() for a, b in itertools.pairwise(offsets.tolist())]
        cut = [sentence[: self._width] for sentence in sentences]
        found: list[Translation | None] = [None] * len(texts)
        # Batches of similar lengths: a batch takes as many steps as its longest translation.
        order = sorted((row for row, words in enumerate(cut) if words), key=lambda row: len(cut[row]))
        progress(len(texts) - len(order))
        for row, words in enumerate(cut):
            if not words:
                found[row] = Translation([], [], "", float("nan"), "no words")
        step = self._size
        for low in range(0, len(order), step):
            rows = order[low : low + step]
            ids = [known[cut[row]].tolist() for row in rows]
            words = [[spelled[code] for code in cut[row]] for row in rows]
            results = (
                self._by_words(ids, words, copy) if self._dictionary else self._search(ids, words, beam, penalty, copy)
            )
            for row, own, one in zip(rows, ids, results, strict=True):
                remarks = []
                if len(sentences[row]) > self._width:
                    remarks.append(f"cut to its first {self._width} of {len(sentences[row]):,} words")
                if not any(word >= FIRST for word in own):
                    remarks.append("no known words")
                elif UNKNOWN in own:
                    remarks.append("unknown words")
                if one.remark:
                    remarks.append(one.remark)
                found[row] = Translation(
                    one.source, one.words, one.text, one.score, "; ".join(remarks) or None, one.looked
                )
            progress(len(rows))
        return [one for one in found if one is not None]

    @property
    def _size(self) -> int:
        from raysq.problems.translation.beam import SENTENCES

        return SENTENCES

    def _search(
        self, ids: list[list[int]], words: list[list[str]], beam: int, penalty: float, copy: bool
    ) -> list[Translation]:
        from raysq.problems.translation.beam import search

        assert self._decoder is not None
        source = np.zeros((len(ids), self._width), np.int32)
        for row, own in enumerate(ids):
            source[row, self._width - len(own) :] = own[::-1] if self._reversed else own
        results = []
        for one, spelled in zip(
            search(self._decoder, source, self._positions, beam, penalty, copy), words, strict=True
        ):
            looked = one.looked
            if looked is not None:
                looked = looked[:, self._width - len(spelled) :]
                looked = looked[:, ::-1] if self._reversed else looked
            written = [self._target.word(word) for word in one.words]
            if copy and looked is not None:
                for place, word in enumerate(one.words):
                    if word == UNKNOWN:
                        written[place] = spelled[int(looked[place].argmax())]
            remark = None if one.ended else f"not ended after {self._positions} words"
            if not one.words:
                remark = "the model has nothing to say"
            results.append(
                Translation(spelled, written, self._languages[1].sentence(written), one.score, remark, looked)
            )
        return results

    def _by_words(self, ids: list[list[int]], words: list[list[str]], copy: bool) -> list[Translation]:
        assert self._dictionary is not None
        results = []
        for own, spelled in zip(ids, words, strict=True):
            shares, written = [], []
            for word, source in zip(own, spelled, strict=True):
                if word == UNKNOWN and copy:
                    written.append(source)
                elif self._dictionary.best[word]:
                    written.append(self._target.word(int(self._dictionary.best[word])))
                    shares.append(np.log(self._dictionary.share[word]))
            score = float(np.mean(shares)) if shares else float("nan")
            results.append(Translation(spelled, written, self._languages[1].sentence(written), score))
        return results


def dictionary_of(model: Any) -> Dictionary | None:
    """Return the dictionary of the word-by-word baseline; None for any other model."""
    if model.name != "word_by_word":
        return None
    if any(layer.name == "dictionary" for layer in model.layers):  # during training, and in older exports
        layer = model.get_layer("dictionary")
        best, share, unigrams = (getattr(layer, name).numpy() for name in ("best", "share", "unigrams"))
        return Dictionary(best, share, unigrams, layer.ending)
    tables = (model.get_layer(f"dictionary_{name}") for name in ("best", "share", "unigrams", "ending"))
    best, share, unigrams, ending = (table.embeddings.numpy().ravel() for table in tables)
    return Dictionary(best.astype(np.int32), share, unigrams, float(ending[0]))


# Cached per model, because a translator holds functions compiled for it.
_made: "weakref.WeakKeyDictionary[Any, Translator]" = weakref.WeakKeyDictionary()


def translator(facts: Mapping[str, Any], settings: TranslationSettings, model: Any, assets: Path | None) -> Translator:
    """Return the translator of a run's model, creating it once per model.

    Args:
        facts: the run's metadata.
        settings: the run's settings.
        model: the Keras model.
        assets: folder with the vocabularies of both languages.

    Raises:
        DataError: if the vocabularies are missing.
    """
    if model not in _made:
        _made[model] = Translator(facts, settings, model, read(assets, facts))
    return _made[model]
