"""Batch-time settings of tables."""

from dataclasses import dataclass
from typing import Annotated, Literal

from raysq.config import Range, check_ranges
from raysq.problems.class_weights import check_class_weight
from raysq.problems.setting_types import Count, OptionalCount
from raysq.problems.splits import check_sample_seed, split_amount

NOUNS = ("row", "row of inputs")  # nouns for an example, and for the content that equal examples share


@dataclass(frozen=True)
class TableSettings:
    """Batch-time settings of tables. A change does not require the data to be prepared again.

    Attributes:
        val: share or number of the rows outside the test part to validate on.
        val_selection: selection of the validation rows: "hash" by a checksum of the inputs or of the group, which keeps
            equal rows or groups together, "stratified" by the same checksum within each class of the first target, or
            the "first" or "last" rows.
        train_samples: number of rows to train on; None for all.
        sample_seed: seed with which these rows are drawn from those that train; None for the first.
        min_count: number of training rows below which a category is taken for an unknown one.
        maxlen: ids of a list that a model sees, the first ones.
        loss: loss of numbers: the squared error ("mse"), the absolute error ("mae"), or "huber", which is squared below
            one deviation.
        class_weight: weights of the training rows in the loss by class, such as "no=1,yes=5", or "balanced" for the
            inverse of each class's share. A class that is not named weighs 1, and with None all do. Only for a single
            target of classes.

    Raises:
        UsageError: a setting is out of range.
    """

    val: str = "0.2"
    val_selection: Literal["hash", "stratified", "first", "last"] = "hash"
    train_samples: OptionalCount = None
    sample_seed: Annotated[int | None, Range(least=0, most=2**32 - 1)] = None
    min_count: Annotated[int, Range(least=1)] = 2
    maxlen: Count = 200
    loss: Literal["mse", "mae", "huber"] = "mse"
    class_weight: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self)
        check_class_weight(self.class_weight)
        check_sample_seed(self.sample_seed, self.train_samples)
        split_amount(self.val, NOUNS[0])
