"""What makes charts interactive is part of the page, and kept in the home."""

import base64
import gzip
import re

import pytest
import vl_convert

from raysq.report.charts.runtime import runtime


@pytest.fixture
def bundled(monkeypatch):
    """How often Vega is bundled; what it gives is made up, as it takes a second."""
    calls = []

    def bundle(snippet, vl_version):
        calls.append(vl_version)
        return f"{snippet} // <script> & </script>"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    return calls


def javascript(text: str) -> str:
    packed = re.search(r'<script type="text/plain" id="vega">([\w+/=]+)</script>', text)[1]
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_it_is_bundled_once_a_home_and_again_where_the_file_is_damaged(bundled, raysq_home):
    first = runtime()
    assert "vegaEmbed=vegaEmbed" in javascript(first) and "</script> &" not in first
    assert runtime() == first and len(bundled) == 1
    (path,) = (raysq_home / "cache").iterdir()
    for damage in (path.read_bytes()[:-20], b"", b"\x1f\x8b\x08" + bytes(40)):
        path.write_bytes(damage)
        before = len(bundled)
        assert runtime() == first and len(bundled) == before + 1


def test_a_home_that_cannot_be_written_is_no_hindrance(bundled, raysq_home):
    raysq_home.mkdir(parents=True, exist_ok=True)
    (raysq_home / "cache").write_text("a file where a folder should be")
    assert "vegaEmbed" in javascript(runtime())
