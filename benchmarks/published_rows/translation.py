"""Rows of translation, on the 50,000 pairs of small_parallel_enja and its 500 test pairs.

The published figure is that of a public attention model, about 37 BLEU; neither its beam nor its tokenizer is known.
"""

from published_rows.row import Data, Row

PAIRS = Data("translation", "parallel_enja", {"source": "ja", "target": "en"})
SHORT = {"epochs": 7, "batch_size": 64, "learning_rate": 0.002, "xla": "false"}

ROWS = [
    Row(
        "translation",
        "Japanese to English",
        "7 epochs",
        PAIRS,
        "transformer",
        "test_bleu_beam5",
        37,
        settings=SHORT,
        seeds=(0,),
    )
]
