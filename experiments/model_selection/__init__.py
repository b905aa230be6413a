"""Experiments, model selection: which ways of fusing suit a data set, by what its modalities know of the label."""
