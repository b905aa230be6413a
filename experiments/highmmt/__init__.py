"""Experiment: which modalities and interactions are alike, and what sharing parameters by that is worth."""
