"""Models in Keras's own formats."""

from pathlib import Path
from typing import Any


def write_keras(model: Any, path: Path) -> Any:
    """Write a `.keras` file, and return the model that is read back."""
    import keras

    model.save(path)
    return keras.models.load_model(path)


def write_json(model: Any, path: Path) -> Any:
    """Write a folder with the architecture as JSON and the weights, and return the model that is read back."""
    import keras

    path.mkdir()
    (path / "architecture.json").write_text(model.to_json(indent=1), encoding="utf-8")
    model.save_weights(path / "model.weights.h5")
    loaded: Any = keras.models.model_from_json((path / "architecture.json").read_text(encoding="utf-8"))
    loaded.load_weights(path / "model.weights.h5")
    return loaded
