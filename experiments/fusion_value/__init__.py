"""Experiments, fusion value: what fusing two modalities can be worth, before a pair is labelled."""
