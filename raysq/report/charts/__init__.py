"""Charts of the report: from the plain data of `raysq.problems.charts` to Vega-Lite, and from there to the page."""
