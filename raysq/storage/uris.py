"""URIs of sources, which may contain secrets: redaction, and identity of URIs that name the same source."""

import base64
import re
import urllib.parse

_HIDDEN = "..."
# A URI in a text ends at a space, a quote or an angle bracket.
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+[^\s'\"<>]+")
_PARTS = re.compile(r"([^:/?#]+:/+)?([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:@\[\]]*)(:[0-9]*)?")

# Parameters that authenticate a request, compared without case, hyphens and underscores. All other parameters may
# select the file.
_SECRET = re.compile(
    r"(access|auth|oauth|private|job|id|refresh|bearer|session|security|sas)?token|bearer|sas|jwt"
    r"|(x|app)?apikey|(ocpapim)?subscriptionkey|appkey|(client)?secret|(secret|access)key|(aws)?accesskeyid|googleaccessid"
    r"|password|passwd|pwd|pass|auth|authorization|credentials?|signature|sig|hmac"
    r"|x(amz|goog|oss|cos|obs).*"  # parameters of signed URLs
)
# Parameters that state the validity of a signature, by the name of the signature parameter.
_OF_SIGNATURE = {
    "signature": re.compile("expires|policy|keypairid"),
    "sig": re.compile("s[vsrtpei]|srt|spr|sip|sk(oid|tid|t|e|s|v)|s[au]oid|scid|sdd|ses"),
}


# Azure writes the container, or the account, where others write the user: abfs://container@account.dfs.core.windows.net/
_CONTAINER = re.compile(r"abfss?:/+", re.IGNORECASE)


def redact(uri: str) -> str:
    """Return the URI without user, password, fragment and parameter values, safe to show and store.

    All parameter values are removed, because any of them may be a secret.
    """
    scheme, address, query, fragment = _divided(uri)
    if scheme:
        host, slash, path = address.partition("/")
        host = _without_credentials(scheme, host)
        if not _HOST.fullmatch(host.rpartition("@")[2]):
            return f"{scheme}{_HIDDEN}"  # for example a password with URI delimiters, whose end is unknown
        address = host + slash + path
    elif re.match(r"[^/@]*:[^/@]*@", address):  # the scheme is missing
        address = address.partition("@")[2]
    shown = scheme + address
    if query:
        names = (part.partition("=") for part in query[1:].split("&"))
        # A parameter without "=" may itself be a secret.
        shown += "?" + "&".join(f"{name}={_HIDDEN}" if equals else _HIDDEN for name, equals, _ in names)
    return shown + ("#" + _HIDDEN if fragment else "")


def redact_text(text: str) -> str:
    """Return a text with all its URIs redacted."""
    return _IN_TEXT.sub(lambda match: redact(match[0]), text)


def is_secret(name: str) -> bool:
    """Return whether a parameter of this name authenticates, such as "api_key"."""
    return _SECRET.fullmatch(re.sub("[-_.]", "", name).lower()) is not None


def identity(uri: str) -> str:
    """Return the part of a URI that identifies its source: the URI without its credentials.

    The result may still contain an unrecognized secret, so store only a digest of it.
    """
    scheme, address, query, _ = _divided(uri)
    if scheme:
        host, slash, path = address.partition("/")
        address = _without_credentials(scheme, host) + slash + path
    parts = query[1:].split("&") if query else []
    names = [re.sub("[-_.]", "", urllib.parse.unquote(part.partition("=")[0])).lower() for part in parts]
    patterns = [_SECRET, *(pattern for name, pattern in _OF_SIGNATURE.items() if name in names)]
    public = [
        part
        for part, name in zip(parts, names, strict=True)
        if not any(pattern.fullmatch(name) for pattern in patterns)
    ]
    return scheme + address + ("?" + "&".join(public) if public else "")


def _without_credentials(scheme: str, host: str) -> str:
    """Return a host without user and password; on Azure with the container or account, which is no secret."""
    user, at, host = host.rpartition("@")
    container = user.partition(":")[0] if _CONTAINER.fullmatch(scheme) else ""
    return f"{container}{at}{host}" if container else host


def file_path(uri: str) -> str:
    """Return the path in a URI, with percent escapes decoded."""
    return urllib.parse.unquote(_divided(uri)[1].partition("/")[2])


def request_parts(url: str) -> tuple[str, str | None]:
    """Return the URL to request, and the `Authorization` header for its user and password.

    Raise `ValueError` for a URL without a host, or with invalid characters.
    """
    # Messages of urllib and http.client repeat the URL, so every URL that they reject is rejected here first.
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("it has a space or a control character")
    if not url.isascii():
        raise ValueError("it has letters outside ASCII, which are written as %XX")
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    match = _HOST.fullmatch(host)
    if not match or not match[1]:
        raise ValueError("it has no host, or signs in its user or password that are written as %XX")
    if not int((match[2] or "")[1:] or 80) < 1 << 16:
        raise ValueError("its port is too large")
    plain = urllib.parse.urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at:
        return plain, None
    name, _, password = user.partition(":")
    credentials = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}"
    return plain, "Basic " + base64.b64encode(credentials.encode()).decode("ascii")


def _divided(uri: str) -> tuple[str, str, str, str]:
    """Return scheme with its slashes, address, query with its "?", and fragment."""
    match = _PARTS.fullmatch(uri)
    assert match is not None
    scheme, address, query, fragment = match.groups(default="")
    return scheme, address, query, fragment
