"""Batch-native kernels behind `vmap`: the mathematics on the leading axes, problems ("lanes") on the last.

With the batch on the minor axis every elementary operation on a small problem is one vector operation over
many problems, and a quantity that is a scalar of the problem broadcasts against its arrays without a reshape
(rank promotion is therefore allowed while a kernel is traced).
A kernel written so is turned by `batch_native` into a function of one problem, whose `vmap` (nested ones too)
gathers all problems into lanes and runs them in chunks that fit the cache of a CPU or fill an accelerator.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_batching import custom_vmap

Kernel = Callable[..., Any]


def batch_native(ranks: tuple[int, ...], *, cpu_chunk: int, chunk: int = 65536) -> Callable[[Kernel], Kernel]:
    """Decorate a kernel over lanes so that it takes single problems and batches by `vmap`.

    The kernel gets arrays of shape (*problem, lanes) and returns a pytree of such arrays; every lane must
    depend on its own problem only. The result is compiled, and not differentiable: call it on
    `jax.lax.stop_gradient` of its arguments and attach derivatives by `numerics.attach_gradient`.

    Args:
      ranks: the rank of each argument of a single problem.
      cpu_chunk: lanes run together on a CPU.
      chunk: lanes run together elsewhere.

    Returns:
      a decorator.
    """

    def decorate(kernel: Kernel) -> Kernel:
        @custom_vmap
        def run(*arrays: Array) -> Any:
            batch = arrays[0].shape[: arrays[0].ndim - ranks[0]]
            shapes = [x.shape[len(batch) :] for x in arrays]
            if any(0 in shape for shape in shapes):
                raise ValueError(f"every axis of a problem needs at least one entry; got shapes {shapes}")
            num_problems = math.prod(batch)
            problems = [x.reshape(num_problems, *shape) for x, shape in zip(arrays, shapes, strict=True)]
            if num_problems == 0:  # one problem tells the shapes of the results
                problems = [jnp.zeros((1, *shape), x.dtype) for x, shape in zip(arrays, shapes, strict=True)]
            size = cpu_chunk if jax.default_backend() == "cpu" else chunk
            with jax.numpy_rank_promotion("allow"):
                out = _map_problems(kernel, problems, size)
            return jax.tree.map(lambda x: x[:num_problems].reshape(*batch, *x.shape[1:]), out)

        @run.def_vmap
        def batched(axis_size: int, in_batched: Any, *arrays: Array) -> Any:
            full = [
                x if is_batched else jnp.broadcast_to(x, (axis_size, *x.shape))
                for x, is_batched in zip(arrays, in_batched, strict=True)
            ]
            out = run(*full)
            return out, jax.tree.map(lambda _: True, out)

        return functools.wraps(kernel)(jax.jit(run))

    return decorate


def map_chunks(kernel: Kernel, arrays: list[Array], size: int) -> Any:
    """Apply a kernel to all lanes, `size` of them at a time.

    Args:
      kernel: takes arrays of shape (..., lanes) and returns a pytree of such arrays.
      arrays: arrays of shape (..., lanes).
      size: lanes in a chunk; the last chunk is filled up with copies of the last lane.

    Returns:
      the kernel's result for all lanes.
    """
    num_lanes = arrays[0].shape[-1]
    if num_lanes <= size:
        return kernel(*arrays)
    num_chunks = -(-num_lanes // size)
    padding = num_chunks * size - num_lanes

    def split(x: Array) -> Array:
        x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, padding)], mode="edge")
        return jnp.moveaxis(x.reshape(*x.shape[:-1], num_chunks, size), -2, 0)

    def join(x: Array) -> Array:
        x = jnp.moveaxis(x, 0, -2)
        return x.reshape(*x.shape[:-2], num_chunks * size)[..., :num_lanes]

    out = jax.lax.map(lambda chunks: kernel(*chunks), [split(x) for x in arrays])
    return jax.tree.map(join, out)


def _map_problems(kernel: Kernel, problems: list[Array], size: int) -> Any:
    """Apply a kernel to problems on the first axis; a chunk becomes lanes, and problems again, while in cache."""
    num_problems = problems[0].shape[0]

    def run(chunk: list[Array]) -> Any:
        out = kernel(*(jnp.moveaxis(x, 0, -1) for x in chunk))
        return jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), out)

    if num_problems <= size:
        return run(problems)
    num_chunks = -(-num_problems // size)
    padding = num_chunks * size - num_problems

    def split(x: Array) -> Array:
        x = jnp.pad(x, [(0, padding)] + [(0, 0)] * (x.ndim - 1), mode="edge")
        return x.reshape(num_chunks, size, *x.shape[1:])

    out = jax.lax.map(run, [split(x) for x in problems])
    return jax.tree.map(lambda x: x.reshape(num_chunks * size, *x.shape[2:])[:num_problems], out)


def fitting_chunk(elements: int) -> int:
    """Return how many lanes with so many array elements each keep a kernel's working set in fast memory."""
    budget = 2**16 if jax.default_backend() == "cpu" else 2**26
    return max(4, min(256 if jax.default_backend() == "cpu" else 2**16, budget // elements))


def total(x: Array, *axes: int) -> Array:
    """Sum over short leading axes.

    XLA's reductions over leading axes on a CPU do not run along the lanes, additions of slices do. A sum down
    to one number a lane is a reduction all the same: the compiler does not fuse it into the elements it meets,
    where it would be done again for each.
    """
    return _fold(jnp.add, jnp.sum, x, axes)


def largest(x: Array, *axes: int) -> Array:
    """Take the maximum over short leading axes, as `total` sums."""
    return _fold(jnp.maximum, jnp.max, x, axes)


def smallest(x: Array, *axes: int) -> Array:
    """Take the minimum over short leading axes, as `total` sums."""
    return _fold(jnp.minimum, jnp.min, x, axes)


def _fold(operation: Callable[[Array, Array], Array], reduction: Kernel, x: Array, axes: tuple[int, ...]) -> Array:
    if len(axes) == x.ndim - 1:
        return reduction(x, axis=axes)
    for axis in sorted(axes, reverse=True):
        slices = [jax.lax.index_in_dim(x, k, axis, keepdims=False) for k in range(x.shape[axis])]
        while len(slices) > 1:
            pairs = [operation(*pair) for pair in zip(slices[::2], slices[1::2], strict=False)]
            slices = pairs + slices[len(slices) - len(slices) % 2 :]
        x = slices[0]
    return x
