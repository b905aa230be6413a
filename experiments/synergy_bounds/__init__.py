"""Experiments, synergy_bounds: what labelled pairs would add, bounded without them where the answer is known."""
