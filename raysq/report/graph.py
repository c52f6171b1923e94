"""A Keras model as a graph of plain data: layers, their shapes and parameters, and what flows into what."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

INPUT = "(input)"  # name of the input of a sequential model, which has no layer for it


@dataclass(frozen=True)
class Node:
    """A layer.

    Attributes:
        name: its name in the model.
        kind: its class, with the wrapped one for wrappers.
        detail: what the class does not say: units, filters, rates.
        shape: of its output, such as "120 × 32"; empty where it is not known.
        parameters: trained and other weights.
        inputs: names of the layers that it reads.
        inner: the graph inside, of a model used as a layer.
    """

    name: str
    kind: str
    detail: str = ""
    shape: str = ""
    parameters: int = 0
    inputs: tuple[str, ...] = ()
    inner: tuple["Node", ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, for `node_of`."""
        return {**self.__dict__, "inputs": list(self.inputs), "inner": [node.to_json() for node in self.inner]}


def node_of(values: Mapping[str, Any]) -> Node:
    """A node from its JSON."""
    inner = tuple(node_of(one) for one in values["inner"])
    return Node(**{**values, "inputs": tuple(values["inputs"]), "inner": inner})


def read_graph(model: Any) -> tuple[Node, ...]:
    """The layers of a built Keras model, in its order.

    A sequential and a functional model give their graph; of a subclassed one only the parts are known, and they are
    given without what flows between them.
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
    """What each layer reads. Operations, slices say, are no layers: what they read flows through them."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries:  # what is read comes before what reads it
        names: list[str] = []
        for name in _sources(entry["inbound_nodes"]):
            names += [name] if name in layers else found.get(name, ())
        found[entry["config"]["name"]] = tuple(dict.fromkeys(names))
    return found


def _subclassed(model: Any) -> bool:
    """Whether a model is a class of a person's own, whose config says nothing of its layers."""
    try:
        config = model.get_config()
    except NotImplementedError:
        return True
    return not {"layers", "input_layers", "output_layers"} <= config.keys()


def _sources(value: Any) -> Iterator[str]:
    """Names of the layers in the nest of arguments of a functional model's config."""
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


# What tells layers of a class apart, in the order it is said.
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
    said = []
    for key, form in _DETAILS:
        value = config.get(key)
        if isinstance(value, (list, tuple)):
            value = " \u00d7 ".join(str(one) for one in value)
        # What every layer has says nothing.
        if value in (None, 0, 0.0, "linear") or (key == "activation" and value == "tanh") or isinstance(value, dict):
            continue
        said.append(form.format(value).replace("1 units", "1 unit") if value == 1 else form.format(value))
    return ", ".join(said)


def _output(layer: Any) -> str:
    try:
        output = layer.output  # a layer that is used twice has none of its own
    except (AttributeError, ValueError):
        return ""
    outputs = output if isinstance(output, (list, tuple)) else [output]
    return ", ".join(_shape(getattr(one, "shape", None)) for one in outputs)


def _shape(shape: Any) -> str:
    """Without the batch, which is of any size: "120 × 6"."""
    if shape is None:
        return ""
    sizes = ["?" if size is None else f"{size:,}" for size in tuple(shape)[1:]]
    return " \u00d7 ".join(sizes) or "one number"
