"""Room heterogeneity: transfer between nodes estimated from the gradients of one model of all, which trains nothing."""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from mmjax.heterogeneity._transfer import Fit, TransferMatrix, Tree, direct_fits, matrix_of, transferred_losses
from mmjax.numerics import as_floats, divide_or_zero

NUM_STEPS = 20
"""Newton steps from the base model; they converge quadratically near the minimum, and `Affinity.gap` tells."""
SIZES = tuple(0.5**halvings for halvings in range(13))
"""Of a step: the largest that lowers the objective as far as it should."""


class Labelled(NamedTuple):
    """Samples of n nodes with their classes."""

    samples: Tree
    """A pytree of arrays (n, num_samples, ...)."""
    label: Array
    """(n, num_samples) integers."""
    weight: Array
    """(n, num_samples) 1 for samples that count, 0 for padding."""


class Affinity(NamedTuple):
    """Transfer between n nodes as gradients foretell it."""

    matrix: TransferMatrix
    """Of estimated losses, in nats; axes (source, target)."""
    gap: Array
    """(n,) nats: the most by which each source's objective, ridge and all, exceeds its minimum."""


def gradient_affinity(
    apply_fn: Callable[[Tree, Tree], Array],
    params: Tree,
    train: Labelled,
    valid: Labelled,
    *,
    key: Array,
    dim: int = 128,
    ridge: ArrayLike = 0.1,
    chunk: int = 128,
) -> Affinity:
    """Estimate the zero-shot transfer between all nodes from gradients at one base model of all of them.

    After the idea of Grad-TAG (Li, Sharma, Zhang 2024, arXiv 2409.06091): a model of some tasks is a logistic
    regression on randomly projected gradients of a base model. Its estimates are of training on sets of tasks; which
    losses to compare, the multinomial form and the ridge are ours:

      f(x; w) = f(x; theta_0) + J(x) R w,  J = df / dtheta at theta_0,  R (parameters, dim) ~ N(0, 1 / dim)
      w_i = argmin  mean over training samples of i of CE(f(x; w), y) + ridge / 2 |w|^2
      T(i -> j) = mean over validation samples of j of CE(f(x; w_i), y) - CE(f(x; w_j), y)

    So each node's model is the base model's linearisation, fitted to that node in a random subspace of parameters by
    Newton's method; R keeps products of gradients, and so the fit, up to errors of order dim^-1/2 (Johnson and
    Lindenstrauss). Where dim is at least the number of parameters nothing is projected, and for a model linear in its
    parameters all is exact. The ridge holds models near the base as a budget of steps does: no budget is a ridge
    without limit, and T = 0. Estimates are good where trained models stay near the base, so train that on all nodes.

    Call it under `jax.jit`: one program. Memory holds `dim` copies of the parameters and the gradients of `chunk`
    samples. With F the FLOPs of one sample's logits, N the samples of a node, of both splits, C classes and p
    parameters, it costs about n N (2 C F + 2 C p dim) + 2 NUM_STEPS n N C dim^2 FLOPs, and the base model; n trainings
    of S steps of B samples and n^2 of S' cost 3 F B (n S + n^2 S'). It pays where these see each sample more than about
    C (2 + 2 p dim / F) / 3 times for each node; short trainings on few samples are faster measured.

    Args:
      apply_fn: `apply_fn(params, sample)`, logits (num_classes,) of one sample; -inf, or the least number, where a
        node has fewer classes.
      params: of the base model, a pytree of floats.
      train: what nodes are fitted to; of a node without samples the base model stays.
      valid: what losses are of. As `train`; samples of weight 0 may hold anything, NaN too.
      key: PRNG key, of the projection.
      dim: numbers kept of each gradient, >= 1.
      ridge: > 0, in nats per squared unit of parameters. Its scale is the model's: take that of least `direct`.
      chunk: samples at once, >= 1.

    Returns:
      the estimates. `direct` is not of a training from random weights but of the fit to the node itself. NaN where a
      node has no validation sample; a NaN among its training samples gives NaN in its row and column, among its
      validation samples in its column. Not differentiable.

    Raises:
      ValueError: if dim or chunk is less than 1.
    """
    if dim < 1 or chunk < 1:
        raise ValueError(f"dim and chunk must be at least 1; got {dim} and {chunk}")
    num_params = ravel_pytree(params)[0].size
    projection = None if dim >= num_params else jax.random.normal(key, (num_params, dim)) / dim**0.5
    nodes = _linearised(apply_fn, params, [train, valid], projection, chunk)

    def fit_fn(key: Array, node: tuple[_Linear, _Linear], start: _Solution | None) -> Fit:
        del key
        solution = _minimise(node[0], ridge) if start is None else start
        return Fit(solution, _cross_entropies(node[1], _logits(node[1], solution.w)), node[1].weight)

    with jax.default_matmul_precision("highest"):
        fits = direct_fits(fit_fn, nodes, key=key)
        transferred = transferred_losses(fit_fn, fits.model, nodes, key=key)
    return Affinity(matrix_of(fits, transferred), fits.model.gap)


