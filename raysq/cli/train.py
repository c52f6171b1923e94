"""Commands that train and evaluate: `train`, `tune`, `evaluate` and `backtest`."""

import argparse
from typing import Any

from raysq.cli.output import WIDEST, headings, metrics_table, overrides, plain_item, write_result
from raysq.display.numbers import metric
from raysq.display.terminal import print_message


def add_epochs(sub: argparse.ArgumentParser) -> None:
    """Add the options of `raysq train` about what is kept of single epochs."""
    sub.add_argument(
        "--samples-every",
        type=int,
        metavar="N",
        help="Show what the model makes, such as a generated or a translated sentence, before training and after every "
        "Nth epoch. Same as --set samples_every=N.",
    )
    sub.add_argument(
        "--keep-epochs",
        type=int,
        nargs="?",
        const=1,
        metavar="N",
        help="Keep the weights of every Nth epoch, or of every epoch, for --epoch of generate, translate and predict. "
        "Same as --set keep_epochs=N.",
    )


def train(options: argparse.Namespace) -> None:
    from raysq.report.samples import sample_tables
    from raysq.training import train as api
    from raysq.training.config_file import ConfigFile
    from raysq.training.keras_callbacks.named import import_callbacks
    from raysq.training.run import Run
    from raysq.training.size_defaults import describe_size_defaults
    from raysq.training.trackers.tracker import check_tracker
    from raysq.training.trackers.tracking import tracked
    from raysq.training.worker_range import WorkerRange

    if options.track is not None:
        check_tracker(options.track)
    workers = WorkerRange.parse(options.workers)
    chosen = ConfigFile.read(options.config, options.task) if options.config else ConfigFile()
    # A file of `raysq config` names all settings, the batch size included, which --per-worker-batch replaces.
    replaced = () if options.per_worker_batch is None else ("training.batch_size",)
    data, model = options.data or chosen.data, chosen.model_for(options.model, trust=options.trust)
    if workers.most > 1 and not options.dry_run:
        api.start_early(options.task, data=data, model=model)
    callbacks = import_callbacks(options.callback)
    config = api.resolve(
        options.task,
        data=data,
        model=model,
        seed=chosen.seed if options.seed is None else options.seed,
        settings={
            **{name: value for name, value in chosen.settings.items() if name not in replaced},
            **overrides(options),
        },
        preset=options.preset,
        workers=workers,
        per_worker_batch=options.per_worker_batch,
        linear_rate=options.linear_rate,
        quiet=options.json,
    )
    config = api.with_callbacks(config, callbacks)
    if options.dry_run:
        from raysq.training.estimate import estimate, show_estimate

        figures = estimate(config, workers=workers.most, gpu=options.gpu, threads=options.threads)
        return write_result(options, figures, lambda console: show_estimate(console, figures))
    remarks = [*config.make_problem().describe(), *describe_size_defaults(config)]
    run = Run.create(config, name=options.name, fresh=options.fresh, trust=options.trust)
    if not options.json:
        print_message(f"data {config.data}{' (synthetic sample)' if config.synthetic else ''}")
        for line in remarks:
            print_message(f"     {line}")
        finished = run.result() is not None
        print_message(f"run  {run.directory}{' (finished before)' if finished else ''}")
    shown = workers.most == 1 and run.result() is None  # samples are shown while this process trains
    if run.result() is None:
        with run.lock(), tracked(run, options.track):
            api.train_run(
                run,
                workers=workers,
                gpu=options.gpu,
                threads=options.threads,
                quiet=options.json,
                callbacks=callbacks,
            )
    outcome = run.result() or {}
    samples = run.samples()
    result = {
        "run": str(run.directory),
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "steps": outcome["steps"],
        "seconds": outcome["seconds"],
        "best_epoch": outcome["best_epoch"],
        "still_improving": run.still_improving() is not None,
        "synthetic": config.synthetic,
        "metrics": outcome["metrics"],
        "samples": samples,
        "kept_epochs": run.kept_epochs(),
        "remarks": remarks,
    }

    def show(console: Any) -> None:
        if not shown:
            for table in sample_tables(samples):
                plain_item(console, table)
        metrics_table(console, {config.model: outcome["metrics"]}, config)
        console.print(
            f"best epoch {outcome['best_epoch']} of {outcome['epochs']}, {outcome['parameters']:,} parameters, "
            f"{outcome['seconds']:.0f} s; history: {run.directory / 'history.png'}"
        )
        if advice := run.still_improving():
            console.print(advice)

    return write_result(options, result, show)


