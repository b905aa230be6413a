"""The two distance matrices that Liang et al. print (2023, TMLR, arXiv 2203.01311, figure 5)."""

from experiments.highmmt.published import distances_of_interactions, distances_of_modalities

UNIMODAL, CROSSMODAL = distances_of_modalities(), distances_of_interactions()
