"""Rows of translation, on the 50,000 pairs of small_parallel_enja and its 500 test pairs.

The published figure is that of a public attention model, about 37 BLEU; neither its beam nor its tokenizer is known.
"""

from published_rows.row import Data, Row

PAIRS = Data("translation", "parallel_enja", {"source": "ja", "target": "en"})
SUBWORDS = Data(
    "translation", "parallel_enja", {"source": "ja", "target": "en", "level": "subword", "vocab_size": 4000}
)
WHAT, BLEU = "Japanese to English", "test_bleu_beam5"
FIVE = {"epochs": 5, "learning_rate": 0.0015, "xla": "false"}
SEVEN = {"epochs": 7, "batch_size": 64, "learning_rate": 0.002, "xla": "false"}
_SHARED = "one seed; its two cores were shared with some twenty other processes"

ROWS = [
    Row(
        "translation",
        WHAT,
        "transformer, 5 epochs",
        PAIRS,
        "transformer",
        BLEU,
        37,
        settings=FIVE,
        seeds=(0,),
        note=_SHARED,
    ),
    Row(
        "translation",
        WHAT,
        "transformer, 7 epochs",
        PAIRS,
        "transformer",
        BLEU,
        37,
        settings=SEVEN,
        seeds=(0,),
        note=_SHARED,
    ),
    Row("translation", WHAT, "transformer", PAIRS, "transformer", BLEU, 37),
    Row("translation", WHAT, "transformer, subwords", SUBWORDS, "transformer", BLEU, 37),
]
