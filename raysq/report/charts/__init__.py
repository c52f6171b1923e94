"""Charts of a report: the plain data of `raysq.problems.charts` become Vega-Lite, and Vega-Lite becomes SVG."""
