"""Room competition: how well a label can be read off latents by a linear classifier (Alain & Bengio 2016)."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.scipy.sparse.linalg import cg
from jax.typing import ArrayLike

from mmjax.competition._strategy import weighted_mean
from mmjax.numerics import nan_unless

MAX_STEPS = 50
"""Limit of Newton steps; latents that separate the classes need some 20."""
FORCING = 1e-2
"""Relative residual at which conjugate gradients end a Newton step."""
MAX_CONJUGATE = 200
"""Limit of conjugate gradients in a step."""
FRACTIONS = (1.0, 0.5, 0.25, 1 / 16, 1 / 128)
"""Fractions of a step that are tried, the longest that does no harm is taken."""

_Weights = tuple[Array, Array]


class LinearProbe(NamedTuple):
    """A multinomial logistic regression on standardised latents."""

    mean: Array
    """(width,), of the latents it was fitted to."""
    scale: Array
    """(width,), their standard deviations; 1 where a latent is constant."""
    weights: Array
    """(width, num_classes), of standardised latents; sums 0 over the classes."""
    bias: Array
    """(num_classes,), sum 0."""
    gradient: Array
    """Certificate: the largest derivative, in absolute value, of the mean loss at these weights."""


@functools.partial(jax.jit, static_argnames="num_classes")
def linear_probe(
    latents: Array,
    label: Array,
    *,
    num_classes: int,
    penalty: ArrayLike = 1.0,
    weight: Array | None = None,
) -> LinearProbe:
    """Fit a linear classifier to latents (linear probe: Alain & Bengio 2016, arXiv 1610.01644).

    min over W, b of sum_i w_i CE(softmax(W' x_i + b), y_i) + penalty / 2 |W|^2, x_i the latents, standardised; convex,
    by Newton's method with conjugate gradients. With three classes or more this is scikit-learn's LogisticRegression
    with C = 1 / penalty behind a StandardScaler; with two, that of C = 2 / penalty, as it penalises the difference of
    the two columns of W instead of both.

    Args:
      latents: (n, width).
      label: classes (n,), int in [0, num_classes).
      num_classes: static.
      penalty: positive, in units of samples; may be traced.
      weight: (n,), 0 for samples that do not count; None counts all.

    Returns:
      the probe, deterministic; NaN where latents or the penalty are not finite. A class without samples gets a low
      bias; without any sample all weights are 0.

    Not differentiable.
    """
    chex.assert_rank([latents, label], [2, 1])
    chex.assert_equal_shape_prefix([latents, label], 1)
    latents = jax.lax.stop_gradient(latents)
    weight = jnp.ones_like(latents[:, 0]) if weight is None else weight.astype(latents.dtype)
    chex.assert_equal_shape([weight, label])
    mean, scale = _moments(latents, weight)
    x = (latents - mean[None]) / scale[None]
    total = jnp.sum(weight)
    ridge = jnp.asarray(penalty, x.dtype) / jnp.where(total > 0, total, 1)

    def loss(parameters: _Weights) -> Array:
        weights, bias = parameters
        losses = optax.softmax_cross_entropy_with_integer_labels(x @ weights + bias[None], label)
        return weighted_mean(losses, weight) + ridge / 2 * jnp.sum(weights**2)

    frequencies = jax.vmap(weighted_mean, in_axes=(1, None))(jax.nn.one_hot(label, num_classes, dtype=x.dtype), weight)
    bias = jnp.log(jnp.maximum(frequencies, jnp.finfo(x.dtype).eps))
    start = jnp.zeros((x.shape[1], num_classes), x.dtype), bias - jnp.mean(bias)
    (weights, bias), gradient = _minimise(loss, start)
    fitted = LinearProbe(mean, scale, weights, bias - jnp.mean(bias), gradient)
    return jax.tree.map(lambda value: nan_unless(jnp.isfinite(gradient), value), fitted)


def probe_logits(probe: LinearProbe, latents: Array) -> Array:
    """Return what a probe makes of latents (n, width): logits (n, num_classes)."""
    return (latents - probe.mean[None]) / probe.scale[None] @ probe.weights + probe.bias[None]


def _moments(latents: Array, weight: Array) -> tuple[Array, Array]:
    means = jax.vmap(weighted_mean, in_axes=(1, None))
    mean = means(latents, weight)
    deviation = jnp.sqrt(means((latents - mean[None]) ** 2, weight))
    constant = deviation <= 16 * jnp.finfo(latents.dtype).eps * jnp.abs(mean)
    return mean, jnp.where(constant, 1, deviation)


def _minimise(loss: Callable[[_Weights], Array], start: _Weights) -> tuple[_Weights, Array]:
    """Minimise a convex function; return also its largest derivative where the search ended."""
    rounding = float(jnp.finfo(start[0].dtype).eps)
    slope = jax.grad(loss)

    def step(state: tuple[_Weights, _Weights, Array]) -> tuple[_Weights, _Weights, Array]:
        point, gradient, count = state
        _, curvature = jax.linearize(slope, point)
        direction, _ = cg(curvature, jax.tree.map(jnp.negative, gradient), tol=FORCING, maxiter=MAX_CONJUGATE)
        now = loss(point)
        fractions = jnp.array(FRACTIONS, now.dtype)
        tried = jax.vmap(lambda fraction: loss(_moved(point, fraction, direction)))(fractions)
        # At the optimum the value does not tell points apart that its gradient still does: rounding is no harm.
        fraction = jnp.max(jnp.where(tried <= now + 4 * rounding * (1 + now), fractions, 0))
        point = _moved(point, fraction, direction)
        return point, slope(point), jnp.where(fraction > 0, count + 1, MAX_STEPS)

    def unfinished(state: tuple[_Weights, _Weights, Array]) -> Array:
        return (_largest(state[1]) > 64 * rounding) & (state[2] < MAX_STEPS)

    point, gradient, _ = jax.lax.while_loop(unfinished, step, (start, slope(start), jnp.int32(0)))
    return point, _largest(gradient)


def _moved(point: _Weights, fraction: Array, direction: _Weights) -> _Weights:
    return jax.tree.map(lambda x, dx: x + fraction * dx, point, direction)


def _largest(gradient: _Weights) -> Array:
    return jnp.max(jnp.stack([jnp.max(jnp.abs(x)) for x in gradient]))
