"""Charts of the report: from the plain data of `raysq.kinds.charts` to Vega-Lite, and from there to the page."""
