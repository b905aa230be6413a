"""Experiments: the ledger of what the papers report and what of it is reproduced here."""
