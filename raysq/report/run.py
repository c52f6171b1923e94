"""Parts of a run's report that all problems share."""

import json
import shlex
from collections.abc import Sequence
from typing import Any

from raysq import problems, tasks
from raysq.config import make_settings
from raysq.data.dataset import Manifest
from raysq.display.numbers import number, seconds, short
from raysq.errors import RaysqError
from raysq.problems.charts import Figure, Figures, Line, LineChart, Mark, Table
from raysq.report.analysis import Analysis, differs
from raysq.report.goodput import goodput_part
from raysq.report.markup import Markup, join, tag
from raysq.report.metrics import leaderboards, metrics_of, primary, repeats, verdict
from raysq.report.model import draw_model, total
from raysq.report.samples import samples_part
from raysq.report.sections import draw_chart, draw_figures, draw_section, part
from raysq.report.tables import draw_table
from raysq.training.published import PublishedComparison


def run_heading(analysis: Analysis) -> Markup:
    """Return the heading: the run's name and task, its result in a sentence, and its key figures."""
    config = analysis.config
    return join(
        tag("h1", analysis.run.name),
        tag("p", _title(config.task), class_="about"),
        banner(config.synthetic),
        tag("p", run_verdict(analysis), class_="verdict"),
        remarks(analysis),
        draw_figures(Figures(run_figures(analysis))),
    )


def banner(synthetic: bool) -> Markup | None:
    """Return a notice that the data are synthetic, or None for real data."""
    if not synthetic:
        return None
    return tag("p", "Synthetic sample data: made by raysq for trying things out, not measured.", class_="banner")


def remarks(analysis: Analysis) -> Markup | None:
    """Return remarks on an unfinished run and on parts that are left out, or None without any."""
    epochs = len(analysis.records)
    messages = {
        "running": [f"Training goes on while this is written: {epochs} epochs are done."],
        "interrupted": [f"The run was interrupted after {epochs} epochs; the same command continues it."],
        "new": ["The run has not begun."],
    }.get(analysis.state, [])
    return join(*(tag("p", text, class_="remark") for text in [*messages, *analysis.missing])) or None


def _title(task: str) -> str:
    try:
        return tasks.get(task).title
    except RaysqError:
        return task


def run_verdict(analysis: Analysis) -> str:
    """Summarize the test metric beside the baselines, the best epoch, and whether the loss was still improving."""
    config = analysis.config
    references = {name: values for name, values in analysis.evaluation.items() if name != config.model}
    text = verdict(config.model, analysis.metrics, references, config.metadata.get("unit"))
    best = analysis.best
    if best is not None:
        loss, epochs = number(best["val_loss"]), len(analysis.records)
        text += f" Best validation loss {loss}, in epoch {best['epoch']} of {epochs}."
    if improving := analysis.run.still_improving():
        text += f" It was {improving.replace('val_loss', 'validation loss')}."
    return text


def run_figures(analysis: Analysis) -> list[Figure]:
    """Return the key figures: metrics, best epoch, parameters and training time."""
    metrics, unit = analysis.metrics, analysis.config.metadata.get("unit")
    baseline = {} if analysis.config.model == "baseline" else analysis.evaluation.get("baseline", {})
    figures = []
    metric = primary(metrics, unit)
    for split, words in (("test", "Test"), ("val", "Validation")):
        key = f"{split}_{metric.name}" if metric else ""
        if metric and key in metrics:
            base = baseline.get(key)
            note = "" if base is None else f"baseline: {metric.format(base)}"
            figures.append(Figure(f"{words} {metric.words}", metric.format(metrics[key]), note))
    if analysis.best is not None:
        figures.append(Figure("Best epoch", f"{analysis.best['epoch']}", f"of {len(analysis.records)}"))
    parameters = analysis.result["parameters"] if analysis.result else total(analysis.graph) if analysis.graph else None
    if parameters is not None:
        figures.append(Figure("Parameters", number(int(parameters))))
    if analysis.result:
        figures.append(Figure("Training", seconds(analysis.result["seconds"]), f"{analysis.result['steps']:,} steps"))
    return figures


