"""Small values that the processes of a Ray cluster share, in the key-value store of its head.

A value lasts as long as the cluster, or until it is removed. Reading one takes a millisecond and no process of its own,
unlike an actor. The store has no notifications: poll it, at most some times a second for each process.
"""

from typing import Any

_NAMESPACE = b"raysq"


def put(key: str, value: bytes) -> None:
    """Store a value, in place of an earlier one."""
    from ray.experimental import internal_kv

    internal_kv._internal_kv_put(key, value, overwrite=True, namespace=_NAMESPACE)


def get(key: str) -> bytes | None:
    """Return a value, or None where there is none."""
    from ray.experimental import internal_kv

    value: Any = internal_kv._internal_kv_get(key, namespace=_NAMESPACE)
    return None if value is None else bytes(value)


def keys(prefix: str) -> list[str]:
    """Return the keys that begin with a prefix, sorted."""
    from ray.experimental import internal_kv

    return sorted(key.decode() for key in internal_kv._internal_kv_list(prefix, namespace=_NAMESPACE))


def remove(key: str) -> None:
    """Remove a value, if there is one."""
    from ray.experimental import internal_kv

    internal_kv._internal_kv_del(key, namespace=_NAMESPACE)
