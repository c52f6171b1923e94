"""Forecasting problem: predict future values of columns from a window of past rows."""
