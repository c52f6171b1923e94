"""Parts of a run's report that all problems share."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from raysq import problems, tasks
from raysq.config import make_settings
from raysq.display.numbers import number, seconds, short
from raysq.errors import RaysqError
from raysq.problems.charts import Figure, Figures, Line, LineChart, Mark, Table
from raysq.report.analysis import Analysis, differs
from raysq.report.markup import Markup, join, tag
from raysq.report.metrics import leaderboards, metrics_of, primary, repeats, verdict
from raysq.report.model import draw_model, total
from raysq.report.sections import draw_chart, draw_figures, draw_section, part
from raysq.report.tables import draw_table


def run_heading(study: Analysis) -> Markup:
    """Return the heading: the run's name and task, its result in a sentence, and its key figures."""
    config = study.config
    return join(
        tag("h1", study.run.name),
        tag("p", _title(config.task), class_="about"),
        banner(config.synthetic),
        tag("p", run_verdict(study), class_="verdict"),
        remarks(study),
        draw_figures(Figures(run_figures(study))),
    )


def banner(synthetic: bool) -> Markup | None:
    """Return a notice that the data are synthetic, or None for real data."""
    if not synthetic:
        return None
    return tag("p", "Synthetic sample data: made by raysq for trying things out, not measured.", class_="banner")


def remarks(study: Analysis) -> Markup | None:
    """Return remarks on an unfinished run and on parts that are left out, or None without any."""
    said = {
        "running": [f"Training goes on while this is written: {len(study.records)} epochs are done."],
        "interrupted": [f"The run was interrupted after {len(study.records)} epochs; the same command continues it."],
        "new": ["The run has not begun."],
    }.get(study.state, [])
    return join(*(tag("p", text, class_="remark") for text in [*said, *study.missing])) or None


def _title(task: str) -> str:
    try:
        return tasks.get(task).title
    except RaysqError:
        return task


def run_verdict(study: Analysis) -> str:
    """Summarize the test metric beside the baselines, the best epoch, and whether the loss was still improving."""
    config = study.config
    references = {name: values for name, values in study.evaluation.items() if name != config.model}
    said = verdict(config.model, study.metrics, references, config.metadata.get("unit"))
    best = study.best
    if best is not None:
        said += f" Best validation loss {number(best['val_loss'])}, in epoch {best['epoch']} of {len(study.records)}."
    if still := study.run.still_improving():
        said += f" The {still.replace('val_loss', 'validation loss')}."
    return said


def run_figures(study: Analysis) -> list[Figure]:
    """Return the key figures: metrics, best epoch, parameters and training time."""
    metrics, unit = study.metrics, study.config.metadata.get("unit")
    figures = []
    metric = primary(metrics, unit)
    for split, words in (("test", "Test"), ("val", "Validation")):
        key = f"{split}_{metric.name}" if metric else ""
        if metric and key in metrics:
            base = study.evaluation.get("baseline", {}).get(key)
            note = f"baseline: {metric.say(base)}" if base is not None and study.config.model != "baseline" else ""
            figures.append(Figure(f"{words} {metric.words}", metric.say(metrics[key]), note))
    if study.best is not None:
        figures.append(Figure("Best epoch", f"{study.best['epoch']}", f"of {len(study.records)}"))
    parameters = study.result["parameters"] if study.result else total(study.graph) if study.graph else None
    if parameters is not None:
        figures.append(Figure("Parameters", number(int(parameters))))
    if study.result:
        figures.append(Figure("Training", seconds(study.result["seconds"]), f"{study.result['steps']:,} steps"))
    return figures


def run_parts(study: Analysis, *, level: int = 2) -> list[Markup]:
    """Return the sections of a run in reading order.

    Args:
        study: Content of the run's report.
        level: Level of the headings. Defaults to 2.
    """
    found = [history_part(study, level=level), leaderboard_part(study, level=level)]
    found += [draw_section(section, level=level) for section in study.sections]
    found += [model_part(study, level=level), settings_part(study, level=level), data_part(study, level=level)]
    found.append(environment_part(study, level=level))
    return [part for part in found if part is not None]


