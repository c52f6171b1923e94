"""Readers of raw files, shared by several problems."""
