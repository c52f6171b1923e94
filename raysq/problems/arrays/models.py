"""Models of tables: dense layers over numbers and embedded categories, linear models, and untrained references.

Every builder takes an `InputSpec` with named inputs and targets, and keyword settings, and returns an uncompiled Keras
model. Its outputs are probabilities for a class, and normalized numbers for a value; several are a dict by target.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import keras
import numpy as np

from raysq.config import Range
from raysq.errors import UsageError
from raysq.layers import Constant
from raysq.problems.arrays.design import divided, is_ids
from raysq.problems.arrays.inputs import layer_name
from raysq.problems.arrays.references import LinearSolution
from raysq.problems.setting_types import Count, OptionalCount, Rate
from raysq.problems.specs import ArraySpec, InputSpec

_WIDEST = 50  # of an embedding whose width is not given
Alpha = Annotated[float, Range(above=0)]


def baseline(inputs: InputSpec) -> keras.Model:
    """Predict the class shares or the mean of the training rows for every row. There is nothing to train."""
    x = _inputs(inputs)
    first = next(iter(x.values()))
    outputs = {}
    for name, spec in inputs.targets_by_name.items():
        constant = [float(value) for value in np.ravel(spec.extra["constant"]())]
        shape = _output_shape(spec)
        output = Constant(constant)(first)
        outputs[name] = keras.layers.Reshape(shape)(output) if len(shape) > 1 else output
    return _model(x, outputs, "baseline")


def mlp(
    inputs: InputSpec,
    *,
    units: Count = 64,
    layers: Count = 2,
    dropout: Rate = 0.0,
    embedding: OptionalCount = None,
    activation: Literal["relu", "gelu", "selu", "tanh"] = "relu",
    normalize: bool = False,
) -> keras.Model:
    """Build dense layers over all inputs, with dropout after each.

    Categories and lists of ids are embedded, those of a list averaged. Tensors are flattened.

    Args:
        inputs: input spec of a table.
        units: units of each layer.
        layers: number of hidden layers.
        dropout: share of the units to drop in training.
        embedding: width of the embedding of each column of ids. None for 1.6 times the ids to the power of 0.56, at
            most 50.
        activation: activation of the hidden layers.
        normalize: whether batch normalization follows each layer.
    """
    x = _inputs(inputs)
    parts = [_features(name, spec, x[name], embedding) for name, spec in inputs.inputs.items()]
    hidden = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for number in range(1, layers + 1):
        hidden = keras.layers.Dense(units, activation=activation, name=f"dense_{number}")(hidden)
        if normalize:
            hidden = keras.layers.BatchNormalization(name=f"normal_{number}")(hidden)
        if dropout:
            hidden = keras.layers.Dropout(dropout)(hidden)
    outputs = {name: _head(inputs, name, hidden) for name in inputs.targets_by_name}
    return _model(x, outputs, "mlp")


def linear(inputs: InputSpec, *, l2: Annotated[float, Range(least=0)] = 0.0) -> keras.Model:
    """Build a linear model of numbers, or a logistic one of classes, with a weight for each id of a category.

    Args:
        inputs: input spec of a table.
        l2: factor of the squared weights in the loss.
    """
    penalty = keras.regularizers.L2(l2) if l2 else None
    return _linear(inputs, "linear", penalty=penalty)


def ridge(inputs: InputSpec, *, alpha: Alpha = 1.0) -> keras.Model:
    """Build ridge regressions, solved in closed form. There is nothing to train.

    Args:
        inputs: input spec of a table with numbers as targets.
        alpha: penalty of the squared weights, as scikit-learn's `Ridge`.

    Raises:
        UsageError: a target holds classes, or there are too many inputs.
    """
    return _solved(inputs, "ridge", alpha)


def logistic(inputs: InputSpec, *, alpha: Alpha = 1.0) -> keras.Model:
    """Build logistic regressions, solved by Newton's method. There is nothing to train.

    Args:
        inputs: input spec of a table with classes as targets.
        alpha: penalty of the squared weights, 1 / C of scikit-learn's `LogisticRegression`.

    Raises:
        UsageError: a target holds numbers, or there are too many inputs.
    """
    return _solved(inputs, "logistic", alpha)


def _inputs(inputs: InputSpec) -> dict[str, Any]:
    return {name: keras.Input(tuple(spec.shape), dtype=spec.dtype, name=name) for name, spec in inputs.inputs.items()}


def _model(x: Mapping[str, Any], outputs: Mapping[str, Any], name: str) -> keras.Model:
    """Return the model of named inputs and outputs, bare where there is one."""
    single = next(iter(x.values())) if len(x) == 1 else dict(x)
    return keras.Model(single, next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs), name=name)


def _flat(name: str, spec: ArraySpec, x: Any) -> Any:
    """Return numbers or tensors in a row, tensors normalized by the mean and deviation of all their numbers."""
    if "deviation" in spec.extra:
        scale = 1.0 / spec.extra["deviation"]
        x = keras.layers.Rescaling(scale, -spec.extra["mean"] * scale, name=f"scale_{name}")(x)
    return keras.layers.Flatten(name=f"flatten_{name}")(x) if len(spec.shape) != 1 else x


def _features(name: str, spec: ArraySpec, x: Any, embedding: int | None) -> Any:
    if spec.categories is None:
        return _flat(name, spec, x)
    width = embedding or min(_WIDEST, round(1.6 * spec.categories**0.56))
    listed = not is_ids(spec)
    embedded = keras.layers.Embedding(spec.categories, width, name=f"embedding_{name}")(x)
    if listed:
        return _mean(x, embedded)
    return keras.layers.Flatten(name=f"flatten_{name}")(embedded)


def _mean(ids: Any, embedded: Any) -> Any:
    """Return the mean of the vectors of a list's ids, 0 for a list of none.

    GlobalAveragePooling1D divides by 0 there, and one such row makes all weights NaN.
    """
    given = keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(ids, 0), embedded.dtype), -1)
    return keras.ops.sum(embedded * given, axis=1) / keras.ops.maximum(keras.ops.sum(given, axis=1), 1.0)


def _output_shape(spec: ArraySpec) -> tuple[int, ...]:
    return (spec.categories,) if spec.categories is not None else tuple(spec.shape)


def _head_name(inputs: InputSpec, name: str) -> str:
    taken = list(inputs.inputs)
    for target in inputs.targets_by_name:
        label = layer_name(target, taken)
        if target == name:
            return label
        taken.append(label)
    raise KeyError(name)


def _head(inputs: InputSpec, name: str, hidden: Any) -> Any:
    spec = inputs.targets_by_name[name]
    shape = _output_shape(spec)
    activation = "softmax" if spec.categories is not None else None
    label = _head_name(inputs, name)
    # float32 also in mixed precision: the loss takes the logarithm of the output.
    if len(shape) == 1:
        return keras.layers.Dense(shape[0], activation=activation, dtype="float32", name=label)(hidden)
    flat = keras.layers.Dense(int(np.prod(shape)), dtype="float32", name=f"flat_{label}")(hidden)
    return keras.layers.Reshape(shape, dtype="float32", name=label)(flat)


def _solved(inputs: InputSpec, name: str, alpha: float) -> keras.Model:
    solve: Callable[[str, str, float], LinearSolution] | None = inputs.extra["solve"]
    if solve is None:
        raise UsageError(f"model {name} is not for this table: {inputs.extra['unsolved']}; model=linear is trained")
    wants_classes = name == "logistic"
    for target, spec in inputs.targets_by_name.items():
        if (spec.categories is not None) != wants_classes:
            holds, other = ("numbers", "ridge") if wants_classes else ("classes", "logistic")
            raise UsageError(
                f"model {name} is not for target {target}, which holds {holds}: --model {other} is, or --model linear"
            )
    solutions = {target: solve(name, target, alpha) for target in inputs.targets_by_name}
    return _linear(inputs, name, solutions)


def _linear(
    inputs: InputSpec, name: str, solutions: Mapping[str, LinearSolution] | None = None, penalty: Any = None
) -> keras.Model:
    x = _inputs(inputs)
    outputs = {}
    weights: list[tuple[Any, list[np.ndarray]]] = []
    for target, spec in inputs.targets_by_name.items():
        shape = _output_shape(spec)
        width = int(np.prod(shape))
        parts = []
        solution = None if solutions is None else solutions[target]
        slices = {} if solution is None else divided(inputs.inputs, solution.weights)
        label = _head_name(inputs, target)
        for number, (key, given) in enumerate(inputs.inputs.items()):
            layer: Any
            if given.categories is not None:
                layer = keras.layers.Embedding(
                    given.categories,
                    width,
                    embeddings_initializer="zeros",
                    embeddings_regularizer=penalty,
                    trainable=solutions is None,
                    name=f"{label}_of_{key}",
                )
                embedded = layer(x[key])
                parts.append(keras.layers.Flatten()(embedded) if is_ids(given) else _mean(x[key], embedded))
            else:
                layer = keras.layers.Dense(
                    width,
                    use_bias=not number,
                    kernel_initializer="zeros",
                    kernel_regularizer=penalty,
                    trainable=solutions is None,
                    name=f"{label}_of_{key}",
                )
                parts.append(layer(_flat(f"{label}_{key}", given, x[key])))
            if solution is not None:
                of_layer = slices[key] if number or given.categories is None else slices[key] + solution.bias
                bias = [solution.bias] if not number and given.categories is None else []
                weights.append((layer, [of_layer, *bias]))
        scores = keras.layers.Add(name=f"{label}_sum")(parts) if len(parts) > 1 else parts[0]
        if spec.categories is not None:
            outputs[target] = keras.layers.Activation("softmax", dtype="float32", name=label)(scores)
        else:
            outputs[target] = keras.layers.Reshape(shape, dtype="float32", name=label)(scores)
    model = _model(x, outputs, name)
    for layer, values in weights:
        layer.set_weights([value.astype(np.float32) for value in values])
    return model
