"""Rows of published figures, declared as data in one module for each part; see `benchmarks/published.py`."""
