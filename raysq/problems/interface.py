"""What a run takes and gives: for the server's page, its OpenAPI document and the batches of requests."""

from dataclasses import dataclass, field
from typing import Any, Literal

InputKind = Literal["text", "prompt", "sentence", "word", "image", "rows"]
OutputKind = Literal["classes", "values", "forecast", "text", "neighbors"]
ColumnType = Literal["number", "text", "time", "list", "tensor"]


@dataclass(frozen=True)
class InputColumn:
    """Column of the raw rows.

    Attributes:
        name: name in the raw files.
        type: type of its cells.
        values: the values of a category, most often first; empty for other columns, and where there are many.
    """

    name: str
    type: ColumnType
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Input:
    """Inputs of a run.

    Attributes:
        kind: "rows" are rows of a table, by column; the others are texts or image files, one by one.
        example: JSON-ready inputs that the run predicts for, images in base64; empty if there is no example.
        columns: columns of rows.
        rows: least number of rows.
        shape: height, width and channels of images, or None.
    """

    kind: InputKind
    example: list[Any] = field(default_factory=list)
    columns: tuple[InputColumn, ...] = ()
    rows: int = 1
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Output:
    """Predictions of a run.

    Attributes:
        kind: what is predicted.
        classes: names of the classes.
        targets: columns of the predictions that hold what is predicted.
        quantiles: columns of the quantiles of each target, lowest first.
        unit: unit of the targets, or None.
    """

    kind: OutputKind
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    quantiles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unit: str | None = None


@dataclass(frozen=True)
class Interface:
    """What a run takes and gives.

    Attributes:
        input: inputs.
        output: predictions.
        independent: whether a row's prediction, and the columns of the table, depend on no other row. Rows of several
            requests are predicted together then.
        warm_up: further inputs of the kind that make a model compile what it may need.
    """

    input: Input
    output: Output
    independent: bool = False
    warm_up: tuple[Any, ...] = ()
