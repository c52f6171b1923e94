"""Names and units of metrics, the primary metric, and comparisons of models by it."""

from collections.abc import Mapping
from dataclasses import dataclass

from raysq.display.numbers import number
from raysq.problems.charts import Table, unit_name

_WORDS = {
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "rmse": "root mean squared error",
    "pinball": "pinball loss",
    "bleu": "BLEU",
}
_BRIEF = ("mae", "mse", "rmse")
_HIGHER = ("accuracy", "auc", "precision", "recall", "f1", "coverage", "bleu", "r2")


@dataclass(frozen=True)
class Metric:
    """A metric, independent of the split.

    Attributes:
        name: The name as in `metrics.jsonl`, without the split, such as "mae" or "mae_original".
        unit: The unit of the value. Defaults to "".
        normalized: Whether the metric is computed on normalized values and a denormalized one exists as well.
    """

    name: str
    unit: str = ""
    normalized: bool = False

    @property
    def words(self) -> str:
        """The full name, such as "mean absolute error" or "mean absolute error, 24h"."""
        base, _, output = self.name.removesuffix("_original").partition("_")
        if base not in _WORDS:
            return self.name.removesuffix("_original").replace("_", " ")
        return f"{_WORDS[base]}, {output}" if output else _WORDS[base]

    @property
    def brief(self) -> str:
        """The short name for a column heading, such as "MAE (°C)", "MAE (normalized)" or "MAE 24h"."""
        base, _, output = self.name.removesuffix("_original").partition("_")
        name = f"{base.upper()} {output}".strip() if base in _BRIEF else self.words
        unit = "normalized" if self.normalized else self.unit
        return f"{name} ({unit})" if unit else name

    @property
    def higher_is_better(self) -> bool:
        """Whether higher values are better, as for accuracy. False for errors and losses."""
        return any(word in self.name for word in _HIGHER)

    def format(self, value: float) -> str:
        """Format a value with its unit."""
        return f"{number(value)}{f' {self.unit}' if self.unit else ''}"


def metrics_of(metrics: Mapping[str, float], unit: str | None) -> list[Metric]:
    """List the metrics found in a mapping from names to values.

    Args:
        metrics: Values by name with the split, such as "val_mae".
        unit: The target's own unit, for denormalized metrics.

    Returns:
        The main metric, denormalized first, then the other metrics, then the loss.
    """
    names: list[str] = []
    for key in metrics:
        split, _, name = key.partition("_")
        if split in ("val", "test") and name not in names:
            names.append(name)
    main = next((name for name in names if name != "loss" and not name.endswith("_original")), "")
    first = [f"{main}_original", main]
    names.sort(key=lambda name: (name == "loss", first.index(name) if name in first else len(first)))
    unit = unit_name(unit)
    return [
        Metric(name, metric_unit(name, unit) if name.endswith("_original") else "", f"{name}_original" in names)
        for name in names
    ]


def metric_unit(name: str, unit: str) -> str:
    """Return the unit of a denormalized metric: the square of the target's unit for squared errors."""
    return f"{unit}\u00b2" if unit and name.startswith("mse") else unit


def primary(metrics: Mapping[str, float], unit: str | None) -> Metric | None:
    """Return the primary metric, denormalized if possible, or None if there is none. See `metrics_of`."""
    return next(iter(metrics_of(metrics, unit)), None)


def compare(value: float, other: float, metric: Metric) -> str:
    """Describe a value relative to another, such as "21.3 % below", "0.12 above" or "equal to".

    The difference is relative for errors, and absolute where higher is better.

    Example:
        >>> compare(0.5, 0.5, Metric("mae"))
        'equal to'
    """
    if value == other:
        return "equal to"
    side = "below" if value < other else "above"
    if metric.higher_is_better or not other:
        return f"{number(abs(value - other), 3)} {side}"
    share = abs(value / other - 1) * 100
    return f"{share:.0f}\u202f% {side}" if share >= 9.95 else f"{share:.1f}\u202f% {side}"


