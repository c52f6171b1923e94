"""What metrics are called, which one a verdict speaks of, and how models compare by it."""

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
    """A metric of a split.

    Attributes:
        name: as in metrics.jsonl, without the split: "mae", "mae_original".
        unit: in which it is, may be empty.
        normalized: whether it is of normalized values, and there is one in the target's own unit too.
    """

    name: str
    unit: str = ""
    normalized: bool = False

    @property
    def words(self) -> str:
        """As a person says it: "mean absolute error", "mean absolute error, 24h"."""
        base, _, output = self.name.removesuffix("_original").partition("_")
        if base not in _WORDS:
            return self.name.removesuffix("_original").replace("_", " ")
        return f"{_WORDS[base]}, {output}" if output else _WORDS[base]

    @property
    def brief(self) -> str:
        """For the head of a column: "MAE (°C)", "MAE (normalized)", "MAE 24h"."""
        base, _, output = self.name.removesuffix("_original").partition("_")
        said = f"{base.upper()} {output}".strip() if base in _BRIEF else self.words
        unit = "normalized" if self.normalized else self.unit
        return f"{said} ({unit})" if unit else said

    @property
    def higher_is_better(self) -> bool:
        """As for accuracy; errors and losses are better when lower."""
        return any(word in self.name for word in _HIGHER)

    def say(self, value: float) -> str:
        """The value with its unit."""
        return f"{number(value)}{f' {self.unit}' if self.unit else ''}"


def metrics_of(metrics: Mapping[str, float], unit: str | None) -> list[Metric]:
    """The metrics of models: the main one in the target's own unit and as the model sees it, the others, the loss."""
    names: list[str] = []
    for key in metrics:
        split, _, name = key.partition("_")
        if split in ("val", "test") and name not in names:
            names.append(name)
    main = next((name for name in names if name != "loss" and not name.endswith("_original")), "")
    first = [f"{main}_original", main]
    names.sort(key=lambda name: (name == "loss", first.index(name) if name in first else len(first)))
    return [
        Metric(name, unit_name(unit) if name.endswith("_original") else "", f"{name}_original" in names)
        for name in names
    ]


def primary(metrics: Mapping[str, float], unit: str | None) -> Metric | None:
    """The metric that a verdict speaks of: in the target's own unit if there is one."""
    found = metrics_of(metrics, unit)
    return found[0] if found else None


def compare(value: float, other: float, metric: Metric) -> str:
    """How a value stands to another one: "21.3 % below", "0.12 above", "equal to"."""
    if value == other:
        return "equal to"
    side = "below" if value < other else "above"
    if metric.higher_is_better or not other:
        return f"{number(abs(value - other), 3)} {side}"
    share = abs(value / other - 1) * 100
    return f"{share:.0f}\u202f% {side}" if share >= 9.95 else f"{share:.1f}\u202f% {side}"


def verdict(
    name: str, metrics: Mapping[str, float], references: Mapping[str, Mapping[str, float]], unit: str | None
) -> str:
    """One sentence: the test metric, how it stands to each reference."""
    metric = primary(metrics, unit)
    if metric is None:
        return "Nothing has been measured yet."
    split = "test" if f"test_{metric.name}" in metrics else "val"
    key = f"{split}_{metric.name}"
    where = "on the test split" if split == "test" else "on the validation split"
    sentence = f"The {metric.words} of {name} {where} is {metric.say(metrics[key])}"
    said = [
        f"{compare(metrics[key], other[key], metric)} {reference} ({metric.say(other[key])})"
        for reference, other in references.items()
        if key in other and reference != name
    ]
    listed = ", ".join(said[:-1]) + (" and " if said[1:] else "") + said[-1] if said else ""
    return f"{sentence}: {listed}." if said else f"{sentence}."


def leaderboards(evaluation: Mapping[str, Mapping[str, float]], own: str, unit: str | None) -> list[Table]:
    """A row for each model, best first by validation, the run's own marked; then the single outputs."""
    every = {key: value for metrics in evaluation.values() for key, value in metrics.items()}
    metrics = metrics_of(every, unit)
    first = metrics[0]
    main = first.name.removesuffix("_original")
    # Single outputs have a table of their own.
    single = [m for m in metrics if m.name.startswith(f"{main}_") and m.name != f"{main}_original"]
    single = [m for m in single if m.name.endswith("_original")] or single
    # A loss that only repeats the metric says nothing, and one of another sort cannot be compared.
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
    """A number that is lower for the better of two models, by validation; infinite for one without a score."""
    if metric is None or f"val_{metric.name}" not in metrics:
        return float("inf")
    value = metrics[f"val_{metric.name}"]
    return -value if metric.higher_is_better else value


def repeats(metrics: Mapping[str, float], name: str) -> bool:
    """Whether a model's loss is the same number as its metric."""
    loss, value = metrics.get("val_loss"), metrics.get(f"val_{name}")
    return loss is not None and value is not None and abs(loss - value) <= 1e-5 * abs(loss)
