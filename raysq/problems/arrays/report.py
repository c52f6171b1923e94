"""Report sections of a table: errors of each target, and how much the model uses each input column."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raysq.data.columns import take_rows
from raysq.problems.arrays.batches import TableBatches, TableData
from raysq.problems.arrays.importance import importance
from raysq.problems.arrays.metadata import TableMetadata, TargetValues
from raysq.problems.arrays.predict import BATCH, denormalized, outputs_by_name
from raysq.problems.arrays.value_report import error_table, value_errors, value_section
from raysq.problems.base import ReportModel
from raysq.problems.charts import Bars, Section, Table, Text
from raysq.problems.class_predictions import ClassPredictions, confidence_section, confusion_section
from raysq.problems.classification_report import classification_report, report_tables, validation_threshold
from raysq.problems.even_rows import evenly
from raysq.problems.fixed_batches import fixed_batches

SAMPLED = 10_000  # most rows behind the figures
_COLUMNS = 30  # most columns whose importance is shown


def sections(data: TableData, metadata: TableMetadata, model: ReportModel) -> list[Section]:
    """Return the report's sections, on the test split or, where it is empty, on the validation split."""
    batches = TableBatches(data, "test" if len(data.split.test) else "val")
    indices = evenly(len(batches), SAMPLED)
    share = "all" if len(indices) == len(batches) else f"{len(indices):,} evenly spaced of the"
    where = f"On {share} {len(batches):,} rows of the {batches.name} split."
    targets = metadata.targets
    truth, outputs = _predicted(data, batches, indices, targets, model)
    chosen: dict[str, float] = {}
    if batches.name == "test" and any(len(target["classes"]) == 2 for target in targets):
        validating = TableBatches(data, "val")
        some = evenly(len(validating), SAMPLED)
        chosen = thresholds(metadata, *_predicted(data, validating, some, targets, model))
    out: list[Section] = []
    for target in targets:
        name = target["name"]
        seen = _observed(truth[name], target["kind"] == "class")
        y, prediction = truth[name][seen], outputs[name][seen]
        if len(y):
            several = len(targets) > 1
            out += _target_sections(
                target, y, prediction, batches.rows[indices][seen], where, several, chosen.get(name)
            )
    shares = importance(batches, indices, model, targets)
    if len(shares) > 1:
        out.append(_importance_section(shares, where))
    return out


def _predicted(
    data: TableData, batches: TableBatches, indices: np.ndarray, targets: Sequence[TargetValues], model: ReportModel
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return y and the predictions of examples by target. A missing target is -1 or NaN."""
    names = [target["name"] for target in targets]
    truth: dict[str, list[np.ndarray]] = {name: [] for name in names}
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for part, count in fixed_batches(indices, BATCH):
        x, y, *_ = batches.gather(part, batches.mapped(), take_rows)
        for name, values in outputs_by_name(model.predict(x), names).items():
            outputs[name].append(np.asarray(values)[:count])
        for name, values in outputs_by_name(y, names).items():
            truth[name].append(np.array(values[:count]))
    found = {name: np.concatenate(parts) for name, parts in truth.items()}
    for target, column in zip(targets, data.targets, strict=True):
        missing = ~data.observed(column)[batches.rows[indices]]
        found[target["name"]][missing] = -1 if target["kind"] == "class" else np.nan
    return found, {name: np.concatenate(parts) for name, parts in outputs.items()}


def _target_sections(
    target: TargetValues,
    y: np.ndarray,
    prediction: np.ndarray,
    rows: np.ndarray,
    where: str,
    several: bool,
    threshold: float | None,
) -> list[Section]:
    if target["kind"] == "class":
        predictions = ClassPredictions.of(rows, [(y, prediction)])
        where = f"{target['name']}: {where}" if several else where
        return [
            confusion_section(predictions, target["classes"], where, target["priors"], threshold),
            confidence_section(predictions, where, "rows"),
        ]
    if target["shape"]:
        details = value_errors(y, prediction)
        return [Section(f"Errors of {target['name']}", [error_table(details, "")], where)]
    values, guesses = denormalized(target, y[:, 0]), denormalized(target, prediction[:, 0])
    return [value_section(target["name"], values, guesses, where)]


def _importance_section(shares: Mapping[str, float], where: str) -> Section:
    first = sorted(shares.items(), key=lambda pair: -pair[1])[:_COLUMNS]
    bars = Bars(
        "Loss that is added when a column is shuffled",
        [name for name, _ in first],
        [value for _, value in first],
        "column",
        "added loss",
        "added loss",
        wide=True,
    )
    return Section(
        "What the model uses",
        [bars],
        f"{where} The cells of a column are shuffled among the rows: the more the loss grows, the more the model "
        "relies on the column. Columns that say the same stand in for one another.",
    )


def thresholds(metadata: TableMetadata, y: Any, prediction: Any) -> dict[str, float]:
    """Return the thresholds that the validation split chooses, by target of two classes."""
    names = [target["name"] for target in metadata.targets]
    truth, outputs, found = outputs_by_name(y, names), outputs_by_name(prediction, names), {}
    for target in metadata.targets:
        if target["kind"] == "class":
            seen = _observed(truth[target["name"]], True)
            given = np.asarray(outputs[target["name"]])[seen]
            chosen = validation_threshold(truth[target["name"]][seen], given, target["classes"])
            if chosen is not None:
                found[target["name"]] = chosen
    return found


def evaluation_details(
    metadata: TableMetadata, y: Any, prediction: Any, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """Return a classification report or the errors of each target; those of several targets by name."""
    names = [target["name"] for target in metadata.targets]
    truth, outputs = outputs_by_name(y, names), outputs_by_name(prediction, names)
    details: dict[str, Any] = {}
    for target in metadata.targets:
        name, is_class = target["name"], target["kind"] == "class"
        seen = _observed(truth[name], is_class)
        y_true, guesses = truth[name][seen], np.asarray(outputs[name])[seen]
        if is_class:
            details[name] = classification_report(
                y_true, guesses, target["classes"], target["priors"], thresholds.get(name)
            )
        elif len(y_true):
            details[name] = value_errors(denormalized(target, y_true), denormalized(target, guesses))
        else:
            details[name] = {}
    return details if len(names) > 1 else details[names[0]]


def _observed(y: np.ndarray, is_class: bool) -> np.ndarray:
    """Return whether each row has the target; a missing one is -1 or NaN."""
    return y[:, 0] >= 0 if is_class else ~np.isnan(y.reshape(len(y), -1)).any(1)


def evaluation_tables(metadata: TableMetadata, details: Mapping[str, Any], split: str) -> list[Table | Text]:
    """Return these figures as tables and texts."""
    several = len(metadata.targets) > 1
    items: list[Table | Text] = []
    for target in metadata.targets:
        of_target = details[target["name"]] if several else details
        title = f"{split}, {target['name']}" if several else split
        if target["kind"] == "class":
            items += report_tables(of_target, title)
        elif of_target:
            items.append(
                error_table(of_target, f"{title}: errors, and the size below which 50, 90 and 99 % of them are")
            )
    return items