class _Linear(NamedTuple):
    """A linearised model on samples of a node, or of n nodes; zeros where they do not count."""

    offset: Array
    """(num_samples, num_classes) logits of the base model."""
    features: Array
    """(num_samples, num_classes, dim) projected gradients of these."""
    label: Array
    weight: Array


class _Solution(NamedTuple):
    w: Array
    gap: Array


def _linearised(
    apply_fn: Callable[[Tree, Tree], Array], params: Tree, parts: list[Labelled], projection: Array | None, chunk: int
) -> tuple[_Linear, _Linear]:
    """Compute logits and projected gradients of all samples of both parts, some at a time."""
    for part in parts:
        chex.assert_rank([part.label, part.weight], 2)
        chex.assert_equal_shape_prefix([part.label, part.weight, *jax.tree.leaves(part.samples)], 2)
    flat, unravel = ravel_pytree(params)

    def of_sample(sample: Tree) -> tuple[Array, Array]:
        logits, pull = jax.vjp(lambda theta: apply_fn(unravel(theta), sample), flat)
        chex.assert_rank(logits, 1)
        (gradients,) = jax.vmap(pull)(jnp.eye(len(logits), dtype=logits.dtype))
        return logits, gradients if projection is None else gradients @ projection.astype(gradients.dtype)

    both = jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *parts)  # each would compile the model anew
    merged = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), both.samples)
    of_all = jax.lax.stop_gradient(jax.lax.map(of_sample, merged, batch_size=chunk))
    offset, features, weight = as_floats(*(x.reshape(*both.label.shape, *x.shape[1:]) for x in of_all), both.weight)
    counts = weight != 0
    linear = _Linear(
        jnp.where(counts[..., None], offset, 0),
        jnp.where(counts[..., None, None], features, 0),
        jnp.where(counts, both.label, 0),
        weight,
    )
    num_train = parts[0].label.shape[1]
    return jax.tree.map(lambda x: x[:, :num_train], linear), jax.tree.map(lambda x: x[:, num_train:], linear)


def _minimise(data: _Linear, ridge: ArrayLike) -> _Solution:
    """Fit a node by damped Newton steps; the gap is |gradient|^2 / (2 ridge), as the objective curves by the ridge."""
    ridge = jax.lax.stop_gradient(jnp.asarray(ridge, data.weight.dtype))
    share = divide_or_zero(data.weight, jnp.broadcast_to(jnp.sum(data.weight), data.weight.shape))
    true = jax.nn.one_hot(data.label, data.offset.shape[1], dtype=share.dtype)

    def objective(w: Array, logits: Array) -> Array:
        return jnp.sum(share * _cross_entropies(data, logits)) + ridge / 2 * jnp.sum(w**2)

    def gradient(w: Array, probabilities: Array) -> Array:
        return jnp.einsum("nc,ncd->d", share[:, None] * (probabilities - true), data.features) + ridge * w

    def step(_: Array, w: Array) -> Array:
        logits = _logits(data, w)
        probabilities = jax.nn.softmax(logits)
        slopes = gradient(w, probabilities)
        means = jnp.einsum("nc,ncd->nd", probabilities, data.features)
        roots = jnp.sqrt(share[:, None] * probabilities)[..., None] * (data.features - means[:, None])
        roots = roots.reshape(-1, len(w))
        curvature = roots.T @ roots + ridge * jnp.eye(len(w), dtype=w.dtype)
        direction = -jax.scipy.linalg.solve(curvature, slopes, assume_a="pos")
        move = jnp.einsum("ncd,d->nc", data.features, direction)
        sizes, value = jnp.asarray(SIZES, w.dtype), objective(w, logits)
        values = jax.vmap(lambda size: objective(w + size * direction, logits + size * move))(sizes)
        # Differences below rounding must not shorten the last steps, which are the ones that converge.
        rounding = 8 * jnp.finfo(w.dtype).eps * jnp.abs(value)
        enough = values <= value + 1e-4 * sizes * jnp.sum(slopes * direction) + rounding
        return w + sizes[jnp.argmax(enough)] * direction

    w = jax.lax.fori_loop(0, NUM_STEPS, step, jnp.zeros(data.features.shape[-1], share.dtype))
    remaining = gradient(w, jax.nn.softmax(_logits(data, w)))
    return _Solution(w, jnp.sum(remaining**2) / (2 * ridge))


def _logits(data: _Linear, w: Array) -> Array:
    return data.offset + jnp.einsum("ncd,d->nc", data.features, w)


def _cross_entropies(data: _Linear, logits: Array) -> Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), data.label[:, None], axis=1)[:, 0]
