"""PromQL expressions and Prometheus rule files, evaluated over numpy arrays for all instants at once.

The semantics are those of Prometheus 2.42. Supported are the functions and aggregations of the shipped
rules but `histogram_quantile`, and `count` and `round`, which their tests need.
`exporter.promql.evaluate.parse_supported` refuses the others by name.
"""
