"""Kinds of sequence data, found by name and imported only when used."""

import importlib

from raysq.errors import UsageError
from raysq.kinds.kind import Kind
from raysq.settings import nearest

KINDS = ("forecast", "classify", "text", "pairs", "vectors", "images")


def get(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"unknown kind {name!r}: {nearest(name, KINDS)}")
    kind: Kind = importlib.import_module(f"raysq.kinds.{name}").KIND
    return kind
