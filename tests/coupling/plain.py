"""Plain programs that the tests of couplings compare with, and the marginals they run on."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
KINDS = ("dense", "peaked", "counts", "uniform", "zeros")


def random_marginals(seed: int, batch: int, k: int, n: int, kind: str) -> Values:
    """Marginals (batch, k, n): `counts` have ties, `uniform` ones have unequal numbers of atoms."""
    rng = np.random.default_rng(seed)
    if kind in ("dense", "peaked"):
        return rng.dirichlet(np.full(n, 1.0 if kind == "dense" else 0.2), (batch, k))
    if kind == "counts":
        weights = rng.integers(0, 4, (batch, k, n)).astype(float)
    elif kind == "uniform":
        weights = (np.arange(n) < rng.integers(1, n + 1, (batch, k, 1))).astype(float)
    else:
        weights = rng.dirichlet(np.ones(n), (batch, k)) * (rng.random((batch, k, n)) > 0.4)
    weights[..., 0] += weights.sum(-1) == 0
    return weights / weights.sum(-1, keepdims=True)


def entropy(p: Values) -> Values:
    """Entropy in bits of the last axis."""
    return -np.sum(p * np.log2(np.where(p > 0, p, 1)), axis=-1)


def greedy(marginals: Values) -> tuple[NDArray[np.int64], Values]:
    """Greedy coupling of one problem: one argmax a step and marginal, sparse output."""
    left = [p.copy() for p in marginals]
    cells, masses = [], []
    for _ in range(sum(len(p) for p in left) - len(left) + 1):
        cell = [p.argmax() for p in left]
        mass = min(p[i] for p, i in zip(left, cell, strict=True))
        if mass <= 0:
            break
        for p, i in zip(left, cell, strict=True):
            p[i] -= mass
        cells.append(cell)
        masses.append(mass)
    return np.array(cells), np.array(masses)


def least_entropy(p: Values, q: Values) -> Values:
    """Least entropy in bits over the couplings of p (batch, n1) with q (batch, n2), for few atoms.

    A vertex of the transportation polytope is a forest on the atoms of both marginals. `best[tree][root]` is
    the least entropy of a tree on a set of atoms that uses up all but its root; either the root has one
    subtree, whose root couples what it has left with it, or the tree splits at the root in two.
    """
    atoms = np.concatenate([p, -q], axis=1).T
    number, batch = atoms.shape
    everything = (1 << number) - 1
    balance = np.zeros((everything + 1, batch))
    for tree in range(1, everything + 1):
        lowest = (tree & -tree).bit_length() - 1
        balance[tree] = balance[tree & (tree - 1)] + atoms[lowest]
    side = [1] * p.shape[1] + [-1] * q.shape[1]
    best = np.full((everything + 1, number, batch), np.inf)
    for tree in range(1, everything + 1):
        for root in (i for i in range(number) if tree >> i & 1):
            below = tree ^ (1 << root)
            if not below:
                best[tree, root] = 0
                continue
            candidates = []
            for child in (i for i in range(number) if below >> i & 1 and side[i] != side[root]):
                mass = np.maximum(side[child] * balance[below], 0)
                candidates.append(best[below, child] - mass * np.log2(np.where(mass > 0, mass, 1)))
            part = (below - 1) & below
            while part:
                if part & below & -below:
                    with_root = 1 << root
                    candidates.append(best[part | with_root, root] + best[(below ^ part) | with_root, root])
                part = (part - 1) & below
            if candidates:
                feasible = side[root] * balance[tree] >= -1e-12
                best[tree, root] = np.where(feasible, np.min(candidates, axis=0), np.inf)
    return np.min(best[everything], axis=0)


def majorize_profile(marginals: Values) -> float:
    """Majorize-profile bound in bits of one problem, from sorted atoms."""
    sorted_atoms = np.sort(marginals, axis=1)
    starts = np.cumsum(sorted_atoms, axis=1) - sorted_atoms
    edges = np.unique(starts)
    covering = [np.searchsorted(row, edges + 1e-14, side="right") - 1 for row in starts]
    heights = np.min([row[i] for row, i in zip(sorted_atoms, covering, strict=True)], axis=0)
    rest, atoms = 1.0, []
    while rest > 1e-14:
        atoms.append(np.max(np.minimum(heights, rest - edges)))
        rest -= atoms[-1]
    return float(entropy(np.array(atoms)))


def slope(function: Callable[[Values], Values], x: Values, direction: Values, step: Values) -> Values:
    """Central difference of a function of a batch along one direction in each entry."""
    move = step[:, None, None] * direction
    return (np.asarray(function(x + move)) - np.asarray(function(x - move))) / (2 * step)
