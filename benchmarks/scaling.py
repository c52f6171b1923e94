#!/usr/bin/env python
"""Training rate of worker groups: one worker, several, and several that do not communicate, by turns on one machine.

Each worker is a process with one thread, so that a machine with two cores runs two of them at full speed. `apart` is
the rate of as many processes that each train their share of the batch alone: a group reaches it if collectives cost
nothing and workers never wait for each other. Results are added to the JSON file case by case, and docs/scaling.md is
written from it (`--page` writes it without measuring).

    python benchmarks/scaling.py --pairs 5
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from raysq.training.scaling import GRPC, NCCL, CostModel, Interconnect, milliseconds

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "scaling.json"
PAGE = FOLDER.parent / "docs" / "scaling.md"
TEMPLATE = FOLDER / "scaling_page.md"
CALL_STEPS = 64
COLLECTIVE_STEPS = 300
SIZES = (16_000, 92_000, 400_000, 1_000_000, 4_000_000)  # bytes of the bare collectives


class Case(NamedTuple):
    """What is trained, on the task's sample data."""

    task: str
    model: str
    batch: int
    steps: int  # of a measurement
    target: str  # of two workers


CASES = {
    "GRU(32)": Case("beijing", "gru", 256, 320, "1.85"),
    "LSTM(32), 500 words": Case("imdb", "lstm", 128, 40, "1.85"),
    "translation with attention": Case("translation", "attention", 64, 64, "1.8"),
    "MNIST CNN": Case("mnist", "cnn", 256, 64, "1.7"),
    "dense": Case("beijing", "dense", 256, 3000, "a step of 1.5 times the bare collective"),
}


