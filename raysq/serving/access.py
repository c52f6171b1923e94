"""Who may send requests: the token, and the checks that keep other sites' pages out."""

import hmac
import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from raysq.errors import UsageError
from raysq.serving.messages import HttpError

TOKEN = "RAYSQ_SERVE_TOKEN"
_SHORTEST = 16  # characters of a token
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Access:
    """Rules of access.

    Attributes:
        token: token that requests must have, or None.
        hosts: names that the header Host may have, or None for any. On loopback a page of another site could rebind
            its own name to this machine; its requests have that name in the header.
    """

    token: str | None
    hosts: frozenset[str] | None

    @classmethod
    def of_host(cls, host: str, *, draw: bool = True) -> Self:
        """Return the rules for a server that listens at a host.

        The token is that of the environment. Without one, a server on loopback has none, and others draw one.

        Args:
            host: address that the server listens on.
            draw: whether a token may be drawn. Servers of several processes need the same one.

        Raises:
            UsageError: the token of the environment is too short, has other characters than printable ASCII or a
                space, which ends it in a header, or is missing where none may be drawn.
        """
        token = os.environ.get(TOKEN) or None
        if token is not None and (
            len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token
        ):
            raise UsageError(
                f"{TOKEN} must be {_SHORTEST} or more printable ASCII characters without spaces, received {len(token)}"
            )
        if is_loopback(host):
            return cls(token, frozenset({*_LOOPBACK, host.lower()}))
        if token is None and not draw:
            raise UsageError(f"{TOKEN} is not set, and a server that listens at {host} needs it", "set it on all nodes")
        return cls(token or secrets.token_urlsafe(24), None)

    def check_site(self, headers: Mapping[str, str]) -> None:
        """Raise `HttpError` for a request that a page of another site has sent to a server on loopback.

        Other servers ask for the token, which no other site has.
        """
        if self.hosts is None:
            return
        host = headers.get("host", "")
        if _name(host) not in self.hosts:
            raise HttpError(
                421, f"the header Host is {host!r}, and this server answers on loopback only", "open it as localhost"
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise HttpError(403, f"requests of pages of another site are refused, received Origin {origin!r}")

    def check_token(self, headers: Mapping[str, str]) -> None:
        """Raise `HttpError` unless a request has the token."""
        if self.token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token.encode()):
            raise HttpError(401, "the token is missing or wrong", "send the header Authorization: Bearer TOKEN")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name(host: str) -> str:
    """Return the name in a header Host, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
