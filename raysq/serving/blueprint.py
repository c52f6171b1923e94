"""Files with which a cluster serves runs: a Serve config for `serve deploy`, and a RayService for KubeRay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raysq.errors import UsageError
from raysq.serving.access import TOKEN
from raysq.serving.description import ServedRun
from raysq.serving.named_runs import Runs, open_runs
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import home

CONFIG, MANIFEST = "serve.yaml", "rayservice.yaml"
_IMPORT_PATH = "raysq.serving.deployments:application"
_NAME = "raysq"  # of the RayService, a label of its pods
_HOME = "/mnt/raysq"  # RAYSQ_HOME in pods
_CONFIG_HEAD = f"""\
# Serve config of raysq: `serve deploy {CONFIG}` on a node of a Ray cluster. All nodes need raysq[serve] and RAYSQ_HOME.
# Where the host is not loopback, the nodes' processes need {TOKEN} in their environment before Ray starts.
"""
_MANIFEST_HEAD = f"""\
# Runs of raysq on Kubernetes, behind KubeRay's service raysq-serve-svc, port 8000.
#
# Needs the KubeRay operator (1.5.1 or later, for Ray's token), storage that many pods can read (ReadOnlyMany or
# ReadWriteMany) with RAYSQ_HOME on it, and an image with raysq[serve]. Replace each FILL-IN, then
#   kubectl create secret generic raysq-serve --from-literal=token="$(openssl rand -base64 24)"
#   kubectl apply -f {MANIFEST}
# Clients send the header `Authorization: Bearer TOKEN`, and their pods have the label raysq.client: serve.
"""


def write_blueprint(
    runs: Runs,
    folder: str | Path,
    *,
    host: str = "0.0.0.0",
    port: int = 8000,
    replicas: int = 1,
    gpu: bool = False,
    trust: bool = False,
) -> dict[str, str]:
    """Write the files with which a cluster serves runs.

    Args:
        runs: as for `raysq.serve`. The cluster must find them by their ids in its RAYSQ_HOME.
        folder: folder to write to.
        host: address of Serve's proxies in the Serve config.
        port: port of Serve's proxies.
        replicas: replicas of each run.
        gpu: use a GPU for each replica.
        trust: as for `raysq.load`.

    Returns:
        `config` and `manifest`, the paths of the files.

    Raises:
        UsageError: a run does not lie in RAYSQ_HOME/runs, or as for `raysq.serve`.
        DataError: as for `raysq.serve`.
    """
    import yaml

    served = open_runs(runs, trust=trust)
    for each in served:
        if each.run.directory.resolve().parent != (home() / "runs").resolve():
            raise UsageError(
                f"run {each.run.name} lies in {each.run.directory.parent}, and a cluster looks in RAYSQ_HOME/runs",
                "move it there",
            )
    config = _config(served, host, port, replicas, gpu, trust)
    config["applications"][0]["runtime_env"] = {"env_vars": {"RAYSQ_HOME": str(home().resolve())}}
    pods = _config(served, "0.0.0.0", 8000, replicas, gpu, trust)
    del pods["http_options"]  # KubeRay's pods have these
    documents = [_network_policy(), _service(_dump(yaml, pods), replicas * len(served), gpu)]
    manifest = _MANIFEST_HEAD + "---\n".join(_dump(yaml, each) for each in documents)
    paths = {}
    for kind, file, text in (
        ("config", CONFIG, _CONFIG_HEAD + _dump(yaml, config)),
        ("manifest", MANIFEST, manifest),
    ):
        path = Path(folder) / file
        with atomic_write(path, "choose another --output") as partial:
            partial.write_text(text, encoding="utf-8")
        paths[kind] = str(path)
    return paths


def _dump(yaml: Any, value: Any) -> str:
    class Dumper(yaml.SafeDumper):
        """Dumper without anchors, with texts of several lines as blocks."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def block(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, block)
    text: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True)
    return text


def _config(served: Sequence[ServedRun], host: str, port: int, replicas: int, gpu: bool, trust: bool) -> dict[str, Any]:
    """Return the config of `ray.serve.schema.ServeDeploySchema`."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": host, "port": port},
        "logging_config": {"enable_access_log": False},
        "applications": [
            {
                "name": "raysq",
                "route_prefix": "/",
                "import_path": _IMPORT_PATH,
                "args": {
                    "runs": {each.name: each.run.name for each in served},
                    "host": host,
                    "replicas": replicas,
                    "gpu": gpu,
                    "trust": trust,
                },
            }
        ],
    }


def _network_policy() -> dict[str, Any]:
    """Return the policy: the pods reach each other, the operator reaches the dashboard, and clients Serve's port."""
    pods = {"podSelector": {"matchLabels": {"raysq.service": _NAME}}}
    operator = {
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "kuberay-operator"}},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "FILL-IN"}},
    }
    clients = {"podSelector": {"matchLabels": {"raysq.client": "serve"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": _NAME},
        "spec": {
            **pods,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [pods]},
                {
                    "from": [operator],
                    "ports": [{"port": 8265, "protocol": "TCP"}, {"port": 8000, "protocol": "TCP"}],
                },
                {"from": [clients], "ports": [{"port": 8000, "protocol": "TCP"}]},
            ],
        },
    }


def _service(config: str, count: int, gpu: bool) -> dict[str, Any]:
    """Return the RayService for `count` replicas."""
    import ray

    head_size = {"cpu": "2", "memory": "8Gi"}
    size: dict[str, Any] = {"cpu": "4", "memory": "16Gi", **({"nvidia.com/gpu": 1} if gpu else {})}
    workers = count if gpu else -(-count // 4)
    head = {
        "name": "ray-head",
        "ports": [
            {"containerPort": 6379, "name": "gcs-server"},
            {"containerPort": 8265, "name": "dashboard"},
            {"containerPort": 10001, "name": "client"},
            {"containerPort": 8000, "name": "serve"},
        ],
    }
    tolerations = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}] if gpu else []
    worker = _pod({"name": "ray-worker"}, size)
    worker["spec"] |= {"tolerations": tolerations} if tolerations else {}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": _NAME},
        "spec": {
            "serveConfigV2": config,
            "rayClusterConfig": {
                "rayVersion": ray.__version__,
                "authOptions": {"mode": "token"},
                "headGroupSpec": {
                    # Replicas run on workers.
                    "rayStartParams": {"num-cpus": "1", "num-gpus": "0"},
                    "template": _pod(head, head_size),
                },
                "workerGroupSpecs": [
                    {
                        "groupName": "replicas",
                        "replicas": workers,
                        "minReplicas": workers,
                        "maxReplicas": workers,
                        "rayStartParams": {},
                        "template": worker,
                    }
                ],
            },
        },
    }


def _pod(container: dict[str, Any], size: dict[str, Any]) -> dict[str, Any]:
    secret = {"secretKeyRef": {"name": "raysq-serve", "key": "token"}}
    return {
        "metadata": {"labels": {"raysq.service": _NAME}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 1000, "fsGroup": 1000},
            "containers": [
                {
                    **container,
                    "image": "FILL-IN/raysq:0.1.0",
                    "env": [{"name": "RAYSQ_HOME", "value": _HOME}, {"name": TOKEN, "valueFrom": secret}],
                    "resources": {"requests": size, "limits": size},
                    "volumeMounts": [{"name": "raysq-home", "mountPath": _HOME, "readOnly": True}],
                }
            ],
            "volumes": [{"name": "raysq-home", "persistentVolumeClaim": {"claimName": "raysq-home"}}],
        },
    }
