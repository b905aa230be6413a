"""Benchmarks: mmjax and its peers on the same work, in one process.

A module of this package that offers `measure(repetitions) -> Iterator[Comparison]` is a benchmark;
`python -m experiments.benchmarks` runs them all.
"""
