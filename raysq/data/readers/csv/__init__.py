"""Csv files: detection of their format, and of the ends of their rows.

All readers of csv files share these modules: series, texts, pairs, tables of images, and predictions.
"""
