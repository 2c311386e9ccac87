"""PromQL expressions and Prometheus rule files, evaluated over numpy arrays for all instants at once.

The semantics are those of Prometheus 2.42, for the parts of PromQL that the shipped rules use.
"""
