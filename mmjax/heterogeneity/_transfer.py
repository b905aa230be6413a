"""Room heterogeneity: how much worse a model learns one node's data when it starts from a model of another's.

A node is a modality, or a pair of modalities, with a task. Training is the caller's: a pure function of a key, one
node's data and the model to start from.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, PartitionSpec
from jax.typing import ArrayLike

from mmjax.numerics import as_floats, divide_or_zero, nan_unless

Tree = Any
"""A pytree of arrays."""


class Fit(NamedTuple):
    """What training on one node's data gives."""

    model: Tree
    """The fitted model: a pytree of one structure and one set of shapes for all nodes."""
    losses: Array
    """(num_samples,) loss of each validation sample, in nats."""
    weight: Array
    """(num_samples,) 1 for samples that count, 0 for padding."""


FitFn = Callable[[Array, Tree, Tree | None], Fit]
"""`fit_fn(key, node, start)`: train on one node's data, from random weights where `start` is None ("direct"), else
from the model `start` ("transferred"). Pure; how many steps each takes is its own business, 0 for zero-shot."""


class TransferMatrix(NamedTuple):
    """Losses of n nodes, learned directly and from each other, in nats; axes (source, target)."""

    transfer: Array
    """(n, n) signed: `transferred` less `direct` of the target; positive where the source hinders."""
    standard_error: Array
    """(n, n) of `transfer`, paired: over the samples of the target's validation split."""
    direct: Array
    """(n,) mean loss of each node, learned from random weights."""
    transferred: Array
    """(n, n) mean loss of each target, learned from the model of each source."""


def transfer_matrix(fit_fn: FitFn, nodes: Tree, *, key: Array, mesh: Mesh | None = None) -> TransferMatrix:
    """Measure the transfer between all nodes: n direct fits and n^2 transferred ones, as one program.

    T(i -> j) = L(j from the model of i) - L(j from random weights), of validation losses (Liang et al. 2023, arXiv
    2203.01311, section 2.1). The step counts and learning rates of both fits are part of this definition: on a convex
    problem every start ends at the same optimum, so T goes to 0 as the budget of the transferred fit grows. State the
    budgets beside the matrix. Nodes of different units or numbers of classes have losses of different size; where rows
    are to be compared, let `fit_fn` divide each node's losses by the entropy of its labels.

    Call it under `jax.jit`. It runs over sources by `vmap` and over targets one by one, so memory holds n models in
    training at once. For fewer at once, or to resume, call `direct_fits` and `transferred_losses` on some of the
    sources at a time: their rows do not depend on each other. For several seeds, `vmap` over `key`.

    Args:
      fit_fn: trains; see `FitFn`. It sees the key of the target, the same for all sources and for the direct fit, so
        that batches and new heads are paired.
      nodes: a pytree of arrays (n, ...): the nodes' data, one shape for all.
      key: PRNG key; node j gets `fold_in(key, j)`.
      mesh: of one axis, over which sources are spread; n need not be a multiple of the devices.

    Returns:
      the matrix, its diagonal as measured. NaN where a node has no validation sample; standard errors also where it
      has one only. Differentiable as `fit_fn` is, in what it closes over and in floating `nodes`.

    Raises:
      ValueError: if the mesh has more than one axis.
    """
    num_nodes = _num_nodes(nodes)

    def of_sources(sources: Array, nodes: Tree, key: Array) -> tuple[Fit, Array]:
        direct = direct_fits(fit_fn, nodes, key=key, sources=sources)
        return direct._replace(model=None), transferred_losses(fit_fn, direct.model, nodes, key=key)

    if mesh is None:
        return matrix_of(*of_sources(jnp.arange(num_nodes), nodes, key))
    return matrix_of(*_spread(of_sources, mesh, num_nodes)(nodes, key))


def direct_fits(fit_fn: FitFn, nodes: Tree, *, key: Array, sources: ArrayLike | None = None) -> Fit:
    """Train on each node's data from random weights.

    Args:
      fit_fn: trains; see `FitFn`.
      nodes: a pytree of arrays (n, ...).
      key: PRNG key; node j gets `fold_in(key, j)`.
      sources: (m,) integers, which nodes; all by default.

    Returns:
      the fits, each array with a new first axis (m,).
    """
    which = jnp.arange(_num_nodes(nodes)) if sources is None else jnp.asarray(sources)

    def one(source: Array) -> Fit:
        return fit_fn(jax.random.fold_in(key, source), _node(nodes, source), None)

    return jax.vmap(one)(which)


