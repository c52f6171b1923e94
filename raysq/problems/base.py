"""The protocol between the core and a problem; the core never names a problem."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from raysq.config import Option, make_settings
from raysq.errors import DataError, UsageError
from raysq.problems.interface import Input, Interface, Output
from raysq.problems.specs import BatchSource, InputSpec, ModelSpec, Objective
from raysq.storage.json_files import check_schema

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from raysq.data.dataset import Dataset
    from raysq.problems.charts import Section


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a run needs to know of its data to predict and to denormalize metrics without them.

    Subclasses add fields of JSON types: numbers, texts, None, lists, and dicts with texts as keys.

    Attributes:
        preprocessor: settings of the preprocessor that prepared the data.
        unit: unit of the target for display, or None.
    """

    preprocessor: dict[str, Any]
    unit: str | None = None


@dataclass(frozen=True)
class RowContext:
    """Place of rows to predict for, where they come from a file or are a part of a longer table.

    Attributes:
        report: report of the preprocessor that read the rows, or None.
        positions: first row and end row to predict at, or None for all.
        offset: number of the table's first row in the longer table.
        latest: whether to predict only from the latest rows of each series, where the problem is `Windowed`.
    """

    report: Mapping[str, Any] | None = None
    positions: tuple[int, int] | None = None
    offset: int = 0
    latest: bool = False


