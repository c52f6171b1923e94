"""Arguments of `Model.compile`, matched with the outputs of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import keras

from raysq.errors import UsageError
from raysq.problems.model_outputs import match_outputs


def pick(nest: Any, name: str) -> Any:
    """Return one output of a nest; `name` is "" for the only one."""
    return nest[name] if name else nest


@dataclass(frozen=True)
class CompileArguments:
    """Arguments of `Model.compile`, by output.

    Attributes:
        names: name of the target of each output, in the order in which Keras flattens the outputs; `("",)` for one.
        synonyms: names of the outputs in the model, by which they may also be given.
        structure: predictions in the structure of the model.
    """

    names: tuple[str, ...]
    synonyms: Mapping[str, str]
    structure: Any

    @classmethod
    def of(cls, prediction: Any, y: Any, model: keras.Model) -> Self:
        """Return the outputs of a model.

        Args:
            prediction: result of calling the model.
            y: targets, one tensor or a dict by name.
            model: the model.
        """
        order = keras.tree.pack_sequence_as(prediction, range(len(keras.tree.flatten(prediction))))
        numbers = match_outputs(order, y, model)
        by_number = {number: name for name, number in numbers.items()} if isinstance(y, Mapping) else {0: ""}
        names = tuple(by_number[number] for number in sorted(by_number))
        synonyms = dict(zip(getattr(model, "output_names", None) or (), names, strict=False))
        return cls(names, {**synonyms, **{name: name for name in names}}, prediction)

    def losses_by_output(self, value: Any, model: str) -> dict[str, Any]:
        """Return the argument `loss` by output, without outputs that have none.

        Raises:
            UsageError: it has another structure than the outputs.
        """
        if value is None:
            return {}
        if not isinstance(value, (list, tuple, Mapping)):
            return dict.fromkeys(self.names, value)
        losses = self._by_output(value, "loss", model)
        return {output: losses[output] for output in self.names if losses.get(output) is not None}

    def weights_by_output(self, value: Any, model: str) -> dict[str, float]:
        """Return the argument `loss_weights` by output.

        Raises:
            UsageError: it has another structure than the outputs.
        """
        if value is None:
            return {}
        if not isinstance(value, (list, tuple, Mapping)):
            value = [value]
        weights = self._by_output(value, "loss_weights", model)
        return {output: float(weight) for output, weight in weights.items() if weight is not None}

    def metrics_by_output(self, value: Any, argument: str, model: str) -> dict[str, list[Any]]:
        """Return the argument `metrics` or `weighted_metrics` as a list for each output.

        Raises:
            UsageError: it has another structure than the outputs.
        """
        if not value:
            return {}
        if self.names == ("",):
            return {"": [metric for metric in keras.tree.flatten(value) if metric is not None]}
        by_output = self._by_output(value, argument, model)
        lists = {name: list(part) if isinstance(part, (list, tuple)) else [part] for name, part in by_output.items()}
        return {name: [metric for metric in lists[name] if metric is not None] for name in self.names if name in lists}

    def _by_output(self, value: Any, argument: str, model: str) -> dict[str, Any]:
        if isinstance(value, Mapping) and all(name in self.synonyms for name in value):
            return {self.synonyms[name]: part for name, part in value.items()}
        if not isinstance(value, Mapping) and len(value) == len(self.names):
            return dict(zip(self.names, value, strict=True))
        parts = self._nested_parts(value)
        if parts is None:
            outputs = "one output" if self.names == ("",) else f"the outputs {', '.join(self.names)}"
            given = f"the keys {', '.join(map(str, value))}" if isinstance(value, Mapping) else f"{len(value)} entries"
            raise UsageError(
                f"model {model!r} is compiled with {argument} of {given}, and has {outputs}: give "
                f"{'it by itself' if self.names == ('',) else 'a dict by output'}"
            )
        return dict(zip(self.names, parts, strict=True))

    def _nested_parts(self, value: Any) -> list[Any] | None:
        """Return the parts of an argument in the structure of the outputs; None where it has another one."""
        if self.names == ("",):
            return None
        parts: list[Any] = []
        structure, nested = _plain(self.structure), _plain(value)
        try:
            keras.tree.map_structure_up_to(structure, lambda _, part: parts.append(part), structure, nested)
        except (TypeError, ValueError):
            return None
        return parts


def _plain(nest: Any) -> Any:
    """Return a nest of dicts and tuples only; Keras wraps what a model holds in classes of its own."""
    if isinstance(nest, Mapping):
        return {name: _plain(part) for name, part in nest.items()}
    return tuple(map(_plain, nest)) if isinstance(nest, (list, tuple)) else nest