def transferred_losses(fit_fn: FitFn, models: Tree, nodes: Tree, *, key: Array) -> Array:
    """Train on each node's data from each of some models.

    Args:
      fit_fn: trains; see `FitFn`.
      models: a pytree of arrays (m, ...): the models to start from.
      nodes: a pytree of arrays (n, ...).
      key: PRNG key, the one of the direct fits.

    Returns:
      (m, n, num_samples) validation losses, in nats.
    """

    def of_target(target: Array) -> Array:
        target_key, node = jax.random.fold_in(key, target), _node(nodes, target)
        return jax.vmap(lambda model: fit_fn(target_key, node, model).losses)(models)

    return jnp.swapaxes(jax.lax.map(of_target, jnp.arange(_num_nodes(nodes))), 0, 1)


@jax.jit
def matrix_of(direct: Fit, transferred: ArrayLike) -> TransferMatrix:
    """Compare the losses of direct and transferred fits, sample by sample.

    The standard error is that of a mean of differences between paired losses: their standard deviation over the root
    of the number of samples. It knows the noise of the validation split, not that of training: for that, take the
    spread over seeds.

    Args:
      direct: of all n nodes, losses and weight (n, num_samples); losses of weight 0 may be anything, NaN too.
      transferred: (m, n, num_samples) losses of the transferred fits.

    Returns:
      the matrix, with m rows. Differentiable; the derivative of a standard error 0 counts as 0.
    """
    losses, weight, transferred = as_floats(direct.losses, direct.weight, transferred)
    chex.assert_rank([losses, transferred], [2, 3])
    chex.assert_equal_shape([losses, weight])
    chex.assert_shape(transferred, (None, *losses.shape))
    of_rows = jax.vmap(_mean_and_error, (0, None))
    transfer, error = of_rows(transferred - losses[None], weight)
    return TransferMatrix(transfer, error, _mean_and_error(losses, weight)[0], of_rows(transferred, weight)[0])


def _mean_and_error(values: Array, weight: Array) -> tuple[Array, Array]:
    """Return the mean (n,) over samples and its standard error; a weighted sample counts as the share it has."""
    counts = weight != 0
    total = jnp.sum(weight, axis=1)
    share = divide_or_zero(weight, jnp.broadcast_to(total[:, None], weight.shape))
    mean = nan_unless(total > 0, jnp.sum(share * jnp.where(counts, values, 0), axis=1))
    squares = jnp.sum(share * jnp.where(counts, values - mean[:, None], 0) ** 2, axis=1)
    number = divide_or_zero(jnp.ones_like(total), jnp.sum(share**2, axis=1))
    variance = nan_unless(number > 1, divide_or_zero(squares, number - 1))
    positive = variance > 0
    return mean, jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1)), variance)


def _spread(of_sources: Callable[..., Tree], mesh: Mesh, num_nodes: int) -> Callable[[Tree, Array], Tree]:
    """Spread the sources over the devices of a mesh, the last ones repeated to a multiple of these."""
    if len(mesh.axis_names) != 1:
        raise ValueError(f"the mesh must have one axis, over which sources are spread; got {mesh.axis_names}")
    # Sharding is by `shard_map` alone: a mesh of explicit axes would refuse arrays that lie on one device.
    mesh = Mesh(mesh.devices, mesh.axis_names)
    each, same = PartitionSpec(mesh.axis_names[0]), PartitionSpec()
    # Loops inside `fit_fn` start from constants, which the check of varying axes would refuse.
    run = jax.shard_map(of_sources, mesh=mesh, in_specs=(each, same, same), out_specs=each, check_vma=False)
    padded = -(-num_nodes // mesh.size) * mesh.size

    def spread(nodes: Tree, key: Array) -> Tree:
        sources = jnp.minimum(jnp.arange(padded), num_nodes - 1)
        return jax.tree.map(lambda x: x[:num_nodes], run(sources, nodes, key))

    return spread


def _node(nodes: Tree, index: Array) -> Tree:
    return jax.tree.map(lambda x: jnp.asarray(x)[index], nodes)


def _num_nodes(nodes: Tree) -> int:
    leaves = jax.tree.leaves(nodes)
    chex.assert_equal_shape_prefix(leaves, 1)
    return int(leaves[0].shape[0])
