"""The two distance matrices that Liang et al. print (2023, TMLR, arXiv 2203.01311, figure 5), lower triangles."""

import numpy as np


def symmetric(lower):
    n = len(lower) + 1
    d = np.zeros((n, n))
    for i, row in enumerate(lower, 1):
        d[i, :i] = d[:i, i] = row
    return d


UNIMODAL_NODES = (
    "MIMIC table",
    "MIMIC time series",
    "AV-MNIST image",
    "AV-MNIST audio",
    "MOSEI video",
    "MOSEI audio",
    "MOSEI text",
    "UR-FUNNY video",
    "UR-FUNNY audio",
    "UR-FUNNY text",
)
UNIMODAL = symmetric(
    [
        [0.4],
        [20, 20],
        [4.1, 5.0, 0.2],
        [0, 0.2, 20, 4.1],
        [0, 0, 20, 4.1, 0],
        [2.5, 0.3, 20, 6.0, 0.3, 0],
        [0, 0.2, 20, 4.2, 0, 0, 0.4],
        [0.2, 0.3, 20, 4.4, 0, 0, 0.5, 0.1],
        [0, 0.8, 20, 4.6, 0, 0, 0, 0, 0],
    ]
)
CROSSMODAL_NODES = (
    "MIMIC table, time series",
    "AV-MNIST image, audio",
    "MOSEI video, audio",
    "MOSEI video, text",
    "MOSEI audio, text",
    "UR-FUNNY video, audio",
    "UR-FUNNY video, text",
    "UR-FUNNY audio, text",
)
CROSSMODAL = symmetric(
    [
        [23],
        [0.8, 22],
        [0.4, 24, 0.2],
        [0.4, 24, 0.2, 0.3],
        [0.4, 22, 0, 0, 0],
        [0.4, 22, 0, 0, 0.1, 0],
        [0.5, 22, 0, 0, 0.2, 0, 0.9],
    ]
)
