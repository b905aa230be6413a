"""Experiments, common and individual: data without known factors: which correlations are real, what parts tell."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from experiments.common_individual.cases import Case, file_case
from experiments.common_individual.config import LEVEL, Config
from experiments.common_individual.probes import score
from experiments.common_individual.systems import closed_form
from experiments.harness import Row, Rows, UserError, input_errors
from mmjax.correlation import cca, permutation_test, variate_correlations, variates
from mmjax.data import Splits, digits_halves, load_npz, only, splits_of, standardised

MOST_COMPONENTS = 10
"""Of a pair of views that are tested."""


def loaded(config: Config) -> Splits:
    """Return the digits' halves, or the configuration's file, standardised.

    Raises:
      UserError: if the file has fewer than two views, or samples that lack one.
    """
    key = jax.random.key(config.seed)
    if config.data is None:
        return standardised(splits_of(only(digits_halves(), ("top", "bottom")), key=key))
    with input_errors(config.data):
        data = load_npz(config.data, list(config.modalities) or None)
        if len(data.modalities) < 2:
            raise UserError(f"{config.data}: needs two modalities or more; got {', '.join(data.modalities)}")
        absent = [name for name, mask in data.masks.items() if not np.all(mask)]
        if absent:
            raise UserError(f"{config.data}: some samples lack {', '.join(absent)}; give samples with all modalities")
        return standardised(splits_of(data, key=key))


def describe(config: Config, splits: Splits) -> Rows:
    """Return each pair of views' spectrum with its test, and what common and individual parts tell of the class."""
    name = "digits" if config.data is None else config.data.stem
    case, views = file_case(splits), list(splits.train.modalities)
    sizes = [z.shape[1] for z in case.train]
    num_samples = case.train[0].shape[0]
    if num_samples <= sum(sizes):
        raise UserError(
            f"{name}: {num_samples} training samples are too few for views of {' and '.join(map(str, sizes))} "
            "features; give more samples or fewer features"
        )
    pairs = [_spectrum(config, case, pair) for pair in itertools.combinations(range(len(views)), 2)]
    spectra = [{"setting": name, "views": f"{views[i]}, {views[j]}", **row} for (i, j), row in pairs]
    num_common = _num_common(config, name, spectra, min(sizes) - 1)
    num_individual = [min(config.num_individual, size - num_common) for size in sizes]
    parts = {"setting": name, "views": views, "num_common": num_common, "num_individual": num_individual}
    return [*spectra, parts | _class_probes(case, num_common, num_individual)]


def _spectrum(config: Config, case: Case, pair: tuple[int, int]) -> tuple[tuple[int, int], Row]:
    """Return the canonical correlations of two views, their p-values, and those of their variates in test samples."""
    train, test = (tuple(views[k] for k in pair) for views in (case.train, case.test))
    shown = min(MOST_COMPONENTS, *(z.shape[1] - 1 for z in train))
    key = jax.random.fold_in(jax.random.key(config.seed), 100 * pair[0] + pair[1])
    found = permutation_test(key, train[0], train[1], shown, num_permutations=config.num_permutations)
    of_test = variates(cca(train[0], train[1], shown), test)
    held_out = variate_correlations([z for z in of_test if z is not None])
    numbers = {"correlations": found.correlations, "p-values": found.p_values, "held out": held_out}
    return pair, {name: np.asarray(x, float).tolist() for name, x in numbers.items()}


def _num_common(config: Config, name: str, spectra: Rows, most: int) -> int:
    """Return the number asked for, or as many as all pairs of views have beyond chance, at least 1."""
    if config.num_common is None:
        return min(most, *(max(1, sum(p <= LEVEL for p in row["p-values"])) for row in spectra))
    if config.num_common > most:
        raise UserError(f"{name}: num_common must be at most {most}, one less than the narrowest view has features")
    return config.num_common


def _parts(case: Case, num_common: int, num_individual: int | Sequence[int]) -> tuple[Any, Any]:
    fit = closed_form(num_common, num_individual)(jax.random.key(0), case.train)
    return fit.variates(case.train), fit.variates(case.test)


def _class_probes(case: Case, num_common: int, num_individual: Sequence[int]) -> dict[str, Any]:
    """Return the accuracy from features, common variates, individual ones, and both, of labelled samples, a view."""
    assert case.common is not None
    labelled = [np.asarray(label, int) >= 0 for label in case.common]
    target = case.common[0][labelled[0]], case.common[1][labelled[1]]
    (common, individual), (common_test, individual_test) = _parts(case, num_common, num_individual)
    found: dict[str, Any] = {"chance": float(np.mean(target[1] == np.bincount(target[0]).argmax()))}
    sets = {
        "all features": (case.train, case.test),
        "common": (common, common_test),
        "individual": (individual, individual_test),
        "both": tuple(
            [np.concatenate(pair, axis=1) for pair in zip(*parts, strict=True)]
            for parts in ((common, individual), (common_test, individual_test))
        ),
    }
    predict = functools.partial(score, target=target)
    for name, (train, test) in sets.items():
        found[name] = [
            predict((np.asarray(x)[labelled[0]], np.asarray(y)[labelled[1]])) for x, y in zip(train, test, strict=True)
        ]
    return found
