"""Models of the literature on long-horizon forecasts."""