def tune(options: argparse.Namespace) -> None:
    from raysq.training.keras_callbacks.named import import_callbacks
    from raysq.tuning.read_domains import parse_search
    from raysq.tuning.search import tune
    from raysq.tuning.stoppers import parse_stop

    experiment = tune(
        options.task,
        data=options.data,
        model=options.model,
        trials=options.trials,
        workers_per_trial=options.workers_per_trial,
        gpu=options.gpu,
        metric=options.metric,
        mode=options.mode,
        stop=parse_stop(options.stop),
        callbacks=import_callbacks(options.callback),
        generations=options.generations,
        scheduler=options.scheduler,
        searcher=options.searcher,
        time=options.time,
        max_concurrent=options.max_concurrent,
        refit=options.refit,
        storage=options.storage,
        seed=options.seed,
        settings=overrides(options),
        preset=options.preset,
        search=parse_search(options.search),
        track=options.track,
        name=options.name,
        fresh=options.fresh,
        quiet=options.json,
        trust=options.trust,
    )
    result = {
        "experiment": str(experiment.directory),
        "space": experiment.about["space"],
        "defaults": experiment.about["defaults"],
        "trials": len(experiment.trials),
        "best": {
            "config": experiment.best_config,
            "metrics": experiment.best_metrics,
            "run": (experiment.best or {})["run"],
        },
        "refit": experiment.refit,
        "metric": experiment.goal.metric,
        "mode": experiment.goal.mode,
        "health": experiment.health(),
        "cost": experiment.cost(),
        "memory": max((trial.get("memory", 0) for trial in experiment.trials), default=0),
        "seconds": experiment.seconds,
    }
    write_result(options, result, experiment.show)


def evaluate(options: argparse.Namespace) -> None:
    from raysq.data.dataset import Dataset
    from raysq.problems.capabilities import EvaluationDetails
    from raysq.training.evaluation import evaluate_in_detail
    from raysq.training.published import compare_published
    from raysq.training.run import Run

    run = Run.open(options.run_name, trust=options.trust)
    outcome = run.result() or {}
    messages: list[str] = []
    splits = tuple(options.split or ("val", "test"))
    metrics_by_model, details = evaluate_in_detail(run, splits, gpu=options.gpu, on_message=messages.append)
    config = run.config
    problem = config.make_problem()
    remarks = problem.describe()
    published = compare_published(run, Dataset.open(config.data), metrics_by_model[config.model])
    result = {
        "run": str(run.directory),
        "task": config.task,
        "model": config.model,
        "seed": config.seed,
        "steps": outcome.get("steps"),
        "seconds": outcome.get("seconds"),
        "still_improving": run.still_improving() is not None,
        "synthetic": config.synthetic,
        "metrics": metrics_by_model[config.model],
        "baseline": metrics_by_model.get("baseline"),
        "references": {name: metrics for name, metrics in metrics_by_model.items() if name != config.model},
        "published": [comparison.to_json() for comparison in published],
        "details": details,
        "messages": messages,
        "remarks": remarks,
    }

    def show(console: Any) -> None:
        for line in remarks:
            print_message(line)
        metrics_table(console, metrics_by_model, config)
        for comparison in published:
            console.print(comparison.describe())
        for message in messages:
            console.print(message)
        if isinstance(problem, EvaluationDetails):
            for split, figures in details.items():
                for item in problem.evaluation_tables(figures, split):
                    plain_item(console, item)
        if advice := run.still_improving():
            console.print(advice)

    write_result(options, result, show)


def backtest(options: argparse.Namespace) -> None:
    from raysq.training.backtest import backtest
    from raysq.training.run import Run
    from raysq.training.worker_range import WorkerRange

    def on_fold(number: int, fold: dict[str, Any]) -> None:
        if not options.json:
            figures = (f"{name} {metric(metrics['test_loss'])}" for name, metrics in fold["metrics"].items())
            print_message(f"fold {number}/{options.folds}  test_loss: {'  '.join(figures)}  {fold['run']}")

    outcome = backtest(
        options.task,
        folds=options.folds,
        data=options.data,
        model=options.model,
        workers=WorkerRange.parse(options.workers),
        gpu=options.gpu,
        seed=options.seed,
        settings=overrides(options),
        preset=options.preset,
        threads=options.threads,
        fresh=options.fresh,
        quiet=options.json,
        trust=options.trust,
        on_fold=on_fold,
    )
    summary = outcome.summary()

    def show(console: Any) -> None:
        from rich.table import Table

        config = Run.open(outcome.folds[0]["run"], trust=options.trust).config
        names = list(summary[outcome.models[0]])
        if len(names) > WIDEST:  # metrics of single outputs are in the fold's run and in --json
            names = [name for name in names if "_" not in name.removeprefix("test_").removesuffix("_original")]
        table = Table("fold", "model", *headings(names, config))
        for number, fold in enumerate(outcome.folds, 1):
            for model in outcome.models:
                values = (fold["metrics"][model].get(name) for name in names)
                table.add_row(str(number), model, *map(metric, values))
            table.add_section()
        for model in outcome.models:
            entries = (summary[model].get(name) for name in names)
            table.add_row("mean ± sd", model, *(_spread(entry) for entry in entries))
        console.print(table)

    result = {"folds": outcome.folds, "summary": summary, "synthetic": outcome.synthetic}
    write_result(options, result, show)


def _spread(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "-"
    return metric(entry["mean"]) + ("" if entry["std"] is None else f" ± {metric(entry['std'])}")
