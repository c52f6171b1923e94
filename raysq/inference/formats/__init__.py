"""Formats of exported models: Keras, SavedModel, ONNX and LiteRT, with prepared or raw inputs."""
