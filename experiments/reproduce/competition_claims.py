"""Experiments, reproduce: claims of arXiv 2411.07335 that tables decide, computed at once."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.reproduce.entry import Found
from experiments.reproduce.once import once
from mmjax import information
from mmjax.competition import jensen_shannon

_NUM_TABLES = 2000


def identity() -> Found:
    """Return by how much the two sides of the decomposition of joint information differ, at most."""

    def difference(p: jax.Array) -> jax.Array:
        conditional = information.conditional_mutual_information
        unique = conditional(p.transpose(0, 2, 1)) + conditional(p.transpose(1, 2, 0))
        shared = information.mutual_information(p.sum(2)) - conditional(p)
        return information.joint_mutual_information(p) - unique - shared

    off = float(np.max(np.abs(once(jax.vmap(difference), _tables(1.0)))))
    return Found(f"off by {off:.0e} bit at most, {_NUM_TABLES} tables", off < 1e-12)


def sensitivity() -> Found:
    """Return how often the sensitivity of the best predictor is above what it is to be below of."""
    p = _tables(0.5) + 1e-9
    p /= p.sum((1, 2, 3), keepdims=True)

    def excess(p: jax.Array) -> jax.Array:
        return _sensitivity(p) - information.conditional_mutual_information(p.transpose(0, 2, 1), base=np.e)

    above = once(jax.vmap(excess), p)
    share = 100 * float(np.mean(above > 0))
    return Found(f"above in {share:.1f} % of {_NUM_TABLES} tables, by up to {above.max():.3f} nat", share > 0)


def _sensitivity(p: jax.Array) -> jax.Array:
    """Return the mean Jensen-Shannon divergence of p(y|x1,x2) and p(y|x1',x2), x1' drawn anew."""
    given = jnp.log(p / jnp.sum(p, axis=2, keepdims=True))
    divergence = jensen_shannon(given[:, None], given[None])  # (x1, x1', x2)
    return jnp.einsum("ik,j,ijk->", jnp.sum(p, axis=2), jnp.sum(p, axis=(1, 2)), divergence)


def _tables(concentration: float) -> NDArray[np.float64]:
    """Draw tables of 3 x 3 x 3 cells."""
    weights = np.random.default_rng(0).gamma(concentration, size=(_NUM_TABLES, 3, 3, 3))
    return weights / weights.sum((1, 2, 3), keepdims=True)
