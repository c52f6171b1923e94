"""Predict row by row on Ray Data: read tasks pass rows to a pool of actors, and nothing is stored on disk."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from raysq.data.preprocessor import Preprocessor, partition_bytes
from raysq.data.sources import ResolvedSource
from raysq.distributed.row_keys import KEY, STRIDE, check_order
from raysq.errors import RaysqError
from raysq.inference import pool
from raysq.training.backends.driver_context import DriverContext
from raysq.training.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 8 << 20  # bytes of rows that an actor gets at a time
_WAITING = 256 << 20  # lower bound of the bytes of blocks that may wait between input and output


def stream(
    run: Run,
    preprocessor: Preprocessor,
    source: ResolvedSource,
    actors: int,
    *,
    gpu: bool,
    advance: Callable[[int], None],
) -> "Iterator[pa.Table | dict[str, Any]]":
    """Predict for the rows of raw files, in their order, whatever the number of actors.

    Args:
        run: a run of a problem that predicts each row by itself.
        preprocessor: the problem's preprocessor for predictions, with all settings inferred.
        source: the files.
        actors: number of actors of the pool.
        gpu: whether the actors predict on GPUs.
        advance: called with the bytes of each partition whose rows are predicted.

    Yields:
        Tables of predictions, and at the end the report of the preprocessor.

    Raises:
        DataError: if rows cannot be read or used.
        ResourceError: if Ray fails.
    """
    import pyarrow as pa
    from ray.data import ActorPoolStrategy

    from raysq.data.partition_stats import ChunkRecord, all_stats
    from raysq.data.pipeline import ReadPartition
    from raysq.distributed.ray_data import keyed_rows, ordered, ray_errors

    partitions = preprocessor.partition(source.files)
    needs = pool.needs(gpu)
    rows, last, done = 0, -1, 0
    with pool.scratch() as scratch:
        with ray_errors("predicting"), ordered() as context:
            context.target_max_block_size = BLOCK_BYTES
            limits = context.execution_options.resource_limits
            waiting = max(_WAITING, 4 * actors * BLOCK_BYTES)
            context.execution_options.resource_limits = limits.copy(object_store_memory=waiting)
            # Read tasks reserve no CPU: where the actors hold all CPUs, they would wait for rows forever.
            read = keyed_rows(
                ReadPartition(preprocessor, scratch),
                list(enumerate(partitions)),
                concurrency=max(1, min(len(partitions), actors)),
                num_cpus=0,
            )
            results = read.map_batches(
                _BlockActor,
                fn_constructor_args=(run.resolved(), DriverContext.current(), gpu),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(size=actors),
                num_cpus=needs["CPU"],
                num_gpus=needs["GPU"],
            )
            for block in results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                pool.check(block)
                if not block.num_rows:
                    continue
                last = check_order(block.column(KEY).to_numpy(), last)
                while done < last // STRIDE:  # partitions before the current one
                    advance(partition_bytes(partitions[done]) or 0)
                    done += 1
                index = block.column_names.index("row")
                numbers = pa.array(np.arange(rows, rows + block.num_rows))
                rows += block.num_rows
                yield block.set_column(index, "row", numbers).drop_columns([KEY])
        records: list[ChunkRecord] = []
        preprocessor.fit_stats(all_stats(scratch, partitions, records))
        due = sum(record.rows for record in records)
        if rows != due:
            raise RuntimeError(f"{rows:,} predictions came for {due:,} rows")
        yield preprocessor.summarize([record.stats for record in records])


class _BlockActor:
    """Actor that holds the model and predicts for blocks of rows."""

    def __init__(self, run: Run, driver: DriverContext, gpu: bool):
        self._predictor = pool.open_predictor(run, driver, gpu)

    def __call__(self, block: "pa.Table") -> "pa.Table":
        try:
            predictions = self._predictor.predict_table(block.drop_columns([KEY]))
        except RaysqError as error:
            return pool.failed(error)
        return predictions.append_column(KEY, block.column(KEY))
