"""cluster.yaml, the KubeRay manifest, the image and the locked versions: whole, closed to the world, in accord."""

import os
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / "jobs" / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def cluster() -> dict:
    return yaml.safe_load((ROOT / "cluster.yaml").read_text())


@pytest.fixture(scope="module")
def manifest() -> dict[str, dict]:
    return {one["kind"]: one for one in yaml.safe_load_all((ROOT / "jobs" / "kuberay.yaml").read_text())}


def test_the_launcher_takes_cluster_yaml(cluster):
    pytest.importorskip("jsonschema")
    from ray.autoscaler._private.util import prepare_config, validate_config

    whole = prepare_config(cluster)
    validate_config(whole)  # Ray's own schema and rules
    assert whole["available_node_types"]["gpu"]["min_workers"] == 0
    with pytest.raises(Exception, match="unheard_of"):
        validate_config(whole | {"unheard_of": 1})


def test_what_a_person_fills_in_is_in_one_place(cluster):
    lines = (ROOT / "cluster.yaml").read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.strip().startswith("fill_in:"))
    asked = {number for number, line in enumerate(lines) if "FILL-IN" in line}
    assert asked == set(range(begin, begin + 1 + len(cluster["metadata"]["fill_in"])))
    assert "FILL-IN" in cluster["available_node_types"]["head"]["node_config"]["IamInstanceProfile"]["Arn"]


def test_nothing_is_open_to_the_world(cluster):
    assert cluster["provider"]["use_internal_ips"] is True
    group = cluster["metadata"]["fill_in"]["security_group"]
    for one in cluster["available_node_types"].values():
        # Without a group of its own the launcher makes one that lets the world in by SSH.
        assert one["node_config"]["SecurityGroupIds"] == [group]
        assert one["node_config"]["MetadataOptions"]["HttpTokens"] == "required"
        assert "NetworkInterfaces" not in one["node_config"]
    assert "0.0.0.0" not in (ROOT / "cluster.yaml").read_text()
    assert any("--dashboard-host=127.0.0.1" in command for command in cluster["head_start_ray_commands"])
    assert any("RAY_AUTH_MODE=token" in command for command in cluster["setup_commands"])
    assert "~/.ray/auth_token" in cluster["file_mounts"]


def test_gpu_nodes_come_and_go_and_share_storage(cluster):
    gpu = cluster["available_node_types"]["gpu"]
    assert gpu["min_workers"] == 0 < gpu["max_workers"] and gpu["resources"]["GPU"] == 1
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "GPU" not in cluster["available_node_types"]["head"]["resources"]
    assert cluster["metadata"]["fill_in"]["mount"] in cluster["setup_commands"]
    assert any("RAYSQ_HOME=/mnt/raysq" in command for command in cluster["setup_commands"])
    for remote, local in cluster["file_mounts"].items():
        assert remote == "~/.ray/auth_token" or (ROOT / local).exists(), local
    installs = " ".join([*cluster["setup_commands"], *cluster["worker_setup_commands"]])
    assert "requirements.lock" in installs and "requirements-gpu.lock" in installs


def test_the_lock_is_whole_and_within_what_raysq_allows():
    lock, gpu = locked("requirements.lock"), locked("requirements-gpu.lock")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["optuna"]]:
        asked = Requirement(text)
        assert asked.specifier.contains(lock[canonicalize_name(asked.name)]), text
    assert not lock.keys() & gpu.keys() and all(name.startswith("nvidia-") for name in gpu)
    for name in ("requirements.lock", "requirements-gpu.lock"):
        assert "://" not in (ROOT / "jobs" / name).read_text()  # no index but the person's own


def test_the_job_on_kubernetes_is_whole(manifest, cluster):
    claim, job = manifest["PersistentVolumeClaim"], manifest["RayJob"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    spec = job["spec"]
    assert job["apiVersion"] == "ray.io/v1" and spec["submissionMode"] == "K8sJobMode"
    assert spec["shutdownAfterJobFinishes"] is True and spec["activeDeadlineSeconds"] > 0
    program, script, *_ = spec["entrypoint"].split()
    assert program == "python" and os.access(ROOT / script, os.X_OK)
    ray = spec["rayClusterSpec"]
    assert ray["enableInTreeAutoscaling"] is True and ray["authOptions"] == {"mode": "token"}
    (gpu,) = ray["workerGroupSpecs"]
    assert gpu["minReplicas"] == 0 < gpu["maxReplicas"]
    images = set()
    for group in (ray["headGroupSpec"], gpu):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        images.add(container["image"])
        assert container["resources"]["requests"] == container["resources"]["limits"]
        environment = {one["name"]: one["value"] for one in container["env"]}
        (mount,) = container["volumeMounts"]
        (volume,) = pod["volumes"]
        assert mount["mountPath"] == environment["RAYSQ_HOME"] and mount["name"] == volume["name"]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert pod["securityContext"]["runAsNonRoot"] is True
    assert len(images) == 1
    assert gpu["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1


def test_all_files_name_the_same_versions(manifest):
    lock = locked("requirements.lock")
    assert manifest["RayJob"]["spec"]["rayClusterSpec"]["rayVersion"] == lock["ray"]
    image = (ROOT / "jobs" / "Dockerfile").read_text()
    assert "requirements.lock" in image and "requirements-gpu.lock" in image
    for line in image.splitlines():
        if line.startswith("COPY "):
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line
    # The tag is raysq's own version, in all places.
    tag = f"raysq:{version('raysq')}"
    assert (
        tag in image
        and tag
        in manifest["RayJob"]["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"]
    )
