"""Experiments: what views share, what each has alone, and where in the input it is."""