def run_parts(analysis: Analysis, *, level: int = 2) -> list[Markup]:
    """Return the sections of a run in reading order, with headings of a level."""
    parts = [history_part(analysis, level=level), leaderboard_part(analysis, level=level)]
    parts.append(published_part(analysis.published, level=level))
    parts.append(samples_part(analysis.samples, level=level))
    parts += [draw_section(section, level=level) for section in analysis.sections]
    parts += [model_part(analysis, level=level), settings_part(analysis, level=level), data_part(analysis, level=level)]
    parts.append(goodput_part(analysis.attempts, analysis.state, level=level))
    parts.append(environment_part(analysis, level=level))
    return [part for part in parts if part is not None]


def history_part(analysis: Analysis, *, level: int = 2) -> Markup | None:
    """Return charts of loss and, if measured, accuracy by epoch, or None if nothing was trained."""
    best = analysis.best
    if best is None or (analysis.result is not None and not analysis.result["steps"]):
        return None  # not trained yet, or a model without training
    records = analysis.records
    base = _comparable_loss(analysis)
    label = f"best: {number(best['val_loss'])} in epoch {best['epoch']}"
    charts = [_by_epoch(records, "loss", Mark(best["epoch"], label, best["val_loss"]), base)]
    if all("val_accuracy" in record for record in records):
        # The best epoch has the lowest loss, which may not be the highest accuracy.
        reached = best["val_accuracy"]
        label = f"{number(reached)} in epoch {best['epoch']}, of the lowest loss"
        share = analysis.evaluation.get("baseline", {}).get("val_accuracy")
        charts.append(_by_epoch(records, "accuracy", Mark(best["epoch"], label, reached), share))
    note = "Training figures are means over an epoch's steps, with dropout where the model has any."
    return part("Training", tag("div", *map(draw_chart, charts), class_="grid"), note=note, level=level)


def _by_epoch(records: Sequence[dict[str, Any]], name: str, mark: Mark, baseline: float | None) -> LineChart:
    """Return a chart of a metric by epoch for validation and, if recorded, for training."""
    epochs = [record["epoch"] for record in records]
    lines = [Line("validation", epochs, [record[f"val_{name}"] for record in records], "dashed", 1)]
    if all(name in record for record in records):
        lines.insert(0, Line("training", epochs, [record[name] for record in records], "solid", 0))
    levels = {} if baseline is None else {"baseline, validation": baseline}
    title = f"{name.capitalize()} by epoch"
    return LineChart(title, lines, x_label="epoch", y_label=name, marks=[mark], levels=levels, whole_x=True)


def _comparable_loss(analysis: Analysis) -> float | None:
    """Return the baseline's validation loss, or None if it is another kind of loss than the run's."""
    own, base = analysis.evaluation.get(analysis.config.model), analysis.evaluation.get("baseline")
    metric = primary(own, None) if own else None
    if own is None or base is None or metric is None or own is base:
        return None
    name = metric.name.removesuffix("_original")
    return base["val_loss"] if repeats(own, name) == repeats(base, name) else None


def leaderboard_part(analysis: Analysis, *, level: int = 2) -> Markup | None:
    """Return the metrics of the run's model beside those of the baselines."""
    config = analysis.config
    if not analysis.evaluation:
        return None
    tables = leaderboards(analysis.evaluation, config.model, config.metadata.get("unit"))
    any_higher = any(metric.higher_is_better for metric in metrics_of(analysis.metrics, None))
    note = "" if any_higher else "Errors and losses: lower is better."
    return part("Leaderboard", *map(draw_table, tables), note=note, level=level)


def published_part(comparisons: Sequence[PublishedComparison], *, level: int = 2) -> Markup | None:
    """Return the published figures of the model, beside the run's where it follows their protocol, or None."""
    if not comparisons:
        return None
    rows = [
        [
            each.published.metric,
            short(each.published.value),
            each.measured,
            each.published.source,
            each.published.protocol or "the task's defaults",
        ]
        for each in comparisons
    ]
    table = Table(["metric", "published", "this run", "source", "protocol"], rows)
    reasons = [
        f"{each.published.metric} {short(each.published.value)} is not compared: {each.reasons}."
        for each in comparisons
        if each.differences
    ]
    reasons += [f"{each.published.metric}: {each.remark}." for each in comparisons if each.remark]
    note = "Figures are beside each other where the run follows the published protocol."
    items = tag("ul", *(tag("li", reason) for reason in reasons), class_="plain") if reasons else None
    return part("Published figures", draw_table(table), *([items] if items else []), note=note, level=level)


