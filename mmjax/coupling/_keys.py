"""Room coupling: the steps of the greedy coupling on keys that hold an atom's mass and index in one number.

A key is an integer, mass in fixed point above and index below, read as a float: an offset makes its bits those
of a positive normal float, and such floats are in the order of their bits. So one maximum finds the largest
atom, of equal ones that of the lowest index; keys are unique; and masses are subtracted exactly.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

Step = Callable[[Any, None], tuple[Any, Array]]

_KEY_BITS = 62
_OFFSET = 1 << 52
_BLOCK = 8
_FEW_LANES = 16
_FEW_ATOMS = 144


def cells_by_keys(p: Array, num_cells: int) -> tuple[Array, Array, Array]:
    """Make the cells of the greedy coupling in float64.

    Args:
      p: (k, n, lanes) of float64, rows that sum to 1.
      num_cells: number of steps.

    Returns:
      indices (num_cells, k, lanes), masses (num_cells, lanes), exhausted marginals (num_cells, lanes).
    """
    num_marginals, num_atoms, num_lanes = p.shape
    if num_atoms > 32 and num_lanes % 16 == 0:
        # Rows an odd number of cache lines long, so that the many atoms of a lane do not evict each other.
        p = jnp.pad(p, ((0, 0), (0, 0), (0, 8)))
    index_bits = max(1, (num_atoms - 1).bit_length())
    # By measurement: where a step is short, starting its loops is what takes time.
    if num_lanes < _FEW_LANES:
        prepare = _scan_all
    elif num_atoms <= _FEW_ATOMS:
        prepare = _overwrite_one
    else:
        prepare = _overwrite_one_in_blocks
    state, step = prepare(_keys(p, index_bits), index_bits)
    picked = _integers(jax.lax.scan(step, state, length=num_cells)[1])[..., :num_lanes]
    masses, indices = picked >> index_bits, num_atoms - 1 - _low_bits(picked, index_bits)
    least, exhausted = masses[:, 0], jnp.zeros_like(indices[:, 0])
    for marginal in range(1, num_marginals):
        exhausted = jnp.where(masses[:, marginal] < least, marginal, exhausted)
        least = jnp.minimum(masses[:, marginal], least)
    return indices, least.astype(p.dtype) * 2.0 ** (index_bits - _KEY_BITS), exhausted


def _scan_all(keys: Array, index_bits: int) -> tuple[Any, Step]:
    """Pick the largest keys; each step passes over all atoms twice."""

    def step(keys: Array, _: None) -> tuple[Array, Array]:
        heads = largest_in_rows(keys)
        return jnp.where(keys == heads[:, None], _remainders(heads, index_bits)[:, None], keys), heads

    return keys, step


def _overwrite_one(keys: Array, index_bits: int) -> tuple[Any, Step]:
    """Pick the largest keys; each step passes over all atoms once."""
    shape = num_marginals, num_atoms, num_lanes = keys.shape
    marginal, lane = jnp.arange(num_marginals, dtype=jnp.int32), jnp.arange(num_lanes, dtype=jnp.int32)
    last_row = (marginal[:, None] * num_atoms + num_atoms - 1) * num_lanes + lane

    def step(flat: Array, _: None) -> tuple[Array, Array]:
        heads = largest_in_rows(flat.reshape(shape))
        place = last_row - _low_bits(_integers(heads), index_bits) * num_lanes
        return _replace(flat, place, _remainders(heads, index_bits)), heads

    return keys.reshape(-1), step


def _overwrite_one_in_blocks(keys: Array, index_bits: int) -> tuple[Any, Step]:
    """Pick the largest keys; each step passes over the largest of every block of atoms."""
    num_marginals, num_atoms, num_lanes = keys.shape
    keys = jnp.pad(keys, ((0, 0), (0, -num_atoms % _BLOCK), (0, 0)))
    size = keys.shape[1]
    blocks = jnp.moveaxis(keys, 1, 2).reshape(num_marginals, num_lanes, size // _BLOCK, _BLOCK)
    # The atoms of a lane side by side: a block is one slice.
    row = jnp.arange(num_marginals * num_lanes, dtype=jnp.int32).reshape(num_marginals, num_lanes)
    last = row * size + num_atoms - 1
    slices = jax.lax.GatherDimensionNumbers(offset_dims=(2,), collapsed_slice_dims=(), start_index_map=(0,))

    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        flat, in_blocks = state
        heads = largest_in_rows(in_blocks)
        place = last - _low_bits(_integers(heads), index_bits)
        flat = _replace(flat, place, _remainders(heads, index_bits))
        start = (place // _BLOCK * _BLOCK)[:, :, None]
        block = jax.lax.gather(flat, start, slices, (_BLOCK,), mode="promise_in_bounds")
        in_blocks = jnp.where(in_blocks == heads[:, None], jnp.max(block, axis=2)[:, None], in_blocks)
        return (flat, in_blocks), heads

    return (blocks.reshape(-1), jnp.moveaxis(jnp.max(blocks, axis=3), 1, 2)), step


def largest_in_rows(keys: Array) -> Array:
    """Largest key of each row, (k, n, lanes) -> (k, lanes)."""
    while keys.shape[1] > 4:
        # Overlapping quarters, if 4 does not divide the number of atoms: a maximum does not mind.
        num_atoms = keys.shape[1]
        length = -(-num_atoms // 4)
        starts = [min(quarter * length, num_atoms - length) for quarter in range(4)]
        a, b, c, d = (keys[:, start : start + length] for start in starts)
        keys = _larger(_larger(a, b), _larger(c, d))
    # A reduction, which the compiler does not repeat in every element that its result meets.
    return jnp.max(keys, axis=1)


def _larger(a: Array, b: Array) -> Array:
    # Keys are never NaN: without the rules for it a maximum is one instruction.
    return jnp.where(a > b, a, b)


def _replace(flat: Array, places: Array, values: Array) -> Array:
    return flat.at[places.reshape(-1)].set(
        values.reshape(-1), mode="promise_in_bounds", unique_indices=True, wrap_negative_indices=False
    )


def _remainders(heads: Array, index_bits: int) -> Array:
    """What coupling leaves of the largest atoms (k, lanes), as keys."""
    picked = _integers(heads)
    masses = (picked >> index_bits) << index_bits
    # Not a reduction, which would be one more loop to start in each step.
    return _floats(picked - functools.reduce(jnp.minimum, list(masses)))


def _keys(p: Array, index_bits: int) -> Array:
    mass = jnp.round(p * 2.0 ** (_KEY_BITS - index_bits)).astype(jnp.int64)
    index = jnp.arange(p.shape[1] - 1, -1, -1, dtype=jnp.int64)
    return _floats((mass << index_bits) | index[:, None])


def _low_bits(picked: Array, bits: int) -> Array:
    return (picked & ((1 << bits) - 1)).astype(jnp.int32)


def _floats(integers: Array) -> Array:
    return jax.lax.bitcast_convert_type(integers + _OFFSET, jnp.float64)


def _integers(keys: Array) -> Array:
    return jax.lax.bitcast_convert_type(keys, jnp.int64) - _OFFSET