class ReportModel(Protocol):
    """A run's model, as reports see it. Results are stored, so that a second report does not build the model."""

    def predict(self, x: Any) -> Any:
        """Return the predictions for a batch of inputs: an array, or a dict by name of several outputs.

        Args:
            x: array, or dict of arrays by the inputs' names.
        """
        ...

    def embedding(self) -> np.ndarray | None:
        """Return the weights of the model's first Embedding layer, or None."""
        ...

    def activations(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """Return the output of each layer for a batch of inputs, by the layer's name."""
        ...

    def analysis(self) -> dict[str, Any]:
        """Return the result of `Analyzed.analysis`."""
        ...


S = TypeVar("S")
M = TypeVar("M", bound=Metadata)


class Problem(ABC, Generic[S, M]):
    """Base class of problems: how raw records become examples, which models fit, how to predict, what a report shows.

    An object is bound to settings and to the metadata of a data set, so it predicts without the data set. What only
    some problems can do is declared by the protocols of `raysq.problems.capabilities`.

    Attributes:
        name: "forecasting", "images", ...
        noun: a trained model of the problem in words, with its article: "a language model". By default it is made of
            the name.
        Settings: frozen dataclass of the batch-time settings (section `data`).
        Metadata: frozen dataclass, a subclass of `Metadata`.
        Preprocessor: frozen dataclass, a subclass of `raysq.data.preprocessor.Preprocessor`.
        models: models by name; "baseline" is always among them.
        default_model: the model to train if none is named. By default it is the first that is no baseline.
        exclusive_settings: groups of settings that replace one another.
        refused_settings: settings of other problems that mean nothing here, and why.
        later_settings: settings that came later, with the value of no effect as JSON has it. With that value a run's id
            is the one of before.
        prepare_options: options of `raysq prepare` for a person's own data.
        report_options: options of `raysq report`.
        settings: the settings.
        metadata: the metadata.
        assets: folder of the run's assets, or None.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    Settings: ClassVar[type[Any]]
    Metadata: ClassVar[type[Any]] = Metadata
    Preprocessor: ClassVar[type[Any]]
    models: ClassVar[Mapping[str, ModelSpec]]
    default_model: ClassVar[str]
    exclusive_settings: ClassVar[tuple[tuple[str, ...], ...]] = ()
    refused_settings: ClassVar[Mapping[str, str]] = {}
    later_settings: ClassVar[Mapping[str, Any]] = {}
    prepare_options: ClassVar[tuple[Option, ...]] = ()
    report_options: ClassVar[tuple[Option, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "name" in vars(cls) and not hasattr(cls, "noun"):
            cls.noun = f"a model of {cls.name}"
        if "models" in vars(cls) and not hasattr(cls, "default_model"):
            cls.default_model = next((name for name in cls.models if name != "baseline"), "baseline")

    def __init__(self, settings: S, metadata: M, assets: "Path | None" = None):
        self.settings = settings
        self.metadata = metadata
        self.assets = assets

    @classmethod
    def from_dataset(cls, dataset: "Dataset", values: Mapping[str, Any]) -> Self:
        """Bind the problem to a data set.

        Args:
            dataset: a prepared data set.
            values: settings as the user writes them. Strings are parsed.

        Raises:
            UsageError: a setting is unknown or has a wrong value.
            DataError: the settings do not fit the data set.
        """
        settings = make_settings(cls.Settings, cls.resolve_settings(values, dataset))
        return cls(settings, cls.make_metadata(dataset, settings))

    @classmethod
    def from_config(
        cls, settings: Mapping[str, Any], metadata: Mapping[str, Any], assets: "Path | None" = None
    ) -> Self:
        """Bind the problem to the settings and the metadata that a run's configuration holds.

        Args:
            settings: resolved settings.
            metadata: result of `metadata_values`.
            assets: folder of the run's assets.

        Raises:
            UsageError: a setting is unknown or has a wrong value.
            DataError: the metadata are not of the type `Metadata`.
        """
        try:
            check_schema(metadata, cls.Metadata)
        except ValueError as error:
            raise DataError(f"the metadata of a run of {cls.name} cannot be used: {error}") from None
        return cls(make_settings(cls.Settings, settings), cls.Metadata(**metadata), assets)

    @classmethod
    def resolve_settings(cls, values: Mapping[str, Any], dataset: "Dataset") -> dict[str, Any]:
        """Convert settings as the user writes them, such as durations, to the values of the fields of `Settings`.

        Defaults that depend on the data set are added. By default the settings are returned unchanged.
        """
        return dict(values)

    @classmethod
    @abstractmethod
    def make_metadata(cls, dataset: "Dataset", settings: S) -> M:
        """Return the metadata of a data set under the given settings.

        Raises:
            DataError: the settings do not fit the data set.
        """

    @classmethod
    def write_sample(cls, directory: "Path", spec: str) -> "Path":
        """Write synthetic raw data, and return their path.

        Args:
            directory: folder to write to.
            spec: size as the user wrote it after "sample:", or "".

        Raises:
            UsageError: the problem has no sample, or the size cannot be parsed.
        """
        raise UsageError(f"problem {cls.name} has no built-in sample: give --source PATH")

    def metadata_values(self) -> dict[str, Any]:
        """Return the metadata as JSON-ready values, for `from_config`."""
        return asdict(self.metadata)

    @cached_property
    def preprocessor(self) -> Any:
        """The preprocessor that prepared the data, of the class `Preprocessor`.

        Raises:
            DataError: the metadata are not those of a preprocessor.
        """
        try:
            return make_settings(self.Preprocessor, self.metadata.preprocessor)
        except UsageError as error:
            raise DataError(f"the metadata of a run of {self.name} cannot be used: preprocessor: {error}") from None

    @property
    def unit(self) -> str | None:
        """Unit of the target for display, or None."""
        return self.metadata.unit

    @property
    def idle_settings(self) -> tuple[str, ...]:
        """Names of settings that have no effect under the others. A search leaves them out."""
        return ()

    @property
    def loss_settings(self) -> tuple[str, ...]:
        """Names of settings that change the loss itself, so that it does not rank trials with different values."""
        return ()

    @abstractmethod
    def splits(self, dataset: "Dataset") -> Mapping[str, BatchSource]:
        """Return the batch sources of "train", "val" and "test"; "test" may be empty.

        Raises:
            DataError: a split does not fit the data set.
        """

    @abstractmethod
    def input_spec(self, dataset: "Dataset") -> InputSpec:
        """Return the input spec for model builders."""

    @abstractmethod
    def objective(self) -> Objective:
        """Return the loss and the metrics."""

    def baselines(self) -> dict[str, Mapping[str, Any]]:
        """Return the untrained models whose metrics are shown with every result, and the settings that they change.

        "baseline" comes first. By default it is the only one, and it changes nothing.
        """
        return {"baseline": {}}

    def denormalize_metrics(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return metrics in the unit of the target, to be shown in addition. By default there are none."""
        return {}

    def describe(self) -> list[str]:
        """Return messages about the resolved settings, for the user before training. By default there are none."""
        return []

    def asset_files(self, dataset: "Dataset") -> dict[str, bytes]:
        """Return files by name that predictions need in addition to the metadata, such as a vocabulary.

        They are written to RUN/assets. By default there are none.
        """
        return {}

    def prediction_preprocessor(self) -> Any:
        """Return the preprocessor that reads raw files for predictions. By default it is the data set's."""
        return self.preprocessor

    def describe_rows(self, report: Mapping[str, Any]) -> list[str]:
        """Return messages about rows to predict for, such as series that are too short. By default there are none.

        Args:
            report: report of the preprocessor that read the rows.
        """
        return []

    def interface(self) -> Interface:
        """Return what the run takes and gives, for `raysq serve`. By default both are rows of unnamed columns."""
        return Interface(Input("rows"), Output("values"))

    @abstractmethod
    def predict(self, model: Any, rows: "pa.Table", context: RowContext | None = None) -> "pa.Table":
        """Return predictions for raw rows.

        Args:
            model: Keras model.
            rows: rows as `prediction_preprocessor` reads them.
            context: place of the rows, for problems that are `Windowed`.

        Returns:
            A table. A column `remark`, if present, holds a message about each row, or null.
        """

    @classmethod
    def overview(cls, dataset: "Dataset", values: Mapping[str, Any]) -> "list[Section]":
        """Return the sections of `raysq show`: what the data look like before anything is trained.

        By default there are none, and the page has the columns alone.

        Args:
            dataset: a prepared data set, or the first rows of raw files.
            values: settings of the batches, of the task and of the data set. They may not fit the first rows.

        Raises:
            DataError: a part of the data set is damaged.
        """
        return []

    def report(self, dataset: "Dataset", model: ReportModel, options: Mapping[str, Any]) -> "list[Section]":
        """Return the sections of the HTML report that are particular to the problem. By default there are none.

        Args:
            dataset: data set of the run.
            model: the run's model.
            options: values of `report_options` that the user gave, by setting.

        Raises:
            UsageError: an option has a wrong value.
        """
        return []
