"""Gaussian pairs of known information, with their best critics."""

import jax
import jax.numpy as jnp
import numpy as np


def correlation(information, dim):
    """The correlation of each of dim independent coordinates that gives so many nats in all."""
    return np.sqrt(1 - np.exp(-2 * information / dim))


def pairs(key, rho, shape):
    """x and y of shape (*batch, b, dim)."""
    x, e = jax.random.normal(key, (2, *shape))
    return x, rho * x + jnp.sqrt(1 - rho**2) * e


def log_conditional(rho, x, y):
    """log p(y_j | x_i), (b, b)."""
    squares = (y[None, :, :] - rho * x[:, None, :]) ** 2 / (1 - rho**2)
    return -jnp.sum(squares + jnp.log(2 * np.pi * (1 - rho**2)), axis=2) / 2


def log_ratio(rho, x, y):
    """log p(x_i, y_j) / p(x_i) p(y_j), (b, b): the best critic."""
    marginal = -jnp.sum(y**2 + np.log(2 * np.pi), axis=1) / 2
    return log_conditional(rho, x, y) - marginal[None]
