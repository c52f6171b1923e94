"""What makes the charts of a page interactive: Vega, and the script that draws with it; part of the page itself."""

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
    """Write the scripts of a page with charts; Vega is compressed, which more than halves it."""
    packed = base64.b64encode(_bundle()).decode()
    script = resources.files("raysq.report.charts").joinpath("live.js").read_text(encoding="utf-8")
    return join(tag("script", packed, type="text/plain", id="vega"), tag("script", Markup(script)))


def _bundle() -> bytes:
    """Return Vega as compressed JavaScript; kept in the home, as bundling takes longer than drawing a page's charts."""
    path = home() / "cache" / f"vega-{metadata.version('vl-convert-python')}-{VEGA_LITE}.js.gz"
    with contextlib.suppress(OSError, EOFError, zlib.error):
        packed = path.read_bytes()
        if gzip.decompress(packed):  # whose checksum tells whether it is whole
            return packed
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;", vl_version=VEGA_LITE)
    packed = gzip.compress(bundle.encode(), 9, mtime=0)
    # The home may be one that cannot be written: another's, a read-only share.
    with contextlib.suppress(SourceError), atomic_write(path, durable=False) as partial:
        partial.write_bytes(packed)
    return packed
