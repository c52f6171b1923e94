"""Translate sentences with a trained model."""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from raysq.errors import UsageError
from raysq.problems.translation.dictionary import Dictionary
from raysq.problems.translation.sentences import Language
from raysq.problems.translation.settings import TranslationSettings
from raysq.problems.translation.vocabulary import FIRST, UNKNOWN, TranslationVocabulary

BEAM = 4
_CHUNK = 4096  # number of sentences tokenized at a time

Unknown = Literal["never", "copy"]


@dataclass(frozen=True)
class TranslatedSentence:
    """A sentence and its translation.

    Attributes:
        source: words of the source sentence, truncated to the model's maximum length; characters or subwords where
            the model reads those.
        words: words of the translation, in the same way.
        text: the translation.
        score: mean log probability of a word, at most 0; NaN for a sentence without words.
        remark: a reason why the translation is unreliable, or None.
        attention_weights: float32 of shape `(words, source)`; None for models without attention.
    """

    source: list[str]
    words: list[str]
    text: str
    score: float
    remark: str | None = None
    attention_weights: np.ndarray | None = None


class SentenceTranslator:
    """A model with everything it needs to translate.

    Args:
        model: the Keras model.
        settings: resolved settings.
        languages: tokenizers of source and target.
        vocabularies: the vocabularies of source and target.
    """

    def __init__(
        self,
        model: Any,
        settings: TranslationSettings,
        languages: tuple[Language, Language],
        vocabularies: tuple[TranslationVocabulary, TranslationVocabulary],
    ) -> None:
        from raysq.problems.translation.decoder import Decoder

        self._source_language, self._target_language = languages
        self._source, self._target = vocabularies
        self._reversed = settings.reversed
        self._width, self._positions = settings.lengths
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
    ) -> list[TranslatedSentence]:
        """Translate sentences. A translation does not depend on the other sentences of the call.

        Args:
            texts: source sentences. The translation of a sentence without words is empty.
            beam: number of hypotheses per sentence; 1 takes the most probable word at every step.
            penalty: hypotheses are ranked by their log probability divided by `length ** penalty`.
            unknown: "never" excludes unknown words. "copy" replaces an unknown word by the source word with the
                highest attention weight. It requires a model with attention or the word-by-word baseline.
            progress: called with the number of sentences translated since the last call.

        Raises:
            UsageError: `beam` is out of range, or `unknown` is "copy" and the model has no attention.
        """
        if not 1 <= beam <= self._target.size // 2:
            raise UsageError(
                f"beam must be from 1 to {self._target.size // 2}, half the target's words; received {beam}"
            )
        if unknown == "copy" and self._decoder is not None and not self._decoder.attends:
            raise UsageError("unknown words are copied from where a model with attention looks; this one has none")
        translations: list[TranslatedSentence] = []
        for begin in range(0, len(texts), _CHUNK):
            chunk = texts[begin : begin + _CHUNK]
            translations += self._translate_chunk(chunk, beam, penalty, unknown == "copy", progress or (lambda _: None))
        return translations

    def _translate_chunk(
        self, texts: Sequence[str], beam: int, penalty: float, copy: bool, progress: Callable[[int], None]
    ) -> list[TranslatedSentence]:
        from raysq.problems.translation.beam import SENTENCES

        codes, offsets, distinct = self._source_language.words(pa.array(texts, pa.large_string()))
        if self._source.subwords is not None:
            codes, offsets, distinct = self._source.subwords.split_texts(codes, offsets, distinct)
        ids_by_code, word_by_code = self._source.ids(distinct), distinct.to_pylist()
        bounds = list(itertools.pairwise(offsets.tolist()))
        sentences = [codes[begin:end][: self._width].tolist() for begin, end in bounds]
        results = [TranslatedSentence([], [], "", float("nan"), "no words")] * len(texts)
        # Batches of similar lengths: a batch takes as many steps as its longest translation.
        order = sorted((row for row, sentence in enumerate(sentences) if sentence), key=lambda row: len(sentences[row]))
        progress(len(texts) - len(order))
        for first in range(0, len(order), SENTENCES):
            rows = order[first : first + SENTENCES]
            ids = [ids_by_code[sentences[row]].tolist() for row in rows]
            words = [[word_by_code[code] for code in sentences[row]] for row in rows]
            if self._dictionary is not None:
                batch = self._by_words(ids, words, copy)
            else:
                batch = self._search(ids, words, beam, penalty, copy)
            for row, sentence_ids, translation in zip(rows, ids, batch, strict=True):
                begin, end = bounds[row]
                remarks = [*self._source_remarks(sentence_ids, end - begin), translation.remark]
                text = "; ".join(remark for remark in remarks if remark)
                results[row] = dataclasses.replace(translation, remark=text or None)
            progress(len(rows))
        return results

    def _source_remarks(self, ids: list[int], length: int) -> list[str]:
        remarks = []
        if length > self._width:
            remarks.append(f"cut to its first {self._width} of {length:,} {self._source_language.unit}")
        if not any(word >= FIRST for word in ids):
            remarks.append("no known words")
        elif UNKNOWN in ids:
            remarks.append("unknown words")
        return remarks

    def _search(
        self, ids: list[list[int]], words: list[list[str]], beam: int, penalty: float, copy: bool
    ) -> list[TranslatedSentence]:
        from raysq.problems.translation.beam import search

        assert self._decoder is not None
        source = np.zeros((len(ids), self._width), np.int32)
        for row, sentence in enumerate(ids):
            source[row, self._width - len(sentence) :] = sentence[::-1] if self._reversed else sentence
        results = []
        hypotheses = search(self._decoder, source, self._positions, beam, penalty, copy)
        for hypothesis, source_words in zip(hypotheses, words, strict=True):
            weights = hypothesis.attention_weights
            if weights is not None:
                weights = weights[:, self._width - len(source_words) :]
                weights = weights[:, ::-1] if self._reversed else weights
            target_words = [self._target.word(word) for word in hypothesis.words]
            if copy and weights is not None:
                for position, word in enumerate(hypothesis.words):
                    if word == UNKNOWN:
                        target_words[position] = source_words[int(weights[position].argmax())]
            remark = None if hypothesis.ended else f"not ended after {self._positions} words"
            if not hypothesis.words:
                remark = "the model has nothing to say"
            text = self._target_language.sentence(self._target.whole_words(target_words))
            results.append(TranslatedSentence(source_words, target_words, text, hypothesis.score, remark, weights))
        return results

    def _by_words(self, ids: list[list[int]], words: list[list[str]], copy: bool) -> list[TranslatedSentence]:
        assert self._dictionary is not None
        results = []
        for sentence, source_words in zip(ids, words, strict=True):
            log_shares, target_words = [], []
            for word, source_word in zip(sentence, source_words, strict=True):
                if word == UNKNOWN and copy:
                    target_words.append(source_word)
                elif self._dictionary.best[word]:
                    target_words.append(self._target.word(int(self._dictionary.best[word])))
                    log_shares.append(np.log(self._dictionary.share[word]))
            score = float(np.mean(log_shares)) if log_shares else float("nan")
            text = self._target_language.sentence(self._target.whole_words(target_words))
            results.append(TranslatedSentence(source_words, target_words, text, score))
        return results


def dictionary_of(model: Any) -> Dictionary | None:
    """Return the dictionary of the word-by-word baseline; None for any other model."""
    if model.name != "word_by_word":
        return None
    if any(layer.name == "dictionary" for layer in model.layers):  # during training
        layer = model.get_layer("dictionary")
        best, share, unigrams = (getattr(layer, name).numpy() for name in ("best", "share", "unigrams"))
        return Dictionary(best, share, unigrams, layer.ending)
    tables = (model.get_layer(f"dictionary_{name}") for name in ("best", "share", "unigrams", "ending"))
    best, share, unigrams, ending = (table.embeddings.numpy().ravel() for table in tables)
    return Dictionary(best.astype(np.int32), share, unigrams, float(ending[0]))
