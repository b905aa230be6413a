"""Experiments, sweep: fusion heads, each with many learning rates and seeds, as few programs."""
