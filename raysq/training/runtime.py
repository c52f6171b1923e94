"""TensorFlow in this process: devices, threads, precision, seeds and the distribution strategy."""

from typing import Any

from raysq import backend
from raysq.distributed.cluster import cores
from raysq.errors import ResourceError, UsageError
from raysq.training.group_server import closed_server
from raysq.training.settings import TrainSettings


def configure(settings: TrainSettings, seed: int, *, gpu: bool, threads: int | None = None) -> None:
    """Configure TensorFlow in this process: devices, threads, determinism, precision, seeds.

    Args:
        settings: training settings.
        seed: seed of Keras, NumPy and Python's random generators.
        gpu: whether to use GPUs; if False, they are hidden from TensorFlow.
        threads: TensorFlow's threads. Defaults to all cores. With the setting `exact`, whose operations have one thread
            each, they compute several canonical replicas at the same time.

    Raises:
        ResourceError: a GPU is requested and TensorFlow finds none.
        UsageError: TensorFlow already runs in this process with another number of threads. With the setting `exact`,
            `ExactTrainer` refuses more than one thread for an operation.
    """
    backend.load()
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpu and not gpus:
        raise ResourceError("--gpu was asked for and TensorFlow sees no GPU here: install raysq[gpu], or leave it out")
    try:
        if not gpu:
            tf.config.set_visible_devices([], "GPU")
        for device in gpus if gpu else []:
            tf.config.experimental.set_memory_growth(device, True)
        if settings.exact:
            tf.config.threading.set_intra_op_parallelism_threads(1)
            tf.config.threading.set_inter_op_parallelism_threads(threads or cores())
        elif threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(max(1, min(2, threads)))
    except RuntimeError:
        if threads and not settings.exact and tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise UsageError("--threads cannot change in a process where TensorFlow already runs") from None
    keras.utils.clear_session()
    if settings.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.config.set_dtype_policy(settings.precision)
    keras.utils.set_random_seed(seed)


def make_strategy(workers: int, gpu: float) -> Any:
    """Return the distribution strategy of this worker, or None for a single process with one device.

    Args:
        workers: number of workers.
        gpu: GPUs of each worker; a fraction where workers share one.

    Raises:
        ResourceError: other hosts than those of the group can reach TensorFlow's server.
    """
    import tensorflow as tf

    if workers > 1:
        communication = tf.distribute.experimental
        # AUTO is TensorFlow's ring over gRPC, on GPUs too. NCCL refuses workers that share a GPU.
        name = "NCCL" if gpu >= 1 else "AUTO"
        options = communication.CommunicationOptions(implementation=communication.CommunicationImplementation[name])
        with closed_server():
            return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    if gpu and len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return None