def history_part(study: Analysis, *, level: int = 2) -> Markup | None:
    """Return charts of loss and, if measured, accuracy by epoch, with the best epoch marked.

    Returns:
        The section, or None if nothing was trained.
    """
    best = study.best
    if best is None or (study.result is not None and not study.result["steps"]):
        return None  # not trained yet, or a model without training
    records = study.records
    base = _comparable_loss(study)
    charts = [
        LineChart(
            title="Loss by epoch",
            lines=_by_epoch(records, "loss"),
            x_label="epoch",
            y_label="loss",
            marks=[Mark(best["epoch"], f"best: {number(best['val_loss'])} in epoch {best['epoch']}", best["val_loss"])],
            levels={} if base is None else {"baseline, validation": base},
            whole_x=True,
        )
    ]
    if all("val_accuracy" in record for record in records):
        # The best epoch has the lowest loss, which may not be the highest accuracy.
        reached = best["val_accuracy"]
        share = study.evaluation.get("baseline", {}).get("val_accuracy")
        charts.append(
            LineChart(
                title="Accuracy by epoch",
                lines=_by_epoch(records, "accuracy"),
                x_label="epoch",
                y_label="accuracy",
                marks=[Mark(best["epoch"], f"{number(reached)} in epoch {best['epoch']}, of the lowest loss", reached)],
                levels={} if share is None else {"baseline, validation": share},
                whole_x=True,
            )
        )
    note = "Training figures are means over an epoch's steps, with dropout where the model has any."
    return part("Training", tag("div", *map(draw_chart, charts), class_="grid"), note=note, level=level)


def _by_epoch(records: Sequence[dict[str, Any]], name: str) -> list[Line]:
    """Return lines of a metric by epoch for validation and, if recorded, for training."""
    epochs = [record["epoch"] for record in records]
    lines = [Line("validation", epochs, [record[f"val_{name}"] for record in records], "dashed", 1)]
    if all(name in record for record in records):
        lines.insert(0, Line("training", epochs, [record[name] for record in records], "solid", 0))
    return lines


def _comparable_loss(study: Analysis) -> float | None:
    """Return the baseline's validation loss, or None if it is another kind of loss than the run's."""
    own, base = study.evaluation.get(study.config.model), study.evaluation.get("baseline")
    metric = primary(own, None) if own else None
    if own is None or base is None or metric is None or own is base:
        return None
    name = metric.name.removesuffix("_original")
    return base["val_loss"] if repeats(own, name) == repeats(base, name) else None


def leaderboard_part(study: Analysis, *, level: int = 2) -> Markup | None:
    """Return the metrics of the run's model beside those of the baselines."""
    config = study.config
    if not study.evaluation:
        return None
    tables = leaderboards(study.evaluation, config.model, config.metadata.get("unit"))
    note = "Errors and losses: lower is better." if not _any_higher(study) else ""
    return part("Leaderboard", *map(draw_table, tables), note=note, level=level)


def _any_higher(study: Analysis) -> bool:
    return any(metric.higher_is_better for metric in metrics_of(study.metrics, None))


def model_part(study: Analysis, *, level: int = 2) -> Markup | None:
    """Return the diagram of the model, or None if its layers are unknown."""
    if not study.graph:
        return None
    note = f"{number(total(study.graph))} parameters. Shapes are without the batch."
    if len(study.graph) > 1 and not any(node.inputs for node in study.graph):
        note += " The model is a class of its own: its parts are known, not what flows between them."
    return part("Model", draw_model(study.graph, study.config.model), note=note, level=level)


