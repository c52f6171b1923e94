"""Parallel work on several processors or machines: executors based on threads or Ray Data."""
