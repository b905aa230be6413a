"""Experiment: what estimators of mutual information, synergy bounds and decompositions give on raw samples."""