def settings_part(study: Analysis, *, level: int = 2) -> Markup:
    """Return all settings with the `raysq train` command. Settings that differ from the defaults are marked."""
    config = study.config
    rows: list[list[Any]] = []
    marked = []
    # Settings that the optimizer of a compiled model decides.
    left = (study.result or {}).get("left_to_model", ())
    for section, values in config.sections():
        defaults = study.defaults.get(section, {})
        for key, value in values.items():
            if key in left:
                rows.append([key, "decided by the model", "", section])
                continue
            changed = differs(values, defaults, key)
            if changed:
                marked.append(len(rows))
            default = _setting(defaults[key]) if key in defaults else ""
            rows.append([key, _setting(value), default if changed else "same", section])
    rows.append(["seed", str(config.seed), "", "run"])
    count = f"{len(marked)} differ" if len(marked) != 1 else "1 differs"
    note = f"{count} from the defaults of task {config.task} and model {config.model}{' (marked)' if marked else ''}."
    command = tag("pre", tag("code", train_command(study)))
    table = draw_table(Table(["setting", "value", "default", "section"], rows, highlight=marked))
    return part("Settings", command, table, note=note, level=level)


def train_command(study: Analysis) -> str:
    """Return the `raysq train` command that repeats the run."""
    config = study.config
    parts = ["raysq", "train", config.task, "--data", config.data, "--model", config.model]
    if config.seed:
        parts += ["--seed", str(config.seed)]
    for section, values in config.sections():
        defaults = study.defaults.get(section, {})
        for key in values:
            if differs(values, defaults, key):
                parts += ["--set", f"{section}.{key}={_typed(values[key])}"]
    return shlex.join(parts)


def _typed(value: Any) -> str:
    """Format a setting's value for `--set`."""
    if isinstance(value, list):
        return json.dumps(value) if any("," in str(item) for item in value) else ",".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _setting(value: Any) -> str:
    text = short(value, 6)
    return text if text else "(empty)"


def data_part(study: Analysis, *, level: int = 2) -> Markup:
    """Return the data's source, size and splits, and the findings of preparation."""
    config = study.config
    rows: list[tuple[str, Any]] = [("directory", config.data)]
    found: list[Markup] = []
    if study.dataset is not None:
        manifest = study.dataset.manifest
        files = [str(file.get("name", "")) for file in manifest.source.get("files", [])]
        rows += [
            ("source", str(manifest.source.get("label", ""))),
            *([("files", _listed(files))] if files and files != [manifest.source.get("label")] else []),
            ("rows", f"{manifest.rows:,}"),
            ("columns", ", ".join(study.dataset.columns)),
            ("on disk", f"{manifest.bytes / 1e6:,.1f} MB, shards: {len(manifest.shards)}"),
        ]
        if study.examples:
            split = ", ".join(f"{name} {count:,}" for name, count in study.examples.items())
            rows.append(("examples", split))
        lines = _findings(study)
        if lines:
            found = [
                tag("p", "Found when the data were prepared:"),
                tag("ul", *(tag("li", line) for line in lines), class_="plain"),
            ]
    rows += [("fingerprint", config.fingerprint[:16]), ("synthetic", "yes" if config.synthetic else "no")]
    return part("Data", draw_table(Table(["", ""], rows)), *found, level=level)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + more


def _findings(study: Analysis) -> Sequence[str]:
    """Return the findings of preparation, one line each."""
    assert study.dataset is not None
    manifest = study.dataset.manifest
    if not manifest.report:
        return []
    preparation = make_settings(problems.get(manifest.problem).Preprocessor, manifest.preparation["settings"])
    lines = [*manifest.preparation.get("told", []), *preparation.describe(manifest.report)]
    return list(dict.fromkeys(lines))


def environment_part(study: Analysis, *, level: int = 2) -> Markup:
    """Return the versions of the packages, the training time and the run's directory."""
    rows: list[tuple[str, Any]] = [(name, version) for name, version in study.config.versions.items()]
    if study.records:
        each = [record["seconds"] for record in study.records if "seconds" in record]
        if each:
            rows.append(("time of training", seconds(study.result["seconds"] if study.result else max(each))))
    rows.append(("directory", str(study.run.directory)))
    return part("Environment", draw_table(Table(["", ""], rows)), level=level)
