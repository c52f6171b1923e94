"""A Keras model as a graph of plain data: layers, their shapes, parameters and connections."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INPUT = "(input)"  # name of a sequential model's input, which has no layer of its own


@dataclass(frozen=True)
class Node:
    """A layer of a model.

    Attributes:
        name: The layer's name in the model.
        kind: The layer's class, with the wrapped layer's class for wrappers.
        detail: Settings such as units, filters and rates. Defaults to "".
        shape: The output's shape without the batch, such as "120 × 32". Empty if unknown.
        parameters: Number of weights, trainable or not. Defaults to 0.
        inputs: Names of the layers whose outputs the layer reads.
        inner: The nested graph of a model used as a layer.
    """

    name: str
    kind: str
    detail: str = ""
    shape: str = ""
    parameters: int = 0
    inputs: tuple[str, ...] = ()
    inner: tuple["Node", ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the node as JSON-ready values, for `node_of`."""
        return {**self.__dict__, "inputs": list(self.inputs), "inner": [node.to_json() for node in self.inner]}


def node_of(values: Mapping[str, Any]) -> Node:
    """Return a node from the values of `Node.to_json`."""
    inner = tuple(node_of(node) for node in values["inner"])
    return Node(**{**values, "inputs": tuple(values["inputs"]), "inner": inner})


def read_graph(model: Any) -> tuple[Node, ...]:
    """Read the graph of a built Keras model.

    Sequential and functional models give their graph. The connections of a subclassed model are unknown, so its layers
    have no inputs.

    Returns:
        The layers, in the model's order.
    """
    import keras

    layers = list(model.layers)
    if isinstance(model, keras.Sequential):
        if not layers:
            return ()
        first = Node(INPUT, "Input", shape=_shape(model.input_shape))
        names = [INPUT, *(layer.name for layer in layers)]
        chain = zip(layers, names, strict=False)
        return (first, *(_node(layer, (before,)) for layer, before in chain))
    sources = {} if _subclassed(model) else _flows(model.get_config()["layers"], {layer.name for layer in layers})
    return tuple(_node(layer, sources.get(layer.name, ())) for layer in layers)


def _flows(entries: Any, layers: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the input layers of each layer. Operations such as slices pass on their own inputs."""
    inputs: dict[str, tuple[str, ...]] = {}
    for entry in entries:  # inputs are listed before the layers that read them
        names: list[str] = []
        for name in _sources(entry["inbound_nodes"]):
            names += [name] if name in layers else inputs.get(name, ())
        inputs[entry["config"]["name"]] = tuple(dict.fromkeys(names))
    return inputs


def _subclassed(model: Any) -> bool:
    """Whether a model is a subclass whose config does not list its layers."""
    try:
        config = model.get_config()
    except NotImplementedError:
        return True
    return not {"layers", "input_layers", "output_layers"} <= config.keys()


def _sources(value: Any) -> Iterator[str]:
    """Yield the names of the layers in the nested arguments of a functional model's config."""
    if isinstance(value, Mapping):
        history = (
            value.get("config", {}).get("keras_history") if value.get("class_name") == "__keras_tensor__" else None
        )
        if history:
            yield history[0]
            return
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _sources(item)


def _node(layer: Any, inputs: tuple[str, ...]) -> Node:
    import keras

    kind = type(layer).__name__
    if isinstance(layer, keras.layers.InputLayer):
        kind = "Input"
    wrapped = None
    if isinstance(layer, keras.layers.Bidirectional):
        wrapped = layer.forward_layer
    elif isinstance(layer, keras.layers.Wrapper):
        wrapped = layer.layer
    detail = _detail(wrapped if wrapped is not None else layer)
    if wrapped is not None:
        kind = f"{kind} ({type(wrapped).__name__})"
    inner = read_graph(layer) if isinstance(layer, keras.Model) else ()
    return Node(layer.name, kind, detail, _output(layer), int(layer.count_params()), inputs, inner)


# Settings that distinguish layers of a class, in the order of display.
_DETAILS = (
    ("units", "{} units"),
    ("filters", "{} filters"),
    ("kernel_size", "kernel {}"),
    ("pool_size", "pool {}"),
    ("input_dim", "{:,} values"),
    ("activation", "{}"),
    ("rate", "rate {:g}"),
    ("dropout", "dropout {:g}"),
    ("recurrent_dropout", "recurrent dropout {:g}"),
)


def _detail(layer: Any) -> str:
    config = layer.get_config()
    parts = []
    for key, form in _DETAILS:
        value = config.get(key)
        if isinstance(value, (list, tuple)):
            value = " \u00d7 ".join(str(size) for size in value)
        # Values that most layers share are left out.
        if value in (None, 0, 0.0, "linear") or (key == "activation" and value == "tanh") or isinstance(value, dict):
            continue
        parts.append(form.format(value).replace("1 units", "1 unit") if value == 1 else form.format(value))
    return ", ".join(parts)


def _output(layer: Any) -> str:
    try:
        output = layer.output  # undefined for a layer that is used twice
    except (AttributeError, ValueError):
        return ""
    outputs = output if isinstance(output, (list, tuple)) else [output]
    return ", ".join(_shape(getattr(output, "shape", None)) for output in outputs)


def _shape(shape: Any) -> str:
    """Format a shape without the batch dimension, such as "120 × 6"."""
    if shape is None:
        return ""
    sizes = ["?" if size is None else f"{size:,}" for size in tuple(shape)[1:]]
    return " \u00d7 ".join(sizes) or "one number"
