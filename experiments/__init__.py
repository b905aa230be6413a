"""Experiments: one folder per table to reproduce, the harness they share, and the benchmarks.

They import mmjax; mmjax never imports them.
"""
