"""Views with given covariances and canonical correlations."""

import numpy as np


def exact_views(rng, num_samples, variances, correlations, dtype=np.float64):
    """Two views whose sample covariances have given eigenvalues, and whose canonical correlations are given."""
    d = len(correlations)
    z = rng.normal(size=(num_samples, 2 * d))
    q = np.linalg.qr(z - z.mean(0))[0] * np.sqrt(num_samples - 1)
    rho = np.asarray(correlations)
    first, second = q[:, :d], q[:, :d] * rho + q[:, d:] * np.sqrt(1 - rho**2)
    turns = [np.linalg.qr(rng.normal(size=(d, d)))[0] for _ in range(2)]
    return tuple((x @ turn * np.sqrt(variances)).astype(dtype) for x, turn in zip((first, second), turns, strict=True))


def related_views(rng, num_samples=200, sizes=(5, 4, 3), num_shared=2):
    """Views that share some factors."""
    shared = rng.normal(size=(num_samples, num_shared))
    return [
        shared @ rng.normal(size=(num_shared, d)) + rng.normal(size=(num_samples, d)) + 10 * rng.normal(size=(1, d))
        for d in sizes
    ]
