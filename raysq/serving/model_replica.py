"""The process that holds a run's model and answers batches of requests."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from raysq.errors import DataError, RaysqError
from raysq.inference.predictor import Predictor
from raysq.problems.base import RowContext
from raysq.serving.inputs import read_rows
from raysq.serving.messages import Answer, Request, error_answer, json_answer
from raysq.serving.predictions import history_of, predict_alone, predict_together, predictions_answer
from raysq.serving.text_methods import METHODS
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

_log = logging.getLogger("ray.serve")


class ModelReplica:
    """Replica of a Serve deployment that holds one model.

    Args:
        name: name of the run for clients.
        run: the run, or its id or directory.
        driver: context of the process that serves, or None.
        gpu: whether to predict on a GPU.
        threads: TensorFlow's threads.
        trust: as for `raysq.load`.
    """

    def __init__(
        self,
        name: str,
        run: Run | str,
        driver: DriverContext | None = None,
        gpu: bool = False,
        threads: int = 1,
        trust: bool = False,
    ) -> None:
        from raysq.training.runtime import configure

        if driver is not None:
            driver.enter()
        opened = Run.of(run, trust=trust)
        configure(opened.config.train_settings(), 0, gpu=gpu, threads=threads)
        self._answerer = Answerer(name, Predictor(opened))
        # One thread: a model is used by one call at a time, and the loop stays free for checks of health.
        self._thread = ThreadPoolExecutor(1)

    async def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch of requests."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._answerer.answer, requests)

    async def columns(self) -> list[tuple[str, str]]:
        """Return names and Arrow types of the columns of predictions; none if the run has no example."""
        return self._answerer.columns


class Answerer:
    """Answers to requests of one run, by its model in this process.

    Args:
        name: name of the run for clients.
        predictor: the loaded run.

    Attributes:
        columns: names and Arrow types of the columns of predictions; empty if the run has no example.
    """

    def __init__(self, name: str, predictor: Predictor) -> None:
        self._name = name
        self._predictor = predictor
        self._interface = predictor.problem.interface()
        self.columns = self._warm_up()

    def _warm_up(self) -> list[tuple[str, str]]:
        """Predict the example, so that the model is compiled before the first request."""
        input = self._interface.input
        columns: list[tuple[str, str]] = []
        for inputs in (input.example, *([each] for each in self._interface.warm_up)):
            if not inputs:
                continue
            request = Request("predict", json_answer({"inputs": inputs}).body)
            try:
                table = predict_alone(self._predictor, *read_rows(self._predictor, input, request))
            except RaysqError as error:  # the data of this run refuse what is usual for the problem
                _log.warning(f"the example of {self._name} is not predicted: {error}")
                continue
            columns = [(field.name, str(field.type)) for field in table.schema]
        return columns

    def answer(self, requests: Sequence[Request]) -> list[Answer]:
        """Answer a batch of requests, each as if it had come alone."""
        answers: list[Answer | None] = [None] * len(requests)
        waiting: dict[int, tuple[pa.Table, RowContext | None]] = {}
        for number, request in enumerate(requests):
            try:
                if request.method == "predict":
                    waiting[number] = read_rows(self._predictor, self._interface.input, request)
                else:
                    result = METHODS[request.method](self._predictor, request.body)
                    answers[number] = json_answer({"run": self._name, **result})
            except Exception as error:
                answers[number] = _failed(error)
        for numbers in self._groups(waiting):
            for number, answer in zip(numbers, self._predict(requests, waiting, numbers), strict=True):
                answers[number] = answer
        return [answer for answer in answers if answer is not None]

    def _groups(self, waiting: "dict[int, tuple[pa.Table, RowContext | None]]") -> list[list[int]]:
        """Return the numbers of requests that are predicted together: those of one schema, if rows are independent."""
        if not self._interface.independent:
            return [[number] for number in waiting]
        groups: dict[str, list[int]] = {}
        for number, (table, _) in waiting.items():
            groups.setdefault(table.schema.to_string(show_schema_metadata=False), []).append(number)
        return list(groups.values())

    def _predict(
        self,
        requests: Sequence[Request],
        waiting: "dict[int, tuple[pa.Table, RowContext | None]]",
        numbers: list[int],
    ) -> list[Answer]:
        """Return the answers to requests that are predicted together."""
        try:
            if len(numbers) == 1:
                (number,) = numbers
                table = predict_alone(self._predictor, *waiting[number])
                if requests[number].arrow:
                    return [predictions_answer(self._name, table, arrow=True)]
                return [predictions_answer(self._name, table, history=history_of(self._predictor, *waiting[number]))]
            tables = predict_together(self._predictor, [waiting[number][0] for number in numbers])
            return [
                predictions_answer(self._name, table, requests[number].arrow)
                for number, table in zip(numbers, tables, strict=True)
            ]
        except Exception as error:
            if len(numbers) == 1:
                return [_failed(error)]
            # One of them is at fault; the others are answered.
            return [answer for number in numbers for answer in self._predict(requests, waiting, [number])]


def _failed(error: Exception) -> Answer:
    if not isinstance(error, RaysqError):
        _log.error("a request failed", exc_info=error)
    elif isinstance(error, DataError) and error.hint is not None and "--" in error.hint:
        error = type(error)(error.message)  # options of the command line are none of clients
    return error_answer(error)
