"""Plain processes that train the same runs under one TF_CONFIG, without Ray: quick to start.

Usage: group_member.py JOBS, where JOBS is a JSON file with a list of jobs, each with workers (how many processes),
replicas (logical devices in a process), runs (directories), host (those of them whose batches are gathered on the
host), gather (whether small sums are gathered), stop (the steps at which some of them are stopped, by directory), and
callbacks (functions that make Keras callbacks for some of them, as "module:function", by directory).
What a rank cannot train it says in RUN/error-RANK, the cost of a step of longer runs in RUN/cost-RANK.json, and
collective operations in RUN/collectives-RANK.json.
"""

import gc
import importlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    jobs = json.loads(Path(sys.argv[1]).read_text())
    # Importing it takes seconds of a processor, once instead of in every process. Nothing of it runs here.
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import keras  # noqa: F401

    for job in jobs:
        children = []
        addresses = free_addresses(job["workers"])
        for rank in range(job["workers"]):
            child = os.fork()
            if not child:
                train(job, addresses, rank)
                return
            children.append(child)
        if any(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children):
            sys.exit("a worker failed")


def free_addresses(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def stop_at(step: int | None, **options: Any) -> Any:
    """Callbacks that stop a run at the first call of compiled steps that ends at this step or later."""
    from raysq.training.callbacks import TrainingCallbacks

    reached = 0

    def on_train_batch_end(state: Any, *_: Any) -> None:
        nonlocal reached
        reached = state.step

    return TrainingCallbacks(on_train_batch_end, should_stop=lambda: step is not None and reached >= step, **options)


def train(job: dict[str, Any], addresses: list[str], rank: int) -> None:
    workers = job["workers"] if job["workers"] > 1 else 0
    if workers:
        task = {"type": "worker", "index": rank}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
    from raysq import backend

    backend.load()
    from raysq.errors import Interrupted, TrainingError
    from raysq.storage.atomic import write_json
    from raysq.training import replica_batches, replica_sums, step_costs
    from raysq.training.open_trainer import open_trainer
    from raysq.training.run import Run
    from raysq.training.runtime import configure, make_strategy
    from raysq.training.worker import run_worker

    gc.collect()
    gc.freeze()  # every run begins with a look through all objects
    if not job["gather"]:
        replica_sums.gathers = lambda size, workers: False
    step_costs._SECONDS = 1e-3  # short runs measure it too
    strategy = None
    for directory in job["runs"]:
        run = Run.open(directory)
        configure(run.config.train_settings(), run.config.seed, gpu=False, threads=1)
        if strategy is None:
            strategy = (
                several_devices(job["replicas"], workers) if job["replicas"] > 1 else make_strategy(workers, False)
            )
        replica_batches.HOST_BYTES = 0 if directory in job["host"] else 2**28

        def write_cost(cost, directory=directory) -> None:
            write_json(Path(directory) / f"cost-{rank}.json", list(cost))

        stop = job["stop"].get(directory)
        module, _, function = job["callbacks"].get(directory, "").partition(":")
        own = getattr(importlib.import_module(module), function)(Path(directory)) if module else ()
        options = {"export_model": lambda: False, "tensorboard": False, "keras_callbacks": own}
        callbacks = stop_at(stop, on_step_cost=write_cost, **options)
        trainers = []

        def opened(*arguments, trainers=trainers):
            trainers.append(open_trainer(*arguments))
            return trainers[0]

        try:
            run_worker(run, strategy, callbacks, chief=rank == 0, open_trainer=opened)
            write_json(Path(directory) / f"collectives-{rank}.json", collectives(trainers[0]))
        except Interrupted:
            assert stop is not None
        except TrainingError as error:
            (Path(directory) / f"error-{rank}").write_text(str(error))


def collectives(trainer) -> dict[str, list[str]]:
    """The collective operations of each compiled function of a trainer."""
    operations = {}
    for (name, split, _), function in trainer._functions.items():
        graph = function.get_concrete_function().graph.as_graph_def()
        nodes = [*graph.node, *(node for part in graph.library.function for node in part.node_def)]
        operations[f"{name} {split}"] = [node.op for node in nodes if node.op.startswith("Collective")]
    return operations


def several_devices(count: int, workers: int):
    """Several logical CPUs stand for several GPUs of one worker, or of each of several workers."""
    import tensorflow as tf
    from tensorflow.python.distribute.collective_all_reduce_strategy import CollectiveAllReduceExtended

    from raysq.training.runtime import make_strategy

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    if not workers:
        return tf.distribute.MirroredStrategy([f"/CPU:{number}" for number in range(count)])

    def initialize_local_devices(self, cluster_resolver, worker_device):
        return tuple(f"{worker_device}/device:CPU:{number}" for number in range(count)), "CPU"

    # TensorFlow takes all GPUs of a worker, and a single CPU.
    CollectiveAllReduceExtended._initialize_local_devices = initialize_local_devices
    return make_strategy(workers, False)


if __name__ == "__main__":
    main()
