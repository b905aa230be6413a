"""The nearest-neighbour estimate of mutual information by scipy's trees, for tests of samplers."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import digamma, ndtri


def ksg_information(x: np.ndarray, y: np.ndarray, num_neighbours: int = 5) -> float:
    """Algorithm 1 of Kraskov, Stoegbauer & Grassberger 2004 (arXiv cond-mat/0305641), in nats.

    Each coordinate becomes its normal scores first, which keeps the information and makes heavy tails harmless.
    """
    x, y = _normal_scores(x), _normal_scores(y)
    radius = cKDTree(np.hstack([x, y])).query(np.hstack([x, y]), num_neighbours + 1, p=np.inf)[0][:, -1]
    inside = [
        cKDTree(part).query_ball_point(part, radius * (1 - 1e-12), p=np.inf, return_length=True) for part in (x, y)
    ]
    return float(digamma(num_neighbours) + digamma(len(x)) - sum(np.mean(digamma(count)) for count in inside))


def _normal_scores(x: np.ndarray) -> np.ndarray:
    return ndtri((np.argsort(np.argsort(x, axis=0), axis=0) + 0.5) / len(x))
