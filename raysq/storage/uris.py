"""URIs of sources, which may carry secrets: what is shown and kept of them, and which of them are the same source."""

import base64
import re
import urllib.parse

_HIDDEN = "..."
# In a text: as far as a space, a quote or an angle bracket.
_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/+[^\s'\"<>]+")
_PARTS = re.compile(r"([^:/?#]+:/+)?([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_HOST = re.compile(r"(\[[^\[\]]*\]|[^:@\[\]]*)(:[0-9]*)?")

# Parameters that prove who asks, without regard to case, hyphens and underscores. Whatever else a query says may choose
# the file that is sent.
_SECRET = re.compile(
    r"(access|auth|oauth|private|job|id|refresh|bearer|session|security|sas)?token|bearer|sas|jwt"
    r"|(x|app)?apikey|(ocpapim)?subscriptionkey|appkey|(client)?secret|(secret|access)key|(aws)?accesskeyid|googleaccessid"
    r"|password|passwd|pwd|pass|auth|authorization|credentials?|signature|sig|hmac"
    r"|x(amz|goog|oss|cos|obs).*"  # of signed URLs
)
# Parameters that say how long and for what a signature holds, where there is one.
_OF_SIGNATURE = {
    "signature": re.compile("expires|policy|keypairid"),
    "sig": re.compile("s[vsrtpei]|srt|spr|sip|sk(oid|tid|t|e|s|v)|s[au]oid|scid|sdd|ses"),
}


def redact(uri: str) -> str:
    """The URI as it may be shown and kept: without user, password, fragment, and values of parameters.

    All values are left out, as any name may stand for a secret.
    """
    scheme, address, query, fragment = _divided(uri)
    if scheme:
        host, slash, path = address.partition("/")
        host = host.rpartition("@")[2]
        if not _HOST.fullmatch(host):
            return f"{scheme}{_HIDDEN}"  # a password with signs that part a URI, say: nobody knows where it ends
        address = host + slash + path
    elif re.match(r"[^/@]*:[^/@]*@", address):  # the scheme was forgotten
        address = address.partition("@")[2]
    shown = scheme + address
    if query:
        names = (part.partition("=") for part in query[1:].split("&"))
        # What has no value may be a value itself.
        shown += "?" + "&".join(f"{name}={_HIDDEN}" if equals else _HIDDEN for name, equals, _ in names)
    return shown + ("#" + _HIDDEN if fragment else "")


def redact_text(text: str) -> str:
    """A text with all URIs in it redacted."""
    return _IN_TEXT.sub(lambda found: redact(found[0]), text)


def identity(uri: str) -> str:
    """What two URIs of the same source have in common: all but the proof of who asks.

    It may hold a secret that nobody knows to be one, so only a digest of it is kept.
    """
    scheme, address, query, _ = _divided(uri)
    if scheme:
        host, slash, path = address.partition("/")
        address = host.rpartition("@")[2] + slash + path
    parts = query[1:].split("&") if query else []
    names = [re.sub("[-_.]", "", urllib.parse.unquote(part.partition("=")[0])).lower() for part in parts]
    patterns = [_SECRET, *(pattern for name, pattern in _OF_SIGNATURE.items() if name in names)]
    kept = [part for part, name in zip(parts, names, strict=True) if not any(one.fullmatch(name) for one in patterns)]
    return scheme + address + ("?" + "&".join(kept) if kept else "")


def file_path(uri: str) -> str:
    """The path in a URI, with all signs as they are meant."""
    return urllib.parse.unquote(_divided(uri)[1].partition("/")[2])


def request_parts(url: str) -> tuple[str, str | None]:
    """The URL to ask for, and the `Authorization` header that its user and password stand for.

    Raises:
        ValueError: it has no host, or signs that a URL cannot have.
    """
    # The messages of urllib and http.client repeat the URL, so all that they refuse is refused here.
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("it has a space or a control character")
    if not url.isascii():
        raise ValueError("it has letters outside ASCII, which are written as %XX")
    parts = urllib.parse.urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    found = _HOST.fullmatch(host)
    if not found or not found[1]:
        raise ValueError("it has no host, or signs in its user or password that are written as %XX")
    if not int((found[2] or "")[1:] or 80) < 1 << 16:
        raise ValueError("its port is too large")
    plain = urllib.parse.urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    if not at:
        return plain, None
    name, _, password = user.partition(":")
    said = f"{urllib.parse.unquote(name)}:{urllib.parse.unquote(password)}"
    return plain, "Basic " + base64.b64encode(said.encode()).decode("ascii")


def _divided(uri: str) -> tuple[str, str, str, str]:
    """Scheme with its slashes, address, query with its mark, and fragment."""
    found = _PARTS.fullmatch(uri)
    assert found is not None
    scheme, address, query, fragment = found.groups(default="")
    return scheme, address, query, fragment
