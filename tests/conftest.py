"""What all tests share: one Ray cluster for the session, a home of their own, and the real data where they are."""

import functools
import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import vl_convert

# Ray runs its workers at niceness 15: beside other busy processes they would hardly run.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112
DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
# Fixtures that several files share, and the group of the tests that use them. A test may use two of one group.
GROUPS = {"cluster": "ray", "by_workers": "ray", "pairs_run": "pairs", "pairs_dataset": "pairs", "runs": "runs"}
FOLDER = pytest.StashKey[tempfile.TemporaryDirectory]()


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Run the default tests in a process per core, four at most, where pytest-xdist is installed.

    `-n 0` runs them in one. So do chosen files, and tests that need the machine for themselves (`-m cluster`).
    """
    option = config.option
    if hasattr(config, "workerinput") or getattr(option, "numprocesses", 0) is not None:
        return
    default = config.args_source is config.ArgsSource.TESTPATHS and option.markexpr == "not slow and not cluster"
    if default and not (option.usepdb or option.collectonly):
        option.numprocesses = min(4, len(os.sched_getaffinity(0)))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker where to write the groups: xdist does not ask workers for them."""
    folder = node.config.stash.setdefault(FOLDER, tempfile.TemporaryDirectory())
    node.workerinput["groups"] = os.path.join(folder.name, "groups.json")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let a worker write down the groups, and begin with the longest."""
    if not hasattr(config, "workerinput"):
        return
    groups = {item.nodeid: group(item) for item in items}
    items.sort(key=lambda item: groups[item.nodeid] != "ray")
    written = Path(f"{config.workerinput['groups']}.{config.workerinput['workerid']}")
    written.write_text(json.dumps(groups))
    written.replace(config.workerinput["groups"])


def group(item: pytest.Item) -> str:
    """The tests that run in one process: those of a shared fixture, or of a file.

    A test, or a fixture, must name these fixtures as arguments.
    """
    if item.get_closest_marker("cluster"):
        return "ray"
    return next((GROUPS[name] for name in GROUPS if name in item.fixturenames), item.nodeid.partition("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out whole groups. `--dist loadgroup` does not with pytest 9.2 (pytest-xdist issue 1386)."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        @functools.cached_property
        def groups(self) -> dict[str, str]:
            return json.loads(Path(config.stash[FOLDER].name, "groups.json").read_text())

        def _split_scope(self, nodeid: str) -> str:
            return self.groups[nodeid]

    config.option.loadscopereorder = False
    return Groups(config, log)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    """A local Ray cluster; two on one host would confuse each other, so it serves all tests."""
    if groups := getattr(request.config, "workerinput", {}).get("groups"):
        Path(groups).with_name("cluster").touch(exist_ok=False)  # else a test that `group` overlooks starts another
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


@pytest.fixture(scope="module", autouse=True)
def precision_of_float32() -> Iterator[None]:
    """Keras has one precision for the process: the next file, whichever it is, does not go on with this one's."""
    yield
    if keras := sys.modules.get("keras"):
        keras.config.set_dtype_policy("float32")


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