def verdict(
    name: str, metrics: Mapping[str, float], baselines: Mapping[str, Mapping[str, float]], unit: str | None
) -> str:
    """Summarize a model's primary metric and its relation to each baseline in one sentence.

    The test split is used, or the validation split where the test split was not measured.

    Args:
        name: The model's or run's name.
        metrics: Values by name with the split, such as "test_mae".
        baselines: Metrics of the baselines by name.
        unit: The target's own unit.
    """
    metric = primary(metrics, unit)
    if metric is None:
        return "Nothing has been measured yet."
    split = "test" if f"test_{metric.name}" in metrics else "val"
    key = f"{split}_{metric.name}"
    where = "on the test split" if split == "test" else "on the validation split"
    sentence = f"The {metric.words} of {name} {where} is {metric.format(metrics[key])}"
    comparisons = [
        f"{compare(metrics[key], other[key], metric)} {baseline} ({metric.format(other[key])})"
        for baseline, other in baselines.items()
        if key in other and baseline != name
    ]
    if not comparisons:
        return f"{sentence}."
    *others, last = comparisons
    return f"{sentence}: {', '.join(others)}{' and ' if others else ''}{last}."


def leaderboards(evaluation: Mapping[str, Mapping[str, float]], own: str, unit: str | None) -> list[Table]:
    """Build the leaderboard tables of a run.

    Args:
        evaluation: Metrics by model, the run's own and the baselines.
        own: Name of the run's model, whose row is highlighted.
        unit: The target's own unit.

    Returns:
        A table with a row per model, best first by validation, and a table by output where a model has several.
    """
    every = {key: value for metrics in evaluation.values() for key, value in metrics.items()}
    metrics = metrics_of(every, unit)
    first = metrics[0]
    main = first.name.removesuffix("_original")
    # Metrics of single outputs are shown in a separate table.
    single = [m for m in metrics if m.name.startswith(f"{main}_") and m.name != f"{main}_original"]
    single = [m for m in single if m.name.endswith("_original")] or single
    # A loss that repeats the metric adds no information, and losses of different kinds cannot be compared.
    with_loss = not any(repeats(values, main) for values in evaluation.values())
    shown = [m for m in metrics if not m.name.startswith(f"{main}_") or m.name == f"{main}_original"]
    shown = [m for m in shown if m.name != "loss" or with_loss or main == "loss"]
    order = sorted(evaluation, key=lambda name: rank(evaluation[name], first))
    columns = [(split, m) for m in shown for split in ("val", "test") if f"{split}_{m.name}" in every]
    heads = ["model", *(f"{split} {m.brief}" for split, m in columns)]
    rows = [[name, *(evaluation[name].get(f"{split}_{m.name}") for split, m in columns)] for name in order]
    against = f"test_{first.name}"
    base = evaluation.get("baseline", {}).get(against)
    if base and len(order) > 1 and not first.higher_is_better:
        heads.append("test, ratio to baseline")
        for name, row in zip(order, rows, strict=True):
            value = evaluation[name].get(against)
            row.append(None if value is None else value / base)
    marked = [order.index(own)] if own in order else []
    tables = [Table(heads, rows, highlight=marked)]
    if single:
        heads = ["model", *(f"test {m.brief}" for m in single)]
        rows = [[name, *(evaluation[name].get(f"test_{m.name}") for m in single)] for name in order]
        tables.append(Table(heads, rows, "By output", marked))
    return tables


def rank(metrics: Mapping[str, float], metric: Metric | None) -> float:
    """Return a sort key that is lower for better models by validation, and infinite without a validation score."""
    if metric is None or f"val_{metric.name}" not in metrics:
        return float("inf")
    value = metrics[f"val_{metric.name}"]
    return -value if metric.higher_is_better else value


def repeats(metrics: Mapping[str, float], name: str) -> bool:
    """Whether a model's validation loss equals its metric."""
    loss, value = metrics.get("val_loss"), metrics.get(f"val_{name}")
    return loss is not None and value is not None and abs(loss - value) <= 1e-5 * abs(loss)