class Side:
    """Processes that train one case together, or each alone.

    Args:
        case: what they train.
        data: directory of the data set.
        workers: number of processes.
        together: whether they are a group. If False, each trains its share of a batch alone.
        devices: logical devices of each process.
        sums: what a step sums over the workers: "all" that it has to, "timed" to record when sums begin and end too,
            "one number" to wait for each other alone, or "none".
    """

    def __init__(
        self,
        case: Case,
        data: str,
        workers: int = 1,
        *,
        together: bool = True,
        devices: int = 1,
        sums: str = "all",
    ):
        context = multiprocessing.get_context("spawn")
        addresses = free_addresses(workers) if together and workers > 1 else []
        batch = case.batch if together else -(-case.batch // workers)
        self.pipes, self.processes = [], []
        for rank in range(workers):
            pipe, remote = context.Pipe()
            arguments = (remote, case, batch, data, addresses, rank, devices, sums)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            self.pipes.append(pipe)
            self.processes.append(process)
        self.size = int(self.ask("size"))

    def ask(self, question: str, *arguments: Any) -> float:
        """Let all processes do the same at the same time, and return the slowest one's answer."""
        for pipe in self.pipes:
            pipe.send((question, arguments))
        return max(pipe.recv() for pipe in self.pipes)

    def end(self) -> None:
        """End the processes."""
        for pipe in self.pipes:
            pipe.send(("end", ()))
        for process in self.processes:
            process.join(30)


def free_addresses(count: int) -> list[str]:
    """Return addresses of this host that nothing listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for opened in sockets:
            opened.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{opened.getsockname()[1]}" for opened in sockets]


def _serve(pipe: Any, case: Case, batch: int, data: str, addresses: list, rank: int, devices: int, sums: str) -> None:
    """Answer questions about this process's trainer until the parent says "end"."""
    if addresses:
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
        os.environ["TF_CONFIG"] = json.dumps(config)
    from raysq import backend

    backend.load()
    import tensorflow as tf

    from raysq.data.dataset import Dataset
    from raysq.training.open_trainer import open_trainer
    from raysq.training.run import Run
    from raysq.training.run_config import resolve_config
    from raysq.training.runtime import configure, make_strategy

    dataset = Dataset.open(data)
    settings = {"training.batch_size": batch, "training.deterministic": sums != "timed"}
    config = resolve_config(case.task, case.model, dataset, 0, settings)
    configure(config.train_settings(), 0, gpu=False, threads=1)
    if devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        strategy = tf.distribute.MirroredStrategy([f"/CPU:{number}" for number in range(devices)])
    else:
        strategy = make_strategy(len(addresses), False)
    with strategy.scope() if strategy is not None else contextlib.nullcontext():
        trainer = open_trainer(Run(Path("unused"), config), dataset)
        times = record_sums(trainer) if sums == "timed" else []
        if sums in ("one number", "none"):
            trainer.sums = lambda tensors, whole=trainer.sums: sum_less(whole, tensors, sums)
        done = 0

        def train(steps: int) -> float:
            nonlocal done
            started = time.perf_counter()
            end = done + steps
            while done < end:
                count = min(CALL_STEPS, end - done)
                trainer.train(done, count)
                done += count
            return (time.perf_counter() - started) / steps

        collectives: dict[tuple[int, bool], Any] = {}

        def collective(size: int, ours: bool) -> float:
            """Seconds of a sum of `size` bytes: raysq's, or that of TensorFlow's replica context."""
            run = collectives.setdefault((size, ours), _bare_collective(trainer, size // 4, ours))
            run(20)
            started = time.perf_counter()
            run(COLLECTIVE_STEPS)
            return (time.perf_counter() - started) / COLLECTIVE_STEPS

        size = trainer.model_functions.summed_bytes
        questions = {"size": size, "train": train, "collective": collective, "times": lambda: times}
        train(CALL_STEPS)
        while (question := pipe.recv())[0] != "end":
            pipe.send(questions[question[0]](*question[1]))


def _bare_collective(trainer: Any, numbers: int, ours: bool) -> Any:
    """Return a function that sums vectors over the replicas, as many times as asked."""
    import tensorflow as tf

    from raysq.training.step_costs import repeated_sums

    def all_reduce(vector: Any) -> Any:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, vector)

    return repeated_sums(trainer, numbers, (lambda vector: trainer.sums([vector])[0]) if ours else all_reduce)


def measure(case: Case, pairs: int) -> dict[str, Any]:
    """Return milliseconds a step of each side, pair by pair."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        data = str(raysq.prepare(case.task, source="sample", quiet=True).directory)
        sides = {
            "one": Side(case, data),
            "two": Side(case, data, 2),
            "apart": Side(case, data, 2, together=False),
            "four": Side(case, data, 4),
            "devices": Side(case, data, devices=2),
            "waiting": Side(case, data, 2, sums="one number"),
            "unsummed": Side(case, data, 2, sums="none"),
        }
        rows: dict[str, list[float]] = {name: [] for name in (*sides, "collective", "all_reduce")}
        try:
            for _ in range(pairs):
                for name, side in sides.items():
                    rows[name].append(side.ask("train", case.steps) * 1000)
                size = sides["two"].size
                rows["collective"].append(sides["two"].ask("collective", size, True) * 1000)
                rows["all_reduce"].append(sides["two"].ask("collective", size, False) * 1000)
        finally:
            for side in sides.values():
                side.end()
    return {**case._asdict(), "bytes": size, "milliseconds": rows}


def measure_collectives(pairs: int) -> dict[str, dict[str, list[float]]]:
    """Return milliseconds of sums over two workers by size in bytes, raysq's and TensorFlow's."""
    case = CASES["dense"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        side = Side(case, str(raysq.prepare(case.task, source="sample", quiet=True).directory), 2)
        rows: dict[str, dict[str, list[float]]] = {}
        for _ in range(pairs):
            for size in SIZES:
                row = rows.setdefault(str(size), {"collective": [], "all_reduce": []})
                row["collective"].append(side.ask("collective", size, True) * 1000)
                row["all_reduce"].append(side.ask("collective", size, False) * 1000)
        side.end()
    return rows


def fit_interconnect(rows: dict[str, dict[str, list[float]]]) -> Interconnect:
    """Return the link that fits the sums of two workers best, by least squares of the relative error."""
    import numpy as np

    from raysq.training.scaling import gathers

    factors, seconds = [], []
    for text, row in rows.items():
        size = int(text)
        hops = 1 if gathers(size, 2) else 2
        time_taken = statistics.median(row["collective"]) / 1000
        factors.append([hops / time_taken, size / time_taken])
        seconds.append(1.0)
    hop, byte = np.linalg.lstsq(np.array(factors), np.array(seconds), rcond=None)[0]
    return Interconnect("gRPC", float(hop), float(1 / byte), gathers=True)


def page(results: dict[str, Any]) -> str:
    """Return docs/scaling.md."""
    cases = {name: results["cases"][name] for name in CASES}
    link = fit_interconnect(results["collectives"])
    rates, parts = [], []
    for name, case in cases.items():
        values = case["milliseconds"]
        median = {side: statistics.median(numbers) for side, numbers in values.items()}
        ratios = {
            side: statistics.median(one / other for one, other in zip(values["one"], values[side], strict=True))
            for side in ("two", "apart", "four", "devices")
        }
        rates.append(
            [
                name,
                case["batch"],
                f"{median['one']:.3g}",
                f"{median['two']:.3g}",
                f"**{ratios['two']:.2f}**",
                f"{ratios['apart']:.2f}",
                f"{median['collective']:.2g} ({case['bytes'] / 1000:,.0f} kB)",
                f"{median['all_reduce']:.2g}",
                f"{ratios['four']:.2f}",
                f"{ratios['devices']:.2f}",
            ]
        )
        values = [median[side] for side in ("apart", "unsummed", "waiting", "two")]
        steps = [after - before for before, after in itertools.pairwise(values)]
        parts.append([name, *(f"{value:.3g}" for value in (values[0], *steps, values[-1], median["one"] / values[2]))])
    collectives = []
    for size, row in results["collectives"].items():
        medians = [statistics.median(row[name]) for name in ("collective", "all_reduce")]
        times = (medians[0], link.seconds(int(size), 2) * 1000, medians[1])
        collectives.append([f"{int(size):,}", *(f"{value:.2g}" for value in times)])
    sizes = {name: case["bytes"] for name, case in cases.items()}
    sizes |= {"30 million parameters": 120_000_000, "1 billion parameters": 4 * 10**9}
    gpus = [
        (name, f"{size:,}", *(milliseconds(9 * NCCL.seconds(size, workers)) for workers in (8, 64, 512)))
        for name, size in sizes.items()
    ]
    means = timeline_means(results["timeline"])
    return TEMPLATE.read_text().format(
        **results["facts"],
        rates=table(
            *("model", "batch", "one worker, ms a step", "two workers", "times as fast", "two apart"),
            *("sum of gradients, ms", "TensorFlow's all-reduce, ms", "four workers", "two devices"),
            rows=rates,
        ),
        parts=table(
            *("model", "apart", "in a group, without sums", "waiting for each other", "summing all bytes"),
            *("two workers", "times as fast if the bytes were free"),
            rows=parts,
        ),
        timeline_steps=len(results["timeline"][0]),
        **{name: f"{value:.2g}" for name, value in means.items()},
        hop=milliseconds(link.hop_seconds),
        rate=link.bytes_per_second / 1e9,
        collectives=table("bytes", "raysq's sum, ms", "fitted, ms", "TensorFlow's all-reduce, ms", rows=collectives),
        forecasts=table(
            *("model", "8 same", "8 grown", "64 same", "64 grown", "512 grown", "worth it with this batch"),
            rows=[(name, *forecast(case, link)) for name, case in cases.items()],
        ),
        nccl_hop=NCCL.hop_seconds * 1e6,
        gpus=table("model", "bytes", "8 GPUs", "64 GPUs", "512 GPUs", rows=gpus),
    )


def forecast(case: dict[str, Any], link: Interconnect) -> tuple[str, ...]:
    """Return the cells of a model in the forecast for CPUs."""
    seconds = {side: statistics.median(case["milliseconds"][side]) / 1000 for side in ("one", "apart")}
    batch = case["batch"]
    model = CostModel.fit({batch: seconds["one"], batch // 2: seconds["apart"]}, case["bytes"])
    one = model.step(batch, 1, link).seconds

    def same(workers: int) -> str:
        return f"{one / model.step(batch, workers, link).seconds:.2g}"

    def grown(workers: int) -> str:
        return f"{workers * one / model.step(batch * workers, workers, link).seconds:.3g}"

    best = model.fastest(batch, link).workers
    return same(8), grown(8), same(64), grown(64), grown(512), "one worker" if best == 1 else f"up to {best} workers"


def table(*headings: str, rows: list[Any]) -> str:
    """Return a table in Markdown."""
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def measure_timeline() -> list[list[list[float]]]:
    """Return when each of two workers began and ended the sum of each step of GRU(32), in milliseconds."""
    case = CASES["GRU(32)"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["RAYSQ_HOME"] = home
        import raysq

        side = Side(case, str(raysq.prepare(case.task, source="sample", quiet=True).directory), 2, sums="timed")
        side.ask("train", 3 * CALL_STEPS)
        for pipe in side.pipes:
            pipe.send(("times", ()))
        times = [pipe.recv()[-CALL_STEPS:] for pipe in side.pipes]
        side.end()
    first = min(worker[0][0] for worker in times)
    return [[[round((moment - first) * 1000, 3) for moment in step] for step in worker] for worker in times]


def record_sums(trainer: Any) -> list[tuple[float, float]]:
    """Let a trainer record when each sum began and ended, in seconds; needs ops that are not deterministic."""
    import tensorflow as tf

    times: list[tuple[float, float]] = []
    sums = trainer.sums

    def recorded(tensors: list[Any]) -> list[Any]:
        with tf.control_dependencies(tensors):
            began = tf.timestamp()
        with tf.control_dependencies([began]):
            results = sums([tf.identity(tensor) for tensor in tensors])
        with tf.control_dependencies(results):
            ended = tf.timestamp()
        record = tf.numpy_function(lambda *moments: times.append(tuple(map(float, moments))), [began, ended], [])
        with tf.control_dependencies([record]):
            return [tf.identity(result) for result in results]

    trainer.sums = recorded
    return times


def sum_less(whole: Any, tensors: list[Any], sums: str) -> list[Any]:
    """Return a worker's own tensors, once all workers have them if they are to wait for each other."""
    import tensorflow as tf

    if sums == "none":
        return tensors
    with tf.control_dependencies(tensors):
        number = tf.zeros(1)
    with tf.control_dependencies(whole([number])):
        return [tf.identity(tensor) for tensor in tensors]


def intervals(timeline: list[list[list[float]]]) -> list[dict[str, Any]]:
    """Return what each worker did when: computing, waiting for the other worker, summing."""
    rows = []
    for number, steps in enumerate(zip(*timeline, strict=True)):
        both = max(began for began, _ in steps)
        for worker, (began, ended) in enumerate(steps):
            previous = timeline[worker][number - 1][1] if number else None
            parts = [("waiting", began, both), ("summing", both, ended)]
            if previous is not None:
                parts.insert(0, ("computing", previous, began))
            rows += [
                {"worker": f"worker {worker}", "part": part, "from": start, "to": end} for part, start, end in parts
            ]
    return rows


def timeline_means(timeline: list[list[list[float]]]) -> dict[str, float]:
    """Return the mean milliseconds of each part of a step."""
    rows = intervals(timeline)
    names = {"computes": "computing", "waits": "waiting", "sums": "summing"}
    return {
        name: statistics.mean(row["to"] - row["from"] for row in rows if row["part"] == part)
        for name, part in names.items()
    }


def draw_timeline(timeline: list[list[list[float]]], steps: int = 8) -> str:
    """Return the chart of the first steps, as SVG."""
    import vl_convert

    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 760,
        "height": 90,
        "data": {"values": intervals([worker[: steps + 1] for worker in timeline])},
        "mark": {"type": "bar", "height": 26},
        "encoding": {
            "y": {"field": "worker", "type": "nominal", "title": None},
            "x": {"field": "from", "type": "quantitative", "title": "milliseconds"},
            "x2": {"field": "to"},
            "color": {
                "field": "part",
                "type": "nominal",
                "title": None,
                "scale": {"domain": ["computing", "waiting", "summing"], "range": ["#4c78a8", "#d8d8d8", "#e45756"]},
            },
        },
    }
    return vl_convert.vegalite_to_svg(spec)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=CASES)
    parser.add_argument("--page", action="store_true", help="write docs/scaling.md from the results alone")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cases": {}}
    if not options.page:
        results["facts"] = {"cores": os.cpu_count(), "pairs": options.pairs}
        for name in options.cases:
            print(name, flush=True)
            results["cases"][name] = measure(CASES[name], options.pairs)
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        results["collectives"] = measure_collectives(options.pairs)
        results["timeline"] = measure_timeline()
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        link = fit_interconnect(results["collectives"])
        for name, used in (("fitted", link), ("assumed by raysq", GRPC)):
            print(f"{name}: {milliseconds(used.hop_seconds)} a hop, {used.bytes_per_second / 1e9:.2f} GB/s")
    PAGE.write_text(page(results))
    PAGE.with_name("step_timeline.svg").write_text(draw_timeline(results["timeline"]))


if __name__ == "__main__":
    main()
