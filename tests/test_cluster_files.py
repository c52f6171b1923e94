"""cluster.yaml, the KubeRay manifest, the image and the locked versions: whole, closed to the world, in accord."""

import os
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


LOCKS = ("requirements.lock", "requirements-gpu.lock")


def locked(name: str) -> dict[str, str]:
    """The versions in a lock file, of which every package has checksums and which says nothing else."""
    text = re.sub(r"^#.*\n", "", (ROOT / "jobs" / name).read_text(), flags=re.MULTILINE)
    entry = re.compile(r"([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")
    assert entry.sub("", text) == "", "lines that are no package with checksums, such as an index"
    return {found[1]: found[2] for found in entry.finditer(text)}


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
    lock, gpu = (locked(name) for name in LOCKS)
    parsed = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = parsed["project"]
    # raysq itself is built by the locked setuptools.
    builds = parsed["build-system"]["requires"]
    extras = project["optional-dependencies"]
    for text in [*builds, *project["dependencies"], *extras["optuna"], *extras["serve"]]:
        asked = Requirement(text)
        assert asked.specifier.contains(lock[canonicalize_name(asked.name)]), text
    assert not lock.keys() & gpu.keys() and all(name.startswith("nvidia-") for name in gpu)
    cuda = [Requirement(text) for text in requires("tensorflow") or ()]
    for asked in (one for one in cuda if one.name.startswith("nvidia-")):
        assert asked.specifier.contains(gpu[canonicalize_name(asked.name)]), asked


def test_what_is_installed_from_the_locks_is_checked(cluster):
    commands = [*cluster["setup_commands"], *cluster["worker_setup_commands"]]
    commands += (ROOT / "jobs" / "Dockerfile").read_text().splitlines()
    installs = [part for command in commands for part in command.split("&&") if "pip install" in part]
    for lock in LOCKS:
        of_lock = [one for one in installs if lock in one]
        assert len(of_lock) == 2 and all("--require-hashes" in one for one in of_lock)
    own = [one for one in installs if not any(lock in one for lock in LOCKS)]
    assert len(own) == 2 and all({"--no-deps", "--no-build-isolation"} <= set(one.split()) for one in own)


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


def test_only_the_pods_of_the_job_reach_each_other_on_kubernetes(manifest):
    policy, job = manifest["NetworkPolicy"]["spec"], manifest["RayJob"]
    ray = job["spec"]["rayClusterSpec"]
    pods = policy["podSelector"]["matchLabels"]
    for group in (ray["headGroupSpec"], *ray["workerGroupSpecs"]):
        assert group["template"]["metadata"]["labels"] == pods, "a pod outside of the policy"
    assert policy["policyTypes"] == ["Ingress"]
    among, dashboard = policy["ingress"]
    assert among == {"from": [{"podSelector": {"matchLabels": pods}}]}
    (head,) = ray["headGroupSpec"]["template"]["spec"]["containers"]
    (port,) = [one["containerPort"] for one in head["ports"] if one["name"] == "dashboard"]
    assert dashboard["ports"] == [{"port": port, "protocol": "TCP"}]
    submitter, operator = dashboard["from"]
    # Kubernetes gives the pods of a job, and KubeRay the submitter's job, this name.
    assert submitter == {"podSelector": {"matchLabels": {"job-name": job["metadata"]["name"]}}}
    assert operator["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": "kuberay-operator"}
    assert operator["namespaceSelector"]["matchLabels"].keys() == {"kubernetes.io/metadata.name"}


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
