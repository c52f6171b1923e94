"""Assets of a run: small files that predictions need besides the model. Each read verifies the checksum."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from raysq.errors import DamagedError
from raysq.storage.atomic import atomic_write, write_json
from raysq.storage.json_files import read_json

_CHECKSUMS = "checksums.json"
_HINT = "remove the run's result.json, and the same `raysq train` command writes it again"


class _Checksums(TypedDict):
    sha256: dict[str, str]


def write_assets(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of a run's assets, by name, replacing all present ones or none."""
    with atomic_write(folder) as partial:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        checksums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        write_json(partial / _CHECKSUMS, {"sha256": checksums}, durable=False)


def read_asset(folder: Path, name: str) -> bytes:
    """Read a file of a run's assets, or raise `DamagedError`."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"{path} cannot be read ({error.strerror or error}); {_HINT}") from None
    sha256 = read_json(folder / _CHECKSUMS, _Checksums, _HINT)["sha256"].get(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise damaged_asset(folder, name, "its bytes are not those that were written")
    return content


def damaged_asset(folder: Path, name: str, error: object) -> DamagedError:
    """Return the error for an asset with invalid contents."""
    return DamagedError(f"{folder / name} is damaged ({error}); {_HINT}")
