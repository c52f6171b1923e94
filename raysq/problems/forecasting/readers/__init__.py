"""Readers of raw files as series: inference of settings, parsing of numbers and timestamps, validation, and repairs."""