def model_part(analysis: Analysis, *, level: int = 2) -> Markup | None:
    """Return the diagram of the model, or None if its layers are unknown."""
    if not analysis.graph:
        return None
    note = f"{number(total(analysis.graph))} parameters. Shapes are without the batch."
    if len(analysis.graph) > 1 and not any(node.inputs for node in analysis.graph):
        note += " The model is a class of its own: its parts are known, not what flows between them."
    return part("Model", draw_model(analysis.graph, analysis.config.model), note=note, level=level)


def settings_part(analysis: Analysis, *, level: int = 2) -> Markup:
    """Return all settings with the `raysq train` command. Settings that differ from the defaults are marked."""
    config = analysis.config
    rows: list[list[Any]] = []
    marked = []
    # Settings that the optimizer of a compiled model decides.
    left = (analysis.result or {}).get("left_to_model", ())
    for section, values in config.sections():
        defaults = analysis.defaults.get(section, {})
        for key, value in values.items():
            if section == "training" and key in left:
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
    command = tag("pre", tag("code", train_command(analysis)))
    table = draw_table(Table(["setting", "value", "default", "section"], rows, highlight=marked))
    return part("Settings", command, table, note=note, level=level)


def train_command(analysis: Analysis) -> str:
    """Return the `raysq train` command that repeats the run."""
    config = analysis.config
    parts = ["raysq", "train", config.task, "--data", config.data, "--model", config.model]
    if config.seed:
        parts += ["--seed", str(config.seed)]
    for section, values in config.sections():
        defaults = analysis.defaults.get(section, {})
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
    return short(value, 6) or "(empty)"


def data_part(analysis: Analysis, *, level: int = 2) -> Markup:
    """Return the data's source, size and splits, and the findings of preparation."""
    config = analysis.config
    rows: list[tuple[str, Any]] = [("directory", config.data)]
    findings: list[Markup] = []
    if analysis.dataset is not None:
        manifest = analysis.dataset.manifest
        files = [str(file.get("name", "")) for file in manifest.source.get("files", [])]
        rows += [
            ("source", str(manifest.source.get("label", ""))),
            *([("files", _listed(files))] if files and files != [manifest.source.get("label")] else []),
            *(
                [("validates on", str(validation["label"]))]
                if (validation := manifest.source.get("validation"))
                else []
            ),
            ("rows", f"{manifest.rows:,}"),
            ("columns", ", ".join(analysis.dataset.columns)),
            ("on disk", f"{manifest.bytes / 1e6:,.1f} MB, shards: {len(manifest.shards)}"),
        ]
        if analysis.examples:
            split = ", ".join(f"{name} {count:,}" for name, count in analysis.examples.items())
            rows.append(("examples", split))
        if lines := _findings(manifest):
            findings.append(tag("p", "Found when the data were prepared:"))
            findings.append(tag("ul", *(tag("li", line) for line in lines), class_="plain"))
    rows += [("fingerprint", config.fingerprint[:16]), ("synthetic", "yes" if config.synthetic else "no")]
    return part("Data", draw_table(Table(["", ""], rows)), *findings, level=level)


def _listed(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return ", ".join(names[:6]) + rest


def _findings(manifest: Manifest) -> Sequence[str]:
    """Return the findings of preparation, one line each."""
    if not manifest.report:
        return []
    preparation = make_settings(problems.get(manifest.problem).Preprocessor, manifest.preparation["settings"])
    lines = [*manifest.preparation.get("messages", []), *preparation.describe(manifest.report)]
    return list(dict.fromkeys(lines))


def environment_part(analysis: Analysis, *, level: int = 2) -> Markup:
    """Return the versions of the packages, the training time and the run's directory."""
    rows: list[tuple[str, Any]] = [(name, version) for name, version in analysis.config.versions.items()]
    times = [record["seconds"] for record in analysis.records if "seconds" in record]
    if times:
        rows.append(("time of training", seconds(analysis.result["seconds"] if analysis.result else max(times))))
    rows.append(("directory", str(analysis.run.directory)))
    return part("Environment", draw_table(Table(["", ""], rows)), level=level)
