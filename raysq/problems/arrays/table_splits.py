"""Train, validation and test rows of a table: by parts of the source, by a checksum, or within each class."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.arrays.encode import TARGET
from raysq.problems.arrays.settings import NOUNS, TableSettings
from raysq.problems.splits import SplitRows, has_own_validation, split_labeled_rows


def table_splits(dataset: Dataset, settings: TableSettings, observed: np.ndarray, target: str, kind: str) -> SplitRows:
    """Return the rows of each split, without those that have no target.

    Args:
        dataset: prepared table.
        settings: settings of the split.
        observed: whether each row has a target.
        target: name of the first target.
        kind: kind of this target.

    Raises:
        DataError: a split has no rows, or rows cannot be stratified.
    """
    own, labels = has_own_validation(dataset), None
    if settings.val_selection == "stratified" and not own:
        if kind != "class":
            raise DataError(f"val_selection=stratified needs classes, and target {target!r} is a number")
        labels = dataset.column(TARGET + target).slice(0, dataset.rows)
    split = split_labeled_rows(dataset, settings, labels, *NOUNS)
    kept = SplitRows(*(rows[observed[rows]] for rows in (split.train, split.val, split.test)))
    for name in ("train", "val"):
        if not len(getattr(kept, name)):
            raise DataError(f"no row of the {name} split has a target")
    return kept
