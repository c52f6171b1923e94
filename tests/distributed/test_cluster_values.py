"""Values that processes of a cluster share."""

import pytest
import ray

from raysq.distributed import cluster_values


@pytest.mark.usefixtures("cluster")
def test_values_are_shared_by_processes_until_they_are_removed() -> None:
    @ray.remote(num_cpus=0)
    def answer() -> bytes | None:
        question = cluster_values.get("test/question")
        cluster_values.put("test/answer", b"\0forty-two")
        return question

    cluster_values.put("test/question", b"old")
    cluster_values.put("test/question", b"six times seven")
    cluster_values.put("testing", b"another prefix")
    assert ray.get(answer.remote()) == b"six times seven"
    assert cluster_values.get("test/answer") == b"\0forty-two"
    assert cluster_values.keys("test/") == ["test/answer", "test/question"]

    cluster_values.remove("test/answer")
    assert cluster_values.keys("test") == ["test/question", "testing"]
    assert cluster_values.get("test/answer") is None
    for key in ("test/answer", "test/question", "testing"):
        cluster_values.remove(key)
    assert not cluster_values.keys("test")
