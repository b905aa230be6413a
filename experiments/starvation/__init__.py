"""Experiments, starvation: a slow modality beside a fast one, trained jointly and alone."""
