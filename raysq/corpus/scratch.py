"""What the first pass over a corpus leaves for the second: Arrow files, mapped into memory to be read.

Not NumPy's own files, whose heads threads cannot parse at once; see `raysq.npy`.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa


def write(path: Path, table: pa.Table) -> None:
    """Writes a table as one batch."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def read(path: Path) -> pa.Table:
    """The table, without a batch where it has no rows."""
    with pa.memory_map(str(path)) as file:
        return pa.ipc.open_file(file).read_all()


def write_array(path: Path, values: np.ndarray) -> None:
    """Writes an array of one dimension."""
    write(path, pa.table({"values": values}))


def read_array(path: Path) -> np.ndarray:
    """The array, read only."""
    values: np.ndarray = read(path).column("values").combine_chunks().to_numpy()
    return values
