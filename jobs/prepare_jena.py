#!/usr/bin/env python
"""Prepares the Jena weather data: alone, or by `ray job submit jobs/prepare_jena.py`."""

import argparse

import raysq

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--source", help="sample[:LENGTH], a path, or a URL (default: the published file)")
options = parser.parse_args()
raysq.plain_errors()

data = raysq.prepare("jena", source=options.source, quiet=False)
print(f"{data.rows:,} rows in {data.directory}{' (synthetic sample)' if data.synthetic else ''}")
