"""Scripts that make the charts of a page interactive: Vega and `live.js`, embedded in the page."""

import base64
import contextlib
import gzip
import zlib
from importlib import metadata, resources

from raysq.errors import SourceError
from raysq.report.charts.vega import VEGA_LITE
from raysq.report.markup import Markup, join, tag
from raysq.storage.atomic import atomic_write
from raysq.storage.paths import home


def runtime() -> Markup:
    """Return the scripts of a page with charts. Vega is compressed, which more than halves its size."""
    packed = base64.b64encode(_bundle()).decode()
    script = resources.files("raysq.report.charts").joinpath("live.js").read_text(encoding="utf-8")
    return join(tag("script", packed, type="text/plain", id="vega"), tag("script", Markup(script)))


def _bundle() -> bytes:
    """Return Vega as compressed JavaScript, cached in `RAYSQ_HOME` because bundling is slow."""
    path = home() / "cache" / f"vega-{metadata.version('vl-convert-python')}-{VEGA_LITE}.js.gz"
    with contextlib.suppress(OSError, EOFError, zlib.error):
        packed = path.read_bytes()
        if gzip.decompress(packed):  # gzip verifies the checksum
            return packed
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;", vl_version=VEGA_LITE)
    packed = gzip.compress(bundle.encode(), 9, mtime=0)
    # `RAYSQ_HOME` may not be writable: another user's, or a read-only share.
    with contextlib.suppress(SourceError), atomic_write(path, durable=False) as partial:
        partial.write_bytes(packed)
    return packed
