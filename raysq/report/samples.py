"""Samples of what a model makes, as tables over the epochs of training."""

from collections.abc import Sequence

import numpy as np

from raysq.problems.charts import Table
from raysq.problems.samples import in_a_line
from raysq.report.markup import Markup
from raysq.report.sections import part
from raysq.report.tables import draw_table
from raysq.training.run_files import EpochSamples

_MOST = 20  # epochs in a table


def sample_tables(epochs: Sequence[EpochSamples]) -> list[Table]:
    """Return a table for each sample, with a row for each epoch, or for some of many."""
    if not epochs:
        return []
    chosen = [epochs[index] for index in np.unique(np.linspace(0, len(epochs) - 1, _MOST).astype(int)).tolist()]
    tables = []
    texts = [{sample["title"]: sample["text"] for sample in each["samples"]} for each in chosen]
    for sample in epochs[-1]["samples"]:
        made = [(each["epoch"], of_epoch.get(sample["title"])) for each, of_epoch in zip(chosen, texts, strict=True)]
        rows = [[str(epoch), in_a_line(text)] for epoch, text in made if text is not None]
        if sample["expected"] is not None:
            rows.append(["expected", in_a_line(sample["expected"])])
        tables.append(Table(["epoch", "sample"], rows, sample["title"]))
    return tables


def samples_part(epochs: Sequence[EpochSamples], *, level: int = 2) -> Markup | None:
    """Return the tables of the samples, or None without any."""
    tables = sample_tables(epochs)
    if not tables:
        return None
    note = "Made from the same inputs with the weights after an epoch; 0 is before training."
    return part("Samples by epoch", *map(draw_table, tables), note=note, level=level)
