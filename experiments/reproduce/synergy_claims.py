"""Experiments, reproduce: claims of arXiv 2306.04539 that a table decides, computed at once."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from experiments.reproduce.entry import Found
from experiments.reproduce.once import once
from mmjax import information, synergy


def swapped_uniqueness() -> Found:
    """Return what lower_U1 claims where the label is the first of two independent coins: no synergy at all."""
    p = np.zeros((2, 2, 2))
    p[0, :, 0] = p[1, :, 1] = 1 / 4
    claimed, truth = float(once(synergy.published_bounds, p).lower_U1), _synergy_at_most(p)
    return Found(f"y = x1: claims {claimed:.3f} bit, S = {truth:.3f}", claimed > truth + 0.5)


def calibration() -> Found:
    """Return what disagreement claims of x1 = x2 = y, from a constant classifier, calibrated, and from the best one."""
    p = np.zeros((2, 2, 2))
    p[0, 0, 0] = p[1, 1, 1] = 1 / 2
    constant, best = np.full((2, 2), 1 / 2), np.eye(2)
    pairs = p.sum(axis=2)
    overlap = np.sqrt(constant) @ np.sqrt(best).T
    claimed = float(-np.sum(pairs[pairs > 0] * np.log2(overlap[pairs > 0])))
    truth = _synergy_at_most(p)
    return Found(f"x1 = x2 = y: claims {claimed:.3f} bit, S = {truth:.3f}", claimed > truth + 0.1)


def accuracy_from_below() -> Found:
    """Return by how much the best classifier of random tables is above the published lower bound, at least."""
    weights = np.random.default_rng(0).gamma(0.3, size=(1000, 3, 3, 4))
    p = weights / weights.sum((1, 2, 3), keepdims=True)
    informations = once(jax.vmap(information.joint_mutual_information), p)
    entropies = once(jax.vmap(information.entropy), p.sum((1, 2)))
    least = float(np.min(p.max(axis=3).sum((1, 2)) - 2 ** (informations - entropies)))
    return Found(f"holds in {len(p)} tables, by {least:.4f} or more", least >= 0)


def accuracy_from_above() -> Found:
    """Return the published upper bound where nothing is told of ten classes, of which one is frequent."""
    label = np.array([0.91, *[0.01] * 9])
    p = np.full((2, 2, 1), 1 / 4) * label
    told = float(once(information.joint_mutual_information, p))
    published = float((told + 1) / np.log2(len(label)))
    fano = float(once(lambda x: synergy.accuracy_upper_bound(information.entropy(x) - told, len(label)), label))
    reached = float(p.max(axis=2).sum())
    return Found(f"claims {published:.3f}, reached {reached:.3f}; Fano's {fano:.3f}", published < reached <= fano)


def _synergy_at_most(p: NDArray[np.float64]) -> float:
    """Return I(X1,X2;Y) less the larger of the two unimodal informations: no synergy is above it."""

    def excess(p: Array) -> Array:
        alone = [information.mutual_information(pair) for pair in information.pairwise_marginals(p)[1:]]
        return information.joint_mutual_information(p) - jnp.maximum(*alone)

    return max(0.0, float(once(excess, p)))
