"""A training run, which is a directory with a configuration: create, open and list runs."""

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raysq.config import join_names
from raysq.data.dataset import Dataset
from raysq.display import notebook
from raysq.display.numbers import metric
from raysq.errors import DamagedError, DataError, RaysqError, UsageError
from raysq.problems.base import Problem
from raysq.storage.atomic import write_json
from raysq.storage.json_files import Version, check_schema, read_json
from raysq.storage.paths import check_name, home, newest_first
from raysq.storage.trust import SIGNATURE, check_links, is_signed, sign
from raysq.training.config_differences import describe_differences
from raysq.training.find_run import find_run, remove_run
from raysq.training.goal import best_record
from raysq.training.improvement import is_still_improving
from raysq.training.passed_models import SOURCE_FILE, source_of
from raysq.training.run_config import RunConfig
from raysq.training.run_files import RunFiles
from raysq.training.user_code import is_own

if TYPE_CHECKING:
    from raysq.report.inline import Report

FORMAT_VERSION = 6  # 6: `settings` by section, `metadata`
_VERSION = Version(FORMAT_VERSION, oldest=6)
_PURPOSE = "run"  # of the signature


class Run(RunFiles):
    """A training run, stored in a directory.

    The directory holds `config.json`, `metrics.jsonl`, `checkpoints/`, `result.json`, `model.keras`, `history.png`,
    and `assets/` where its problem has assets. Where the model is a function that was passed in Python, its source is
    in `model_source.py`.

    Attributes:
        directory: path of the run's directory.
        config: configuration of the run.
        epoch: the kept epoch whose weights predictions are made with; None for the best.
    """

    def __init__(self, directory: Path, config: RunConfig, epoch: int | None = None):
        super().__init__(directory)
        self.config = config
        self.epoch = epoch

    def __repr__(self) -> str:
        figures = notebook.readable(self._figures)
        metrics = figures.get("metrics") or {}
        loss = {key: metrics[key] for key in ("val_loss", "test_loss") if key in metrics}
        fields = {"task": self.config.task, "model": self.config.model, "state": figures["state"]}
        return notebook.line("Run", self.name, {**fields, **loss})

    def _repr_html_(self) -> str:
        fields: dict[str, Any] = {name: getattr(self.config, name) for name in ("task", "model", "data")}
        fields |= {"seed": str(self.config.seed), **notebook.readable(self._figures)}
        return notebook.card(f"Run {self.name}", {**fields, "directory": self.directory})

    def _figures(self) -> dict[str, Any]:
        """Return the run's state and metrics for display."""
        result = self.result()
        if result is not None:
            best = f"{result['best_epoch']} of {result['epochs']}{', still improving' * bool(self.still_improving())}"
            return {"state": "finished", "best epoch": best, "metrics": result["metrics"]}
        last = next(iter(self.metrics()[-1:]), {})
        metrics = {key: value for key, value in last.items() if key.startswith("val_")}
        return {"state": f"{last['epoch']} epochs" if last else "new", "metrics": metrics or None}

    @classmethod
    def create(
        cls,
        config: RunConfig,
        *,
        name: str | None = None,
        fresh: bool = False,
        folder: Path | None = None,
        trust: bool = False,
    ) -> "Run":
        """Create the run of a configuration, or return the existing run to continue it.

        An existing run of the same name with another configuration is replaced if it has not trained a step.

        Args:
            config: configuration of the run.
            name: name of its directory. Defaults to the configuration's id.
            fresh: whether to remove an existing run of that name.
            folder: parent directory of the run. Defaults to RAYSQ_HOME/runs.
            trust: see `open`; applies to an existing run.

        Returns:
            The new or existing run.

        Raises:
            UsageError: a run of that name has another configuration and has trained steps.
            RaysqError: the directory cannot be written.
        """
        if name is not None:
            check_name(name, "run")
        directory = (folder or home() / "runs") / (name or config.id)
        if (directory / "config.json").exists():
            if not fresh:
                existing = cls.open(directory, trust=trust)
                if existing.config.id == config.id:
                    if is_own(config.model) and not existing.config.may_import:
                        return cls._write(directory, config)  # same model, named here: sign it
                    return existing
                if existing.state() != "new":  # replacing a new run loses nothing: its model may not have been built
                    differences = describe_differences(existing.config, config)
                    raise UsageError(
                        f"run {directory.name} exists with other settings ({differences}): "
                        "choose another --name, or --fresh to start anew"
                    )
            remove_run(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RaysqError(
                f"{directory} cannot be written ({error.strerror}); set RAYSQ_HOME to a folder that can"
            ) from None
        return cls._write(directory, config)

    @classmethod
    def _write(cls, directory: Path, config: RunConfig) -> "Run":
        values = asdict(config)
        signature = {SIGNATURE: sign(_PURPOSE, values)} if is_own(config.model) else {}
        write_json(directory / "config.json", {"format_version": FORMAT_VERSION, **values, **signature})
        if (source := source_of(config.model, config.source_digest)) is not None:
            (directory / SOURCE_FILE).write_text(source, encoding="utf-8")
        return cls(directory, config)

    @classmethod
    def open(cls, run: str | Path, *, trust: bool = False) -> "Run":
        """Open an existing run.

        Args:
            run: directory, id, or an unambiguous prefix of the id.
            trust: whether to trust a run that this home did not create. If True, the module of a user's model may be
                imported, and links may lead out of the directory.

        Returns:
            The run.

        Raises:
            DataError: there is no such run (the error lists similar names), a newer raysq wrote it, or a link leads
                out of its directory.
            UsageError: the name is empty.
        """
        directory = find_run(run)
        if not trust:
            check_links(directory)
        hint = f"train it again with --fresh, or remove it with `raysq rm {directory.name}`"
        values = read_json(directory / "config.json", dict[str, Any], hint, version=_VERSION)
        del values["format_version"]
        signature = values.pop(SIGNATURE, None)
        try:
            check_schema(values, RunConfig)
        except ValueError as error:
            raise DamagedError(f"{directory / 'config.json'} is damaged ({error}); {hint}") from None
        config = RunConfig(
            **values, trusted=trust or (is_own(values["model"]) and is_signed(_PURPOSE, values, signature))
        )
        if trust and not Path(config.source_folder).is_dir():
            config = replace(config, source_folder=os.getcwd())  # the recorded folder is on another machine
        return cls(directory, config)

    @classmethod
    def of(cls, run: "Run | str | Path", *, trust: bool = False) -> "Run":
        """Return an open run as it is, or open a run by directory or id; see `open`."""
        if isinstance(run, Run):
            return cls.open(run.directory, trust=True).at(run.epoch) if trust and not run.config.may_import else run
        return cls.open(run, trust=trust)

    def named(self, model: str, source: tuple[str, str]) -> "Run":
        """Return the same run, with its model trusted if a search's user named it; `source` is digest and folder."""
        digest, folder = source
        if (self.config.model, self.config.source_digest) != (model, digest):
            return self
        return Run(self.directory, replace(self.config, source_folder=folder, trusted=True))

    def resolved(self) -> "Run":
        """Return the same run with an absolute path, for another process; it keeps its trust."""
        return Run(self.directory.resolve(), self.config, self.epoch)

    def at(self, epoch: int | None) -> "Run":
        """Return the same run with the weights of a kept epoch for predictions; None changes nothing.

        Raises:
            UsageError: the weights of that epoch are not kept.
        """
        if epoch is None:
            return self
        kept = self.kept_epochs()
        if epoch not in kept:
            numbers = join_names(list(map(str, kept)))
            which = f"those of epoch{'s' * (len(kept) > 1)} {numbers}" if kept else "none but the best"
            raise UsageError(
                f"run {self.name} does not keep the weights of epoch {epoch}, it has {which}: train with --keep-epochs"
            )
        return Run(self.directory, self.config, epoch)

    def open_dataset(self) -> Dataset:
        """Open the data set that the run was trained on.

        Raises:
            DataError: it is missing, or has changed since.
        """
        dataset = Dataset.open(self.config.data)
        if dataset.fingerprint != self.config.fingerprint:
            raise DataError(f"data set {self.config.data} has changed since run {self.name} was trained on it")
        return dataset

    def with_best(self, what: str) -> "Run":
        """Return the run, for what takes the weights of the best epoch alone.

        Raises:
            UsageError: the run stands for a kept epoch.
        """
        if self.epoch is not None:
            raise UsageError(
                f"{what} takes the best weights of a run, received run {self.name} at its epoch {self.epoch}: "
                "give the run without the epoch"
            )
        return self

    @property
    def problem(self) -> Problem[Any, Any]:
        """The run's problem, bound to its settings, metadata and assets."""
        return self.config.make_problem(self.assets)

    def report(self, *, output: str | Path | None = None, **options: Any) -> "Report":
        """Write the run's report, which notebooks show in the cell.

        Args:
            output, options: see `raysq.write_report`.

        Returns:
            The report, whose `path` is that of its file.

        Raises:
            UsageError, DamagedError, SourceError: see `raysq.write_report`.
        """
        from raysq.report.inline import Report
        from raysq.report.page import write_report  # which imports this module

        return Report(write_report(self, output=output, **options))

    def still_improving(self) -> str | None:
        """Return a message if a finished run was still improving when its last epoch ended, else None.

        See `raysq.training.improvement.is_still_improving`.
        """
        result = self.result()
        epochs = self.config.settings["training"]["epochs"]
        records = self.metrics()
        if result is None or not is_still_improving(records, epochs, result["steps"]):
            return None
        best = best_record(records)
        assert best is not None
        return (
            f"still improving when it ended: the lowest val_loss came in epoch {best['epoch']} of {epochs}; train "
            f"longer, such as with --epochs {2 * epochs} (a new run)"
        )


def runs(on_damaged: Callable[[Path, DataError], None] | None = None) -> list[Run]:
    """Return all runs, newest first.

    Args:
        on_damaged: called with the directory and the error of each run that cannot be read. Such runs are left out.
            Defaults to a warning.

    Example:
        >>> [run.name for run in raysq.runs() if run.state() == "finished"]
    """
    found = newest_first("runs/*/config.json", Run.open, "run", on_damaged)
    return notebook.Listing(found, ("run", "state", "epochs", "best val_loss", "data"), _row, names=2)


def _row(run: Run) -> list[str]:
    """Return a run's row of a notebook's table."""

    def read() -> dict[str, Any]:
        records = run.metrics()
        best = best_record(records)
        return {"state": run.state(), "epochs": len(records), "best": None if best is None else best["val_loss"]}

    found = notebook.readable(read)
    data = "synthetic" if run.config.synthetic else "real"
    return [run.name, str(found["state"]), str(found.get("epochs", "")), metric(found.get("best")), data]
