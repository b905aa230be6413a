"""Experiments, disagreement: pre-training on pairs whose modalities need not agree."""
