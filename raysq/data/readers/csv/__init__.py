"""Csv files: how they are written, found in their beginning, and where their rows end.

All that read csv files share these: series, texts, pairs, tables of images, and predictions.
"""
