"""Experiments, fusion value: which accuracies of fusion unimodal labels and unlabelled pairs leave possible."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fusion_value.config import Config
from experiments.fusion_value.sets import CellSet, Table, marginals
from experiments.harness import Row, Rows
from mmjax import information, pid, synergy


def range_row(config: Config, name: str, of: CellSet) -> Row:
    """Return the exact range of the accuracy on a data set's cells, that of the published formulae, and what is known.

    The tables are those of all samples, unless only test rows are to decide, as no label of a pair enters them.
    """
    counts = of.counts(of.deciding(config))
    joint = counts / counts.sum()
    p12, p1y, p2y = marginals(joint)
    found = synergy.accuracy_range(p12, p1y, p2y, time_limit=config.time_limit)
    low, high = published_range(joint)
    return {
        "kind": "range",
        "set": name,
        "samples": int(counts.sum()),
        "sizes": list(of.sizes),
        "lower": found.lower,
        "upper": found.upper,
        "exact": found.lower_exact and found.upper_exact,
        "unimodal": max(float(p.max(axis=1).sum()) for p in (p1y, p2y)),
        "published lower": low,
        "published upper": high,
        "cells": float(joint.max(axis=2).sum()),
    }


def published_range(joint: Table) -> tuple[float, float]:
    """Return 2^(I - H(Y)) and (I + 1) / log2 ny, with the synergy bounds of the public code in I, as published.

    Liang et al. 2023 (arXiv 2306.04539): I = R + U1 + U2 + S with the largest lower bound on S that the code gives, 0
    at least, and the upper one. Neither formula is a bound, even with bounds on S: the second needs H(Y) = log2 ny.
    """
    with jax.enable_x64(True):
        p = jnp.asarray(joint)
        bounds = synergy.published_bounds(p)
        parts = pid.broja_from_marginals(*information.pairwise_marginals(p)[1:])
        entropy = float(information.entropy(jnp.sum(p, axis=(0, 1)), base=2))
    pairs = float(parts.redundancy + parts.unique1 + parts.unique2)
    lowers = [float(x) for x in (bounds.lower_R, bounds.lower_U1, bounds.lower_U2, bounds.lower_diff)]
    least = max([0.0, *(x for x in lowers if math.isfinite(x))])
    return 2 ** (pairs + least - entropy), (pairs + float(bounds.upper) + 1) / math.log2(joint.shape[2])


def labelling_rows(config: Config, name: str, of: CellSet) -> Rows:
    """Narrow the range by labelled pairs: rows of draws of so many of them."""
    deciding = of.deciding(config)
    seen = of.counts(deciding)
    known, flat = marginals(seen / seen.sum()), np.ravel_multi_index((of.x1, of.x2, of.label), of.sizes)[deciding]
    rows: Rows = []
    for number in config.labelled:
        for draw in range(config.num_draws):
            generator = np.random.default_rng((config.seed, number, draw))
            chosen = generator.choice(flat, min(number, len(flat)), replace=False)
            counts = np.bincount(chosen, minlength=math.prod(of.sizes)).reshape(of.sizes)
            lower, upper = _narrowed(config, known, counts)
            rows.append(
                {
                    "kind": "labelling",
                    "set": name,
                    "labelled": int(counts.sum()),
                    "draw": draw,
                    "lower": lower,
                    "upper": upper,
                }
            )
    return rows


def _narrowed(config: Config, known: tuple[Table, Table, Table], counts: NDArray[np.int64]) -> tuple[float, float]:
    """Return the range by labelled pairs, NaN where their intervals, of which 5 % miss, leave no joint."""
    try:
        found = synergy.accuracy_range(*known, intervals=synergy.joint_intervals(counts), time_limit=config.time_limit)
    except ValueError:  # the marginals are those of a joint, so it is the intervals
        return math.nan, math.nan
    return found.lower, found.upper
