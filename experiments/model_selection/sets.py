"""Experiments, model selection: the data sets, with their samples as they are and in cells."""

import functools
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.fusion_value.sets import CellSet, labelled_samples, last_change, read_pairs
from experiments.harness import Rows, input_errors
from experiments.model_selection.config import Config
from experiments.model_selection.decomposition import PARTS, decomposed
from experiments.synergy_bounds.samples import cells
from mmjax.data import GENERATIVE_RATIOS, generative_data

GENERATED = "generated"
"""The group of the data sets that are not of a file: one program trains them all."""


class SampleSet(NamedTuple):
    """Samples of two modalities, all labelled."""

    x1: NDArray[np.float32]
    """(n, d1), of mean 0 and variance 1 in the samples to train on."""
    x2: NDArray[np.float32]
    """(n, d2), likewise."""
    cells: CellSet
    """The same in cells, with labels and parts."""
    ratios: tuple[float, ...] | None = None
    """Parts of the latents of x1, of x2 and of both that make the label, where it is generated."""


def groups_of(config: Config) -> Mapping[str, tuple[str, ...]]:
    """Return the names of the data sets by group: sets of a group are of one size and trained by one program."""
    sets = sets_of(config)
    generated = tuple(name for name, of in sets.items() if of.ratios is not None)
    return {GENERATED: generated, **{name: (name,) for name in sets if name not in generated}}


def sets_of(config: Config) -> Mapping[str, SampleSet]:
    """Return the data sets by name: the known ones, then the new ones.

    Raises:
      UserError: if the file has one modality only, or samples that lack one.
    """
    return _sets(config, last_change(config.data))


@functools.lru_cache(maxsize=2)
def _sets(config: Config, changed: int | None) -> Mapping[str, SampleSet]:
    of_file = {} if config.data is None else _of_file(config, config.data)
    ratios = {name: GENERATIVE_RATIOS[name] for name in config.known}
    ratios |= {} if config.data else _drawn_ratios(config)
    return {name: _generated(config, place, of) for place, (name, of) in enumerate(ratios.items())} | of_file


def set_rows(config: Config) -> Rows:
    """Return a row a data set: its decomposition, from the samples to train on and to validate.

    The labels of test samples do not enter it, for it takes part in the choice of a method.
    """
    sets = sets_of(config)
    counts = [_chosen(of.cells, of.cells.part < 2).counts() for of in sets.values()]
    return [
        {
            "kind": "set",
            "set": name,
            "new": name not in config.known,
            "ratios": of.ratios,
            "samples": int(table.sum()),
            "test_samples": int(np.sum(of.cells.part == 2)),
            "sizes": list(table.shape),
            **dict(zip(PARTS, parts.tolist(), strict=True)),
        }
        for (name, of), table, parts in zip(sets.items(), counts, decomposed(counts), strict=True)
    ]


def _chosen(of: CellSet, rows: NDArray[np.bool_]) -> CellSet:
    return CellSet(of.x1[rows], of.x2[rows], of.label[rows], of.part[rows])


def _drawn_ratios(config: Config) -> dict[str, tuple[float, float, float]]:
    drawn = np.random.default_rng(config.seed).uniform(size=(config.num_new, 3)).tolist()
    return {f"synthetic {number}": (first, second, both) for number, (first, second, both) in enumerate(drawn, start=1)}


def _generated(config: Config, place: int, ratios: tuple[float, float, float]) -> SampleSet:
    part = np.repeat(np.arange(3, dtype=np.int8), (config.num_samples, config.num_samples // 2, config.num_samples))
    key = jax.random.fold_in(jax.random.key(config.seed), place)
    data = generative_data(key, ratios, num_samples=len(part), transform_dim=config.transform_dim)
    x1, x2 = np.asarray(data.x1), np.asarray(data.x2)
    return _sample_set(config, x1, x2, np.asarray(data.label, np.int64), part)._replace(ratios=ratios)


def _of_file(config: Config, path: Path) -> dict[str, SampleSet]:
    data = read_pairs(path, config.modalities)
    with input_errors(path):
        views, label, part, _ = labelled_samples(data, config.seed)
    return {
        f"{path.stem}, {first} and {second}": _sample_set(config, views[first], views[second], label, part)
        for first, second in itertools.combinations(views, 2)
    }


def _sample_set(
    config: Config, x1: NDArray[Any], x2: NDArray[Any], label: NDArray[np.int64], part: NDArray[np.int8]
) -> SampleSet:
    fit = part == 0
    first, second = (cells(x, config.num_cells, recipe="std", fit=fit) for x in (x1, x2))
    return SampleSet(_standardised(x1, fit), _standardised(x2, fit), CellSet(first, second, label, part))


def _standardised(x: NDArray[Any], fit: NDArray[np.bool_]) -> NDArray[np.float32]:
    flat = x.reshape(len(x), -1).astype(np.float64)
    mean, scale = flat[fit].mean(axis=0), flat[fit].std(axis=0)
    return ((flat - mean) / np.where(scale > 0, scale, 1)).astype(np.float32)
