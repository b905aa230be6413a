"""Experiments, competition: every balancing method on the same data, with the same encoders and budget."""
