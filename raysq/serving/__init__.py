"""Runs behind HTTP, on Ray Serve."""
