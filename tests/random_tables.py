"""Random joint tables of the kinds on which every promise is tested."""

import numpy as np

KINDS = ("dirichlet", "gamma", "zeros", "counts", "deterministic", "near_deterministic")


def random_tables(kind: str, num: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Draw tables (num, n1, n2, ny): Dirichlet(1); Gamma(.1); 60 % zeros; sparse counts; y = f(x1, x2); the same
    with noise of 1e-7 in every cell."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    size = (num, *shape)
    if kind == "dirichlet":
        p = rng.exponential(size=size)
    elif kind == "gamma":
        p = rng.gamma(0.1, size=size) + 1e-300
    elif kind == "zeros":
        p = rng.exponential(size=size) * (rng.random(size) > 0.6)
    elif kind == "counts":
        p = rng.poisson(0.7, size=size).astype(float)
    else:
        cells = rng.exponential(size=size[:3])
        label = rng.integers(0, shape[2], size=size[:3])
        p = cells[..., None] * (label[..., None] == np.arange(shape[2]))
        if kind == "near_deterministic":
            p = p / p.sum(axis=(1, 2, 3), keepdims=True) + 1e-7 * rng.random(size)
    p[p.sum(axis=(1, 2, 3)) == 0, 0, 0, 0] = 1
    return p / p.sum(axis=(1, 2, 3), keepdims=True)
