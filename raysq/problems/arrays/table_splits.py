"""Train, validation and test rows of a table: by parts of the source, by a checksum, or within each class."""

import numpy as np

from raysq.data.dataset import Dataset
from raysq.errors import DataError
from raysq.problems.arrays.encode import TARGET
from raysq.problems.arrays.settings import NOUNS, TableSettings
from raysq.problems.splits import SplitRows, split_amount, split_rows


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
    stratified = settings.val_selection == "stratified"
    selection = "hash" if stratified else settings.val_selection
    split = split_rows(dataset, settings.val, selection, None if stratified else settings.train_samples, *NOUNS)
    group = dataset.preprocessor_settings.get("group")
    own = bool((dataset.column("part").slice(0, dataset.rows) == 2).any())
    if group and not own and settings.val_selection != "hash":
        raise DataError(
            f"val_selection={settings.val_selection} would divide rows of one {group}, which stay together",
            hint="leave it out, or prepare the data without --group",
        )
    if stratified and not own:
        if kind != "class":
            raise DataError(f"val_selection=stratified needs classes, and target {target!r} is a number")
        split = _stratified(dataset, settings, split, target)
    kept = SplitRows(*(rows[observed[rows]] for rows in (split.train, split.val, split.test)))
    for name in ("train", "val"):
        if not len(getattr(kept, name)):
            raise DataError(f"no row of the {name} split has a target")
    return kept


def _stratified(dataset: Dataset, settings: TableSettings, split: SplitRows, target: str) -> SplitRows:
    """Return the same split with the share of validation rows taken within each class, by the rows' checksums."""
    rows = np.sort(np.concatenate([split.train, split.val]))
    amount = split_amount(settings.val, NOUNS[0])
    share = amount if isinstance(amount, float) else amount / len(rows)
    classes = dataset.column(TARGET + target).take(rows)
    keys = dataset.column("key").take(rows)
    train, val = [], []
    for number in np.unique(classes):
        members = rows[classes == number]
        of_class = keys[classes == number]
        order = np.argsort(of_class, kind="stable")
        members, of_class = members[order], of_class[order]
        count = round(share * len(members))
        if 0 < count < len(members):
            count = int(np.searchsorted(of_class, of_class[count - 1], side="right"))  # equal rows stay together
        val.append(members[:count])
        train.append(members[count:])
    training = np.concatenate(train)
    if settings.train_samples is not None:
        if settings.train_samples > len(training):
            raise DataError(f"train_samples={settings.train_samples} is more than the {len(training):,} rows to train")
        training = training[np.argsort(dataset.column("key").take(training), kind="stable")][: settings.train_samples]
    return SplitRows(np.sort(training), np.sort(np.concatenate(val)), split.test)
