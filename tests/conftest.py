"""What all tests share: one Ray cluster for the session, a home of their own, and the real data where they are."""

import functools
import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import vl_convert

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A local Ray cluster; two on one host would confuse each other, so it serves all tests."""
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    from raysq.distributed.cluster import ensure_ray

    # Logical CPUs: more than there may be cores, so that tasks do run beside each other.
    ensure_ray(num_cpus=6, object_store_memory=256 << 20)
    yield
    ray.shutdown()


@pytest.fixture(scope="session", autouse=True)
def one_bundle() -> Iterator[None]:
    """Bundle the library that draws charts once: it takes a second, and every test has a home without it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vl_convert, "javascript_bundle", functools.cache(vl_convert.javascript_bundle))
        yield


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect() -> None:
    """What lives by now, TensorFlow and Ray above all, lives to the end. Looking through it takes 0.2 s, and every
    model begins with that."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def raysq_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own RAYSQ_HOME."""
    home = tmp_path / "raysq-home"
    monkeypatch.setenv("RAYSQ_HOME", str(home))
    return home


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The path of a real data file under `../shared/data`, or the test is skipped."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            pytest.skip(f"the real data file {name} is not beside the repository (../shared/data)")
        return path

    return find
