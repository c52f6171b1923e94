"""Readers of raw files that several problems share."""
