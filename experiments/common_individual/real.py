"""Experiments, common and individual: data without known factors: which correlations are real, what parts tell."""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from experiments.common_individual.cases import Case, file_case
from experiments.common_individual.config import Config
from experiments.common_individual.probes import score
from experiments.common_individual.systems import closed_form
from experiments.harness import Row, UserError, input_errors
from mmjax.correlation import permutation_test, variate_correlations
from mmjax.data import Splits, digits_halves, load_npz, only, splits_of, standardised

LEVEL = 0.05
MOST_COMPONENTS = 10


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


def describe(config: Config, splits: Splits) -> Row:
    """Return the spectrum with its test, and what common and individual parts tell of the class."""
    name = "digits" if config.data is None else config.data.stem
    case = file_case(splits)
    sizes = [z.shape[1] for z in case.train]
    num_samples = case.train[0].shape[0]
    if num_samples <= sum(sizes):
        raise UserError(
            f"{name}: {num_samples} training samples are too few for views of {' and '.join(map(str, sizes))} "
            "features; give more samples or fewer features"
        )
    shown = min(MOST_COMPONENTS, *(size - 1 for size in sizes))
    key = jax.random.fold_in(jax.random.key(config.seed), 3)
    test = permutation_test(key, case.train[0], case.train[1], shown, num_permutations=config.num_permutations)
    found = int(np.sum(np.asarray(test.p_values) <= LEVEL))
    num_common = min(config.num_common or max(1, found), shown)
    num_individual = [min(config.num_individual, size - num_common) for size in sizes]
    held_out = variate_correlations(_parts(case, shown, 1)[1][0])
    row: Row = {
        "setting": name,
        "views": list(splits.train.modalities),
        "sizes": sizes,
        "correlations": np.asarray(test.correlations, float).tolist(),
        "p-values": np.asarray(test.p_values, float).tolist(),
        "held out": np.asarray(held_out, float).tolist(),
        "num_common": num_common,
        "num_individual": num_individual,
    }
    return row | _class_probes(case, num_common, num_individual)


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
