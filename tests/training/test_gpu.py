"""What training on GPUs takes, as far as CPUs can show it: NCCL, cuDNN, XLA, mixed precision."""

import sys
from contextlib import nullcontext

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels
from training.series import SMALL, write_series

from raysq.errors import Interrupted
from raysq.inference.predictor import load
from raysq.layers.recurrent import GRU, LSTM
from raysq.training import checkpoint, runtime
from raysq.training.callbacks import TrainingCallbacks
from raysq.training.open_trainer import open_trainer
from raysq.training.run import Run
from raysq.training.run_config import resolve_config
from raysq.training.worker import run_worker

RECURRENT = (keras.layers.GRU, keras.layers.LSTM, keras.layers.Bidirectional)
BFLOAT16 = {**SMALL, "epochs": 2, "units": 4, "xla": "false", "dropout": 0.2, "precision": "mixed_bfloat16"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("data") / "waves")


@pytest.fixture
def with_gpu(monkeypatch):
    """Keras and raysq see a GPU, which is not there: what is decided by it can be asked, but not run."""
    # `keras.src.backend.tensorflow.rnn` is also the name of a function.
    monkeypatch.setattr(sys.modules["keras.src.backend.tensorflow.rnn"], "_is_gpu_available", lambda: True)
    list_devices = tf.config.list_logical_devices
    gpus = {"GPU": [tf.config.LogicalDevice("/GPU:0", "GPU")]}
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: gpus.get(kind) or list_devices(kind))
    # Arrays are placed on it.
    monkeypatch.setattr(tf, "device", lambda name: nullcontext())


@pytest.mark.parametrize(
    ("gpu", "implementation"),
    [(0, "AUTO"), (1, "NCCL"), (2, "NCCL"), (0.5, "AUTO")],
)
def test_workers_communicate_by_nccl_where_each_has_a_gpu_of_its_own(monkeypatch, gpu, implementation):
    given = []
    monkeypatch.setattr(runtime, "closed_server", nullcontext)
    monkeypatch.setattr(
        tf.distribute,
        "MultiWorkerMirroredStrategy",
        lambda *, communication_options: given.append(communication_options),
    )
    runtime.make_strategy(2, gpu)
    assert [options.implementation.name for options in given] == [implementation]


def test_a_worker_takes_all_its_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: ["/GPU:0", "/GPU:1"])
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    assert runtime.make_strategy(1, 2) == "mirrored" and runtime.make_strategy(1, 0) is None


@pytest.mark.parametrize("layer_class", [GRU, LSTM])
def test_the_defaults_of_recurrent_layers_are_those_of_cudnn(with_gpu, layer_class):
    """Keras gives `supports_jit = False` to layers that cuDNN computes."""
    assert layer_class(4).supports_jit is False and not layer_class(4).uses_fast_loop()
    assert layer_class(4, recurrent_dropout=0.1).recurrent_dropout == 0.1
    assert layer_class(4, activation="relu").supports_jit and layer_class(4, use_bias=False).supports_jit


@pytest.mark.parametrize(
    ("model", "by_cudnn"),
    [("gru", [True]), ("lstm", [True]), ("gru_bidirectional", [True]), ("gru_stacked", [True, False])],
)
def test_models_leave_recurrent_layers_to_cudnn_and_xla_off(with_gpu, data, tmp_path, model, by_cudnn):
    """The upper layer of gru_stacked has relu, as in the published listing, which cuDNN lacks."""
    config = resolve_config("jena", model, data, 0, {**SMALL, "units": 4, "recurrent_dropout": 0.0})
    trainer = open_trainer(Run.create(config, folder=tmp_path), data)
    recurrent = [layer for layer in trainer.model.layers if isinstance(layer, RECURRENT)]
    layers = [getattr(layer, "forward_layer", layer) for layer in recurrent]
    assert not trainer.xla
    assert [not layer.supports_jit and not layer.recurrent_dropout for layer in layers] == by_cudnn


def test_cudnn_and_nccl_are_in_this_build_of_tensorflow_for_all_precisions():
    def types(operation):
        found = kernels.get_registered_kernels_for_op(operation).kernel
        on_gpu = [kernel for kernel in found if kernel.device_type == "GPU"]
        return {value for kernel in on_gpu for part in kernel.constraint for value in part.allowed_values.list.type}

    precisions = {kind.as_datatype_enum for kind in (tf.float32, tf.float16, tf.bfloat16)}
    assert types("CudnnRNNV3") >= precisions and types("CudnnRNNBackpropV3") >= precisions
    assert any(one.device_type == "GPU" for one in kernels.get_registered_kernels_for_op("NcclAllReduce").kernel)


def train(run, **hooks):
    runtime.configure(run.config.train_settings(), run.config.seed, gpu=False)
    run_worker(run, None, TrainingCallbacks(**hooks, tensorboard=False))


def test_bfloat16_trains_resumes_bit_for_bit_and_is_exported(data, tmp_path):
    config = resolve_config("jena", "gru", data, 0, {**BFLOAT16, "optimizer": "adam"})
    whole, parts = (Run.create(config, name=name, folder=tmp_path) for name in ("whole", "parts"))
    train(whole)
    steps = []
    with pytest.raises(Interrupted):
        train(parts, on_train_batch_end=lambda state, *_: steps.append(state.step), should_stop=lambda: steps[-1] > 13)
    train(parts)
    mine, theirs = (checkpoint.load(run.last).variables for run in (whole, parts))
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    kinds = {str(value.dtype) for name, value in mine.items() if name.startswith(("model/", "optimizer/"))}
    assert "float32" in kinds and not any("float16" in kind for kind in kinds), "weights are kept in float32"
    records = whole.metrics()
    assert all(np.isfinite(record["val_loss"]) for record in records)
    assert whole.result()["metrics"] == parts.result()["metrics"]
    exported = load(whole).model
    assert any(getattr(layer, "compute_dtype", "") == "bfloat16" for layer in exported.layers)
    shape = (2, *exported.input_shape[1:])
    assert np.isfinite(np.asarray(exported(np.zeros(shape, np.float32)), np.float32)).all()
