"""Experiments, fusion value: data sets of two modalities, cut into cells."""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.fusion_value.config import Config
from experiments.harness import UserError, input_errors
from experiments.synergy_bounds.samples import cells
from mmjax.data import (
    GATES,
    GENERATIVE_RATIOS,
    MultimodalData,
    breast_cancer_views,
    digits_halves,
    flip_label,
    generative_data,
    is_unpaired_npz,
    load_npz,
    split_codes,
)

Ids = NDArray[np.int64]
Table = NDArray[np.float64]
NOISES = (0.0, 0.1, 0.2)
"""Shares of wrong labels of the gates."""
NUM_TABLES = 10
"""Random tables, of 3 x 3 cells and 3 classes."""
CONCENTRATIONS = (1.0, 0.2)
"""Of the Dirichlet distributions that they are drawn from, in turn."""
FRACTIONS = (0.5, 0.2, 0.3)
"""To train, validate and test on, of data that are not generated and have no split."""


class CellSet(NamedTuple):
    """Samples of two modalities in cells, all labelled."""

    x1: Ids
    """(n,)"""
    x2: Ids
    """(n,)"""
    label: Ids
    """(n,) classes."""
    part: NDArray[np.int8]
    """(n,) 0 to train on, 1 to validate, 2 to test."""
    names: tuple[str, str] = ("x1", "x2")
    """Of the modalities."""
    classes: tuple[int, ...] = ()
    """What a file calls the classes; none where it is by their number."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of cells and classes."""
        return int(self.x1.max()) + 1, int(self.x2.max()) + 1, int(self.label.max()) + 1

    def counts(self, rows: NDArray[np.bool_] | slice = slice(None)) -> NDArray[np.int64]:
        """Count the samples of each cell and class, (n1, n2, ny); by default all samples."""
        counts = np.zeros(self.sizes, np.int64)
        np.add.at(counts, (self.x1[rows], self.x2[rows], self.label[rows]), 1)
        return counts

    def deciding(self, config: Config) -> NDArray[np.bool_]:
        """Say which samples ranges and verdicts are of (n,): all, or those to test on."""
        return (self.part == 2) | (config.rows == "all")


def marginals(p: Table) -> tuple[Table, Table, Table]:
    """Return p(x1, x2), p(x1, y) and p(x2, y) of a table."""
    return p.sum(axis=2), p.sum(axis=1), p.sum(axis=0)


def sets_of(config: Config) -> Mapping[str, CellSet]:
    """Return the data sets of a configuration by name.

    Raises:
      UserError: if the file has one modality only, or samples that lack one.
    """
    return _sets(config, last_change(config.data))


def last_change(path: Path | None) -> int | None:
    """Return when a file, if there is one, was last written, to remember by what was read of it."""
    return path.stat().st_mtime_ns if path and path.exists() else None


@functools.lru_cache(maxsize=2)
def _sets(config: Config, changed: int | None) -> Mapping[str, CellSet]:
    if config.data is not None:
        return _of_file(config, config.data)
    makers: dict[str, Callable[[Config], Mapping[str, CellSet]]] = {
        "gates": _gates,
        "random tables": _tables,
        "generative": _generative,
        "views": _views,
    }
    return {name: of for kind in config.kinds for name, of in makers[kind](config).items()}


def _gates(config: Config) -> dict[str, CellSet]:
    tables = {
        f"{gate}, {noise:.0%} noise": np.asarray(flip_label(jnp.asarray(table), noise))
        for gate, table in GATES.items()
        for noise in NOISES
    }
    return _drawn(config, tables)


def _tables(config: Config) -> dict[str, CellSet]:
    generator = np.random.default_rng(config.seed)
    concentrations = itertools.islice(itertools.cycle(CONCENTRATIONS), NUM_TABLES)
    tables = {
        f"table {number}, concentration {concentration}": generator.dirichlet(np.full(27, concentration))
        for number, concentration in enumerate(concentrations, start=1)
    }
    return _drawn(config, {name: table.reshape(3, 3, 3) for name, table in tables.items()})


def _drawn(config: Config, tables: Mapping[str, NDArray[np.floating]]) -> dict[str, CellSet]:
    made, part = {}, _parts(config)
    for place, (name, table) in enumerate(tables.items()):
        generator = np.random.default_rng((config.seed, place))
        flat = np.asarray(table, float).ravel()
        drawn = generator.choice(flat.size, len(part), p=flat / flat.sum())
        x1, x2, label = np.unravel_index(drawn, table.shape)
        made[name] = CellSet(x1, x2, label, part)
    return made


def _generative(config: Config) -> dict[str, CellSet]:
    made, part = {}, _parts(config)
    for place, (name, ratios) in enumerate(GENERATIVE_RATIOS.items()):
        data = generative_data(jax.random.key(config.seed + place), ratios, num_samples=len(part))
        x1, x2 = (_cells(config, np.asarray(x), part) for x in (data.x1, data.x2))
        made[f"generative, {name}"] = CellSet(x1, x2, np.asarray(data.label, np.int64), part)
    return made


def _views(config: Config) -> dict[str, CellSet]:
    digits, cancer = digits_halves(), breast_cancer_views()
    halves = [("top", "bottom"), ("left", "right")]
    return _pairs(config, "digits", digits, halves) | _pairs(
        config, "tumours", cancer, list(itertools.combinations(cancer.modalities, 2))
    )


def read_pairs(path: Path, modalities: Sequence[str]) -> MultimodalData:
    """Read a file of two modalities or more, all of them in all samples; without names it is all that it has.

    Raises:
      UserError: if it has one modality only, samples that lack one, or no labels of pairs.
    """
    with input_errors(path):
        unpaired = is_unpaired_npz(path)
        data = None if unpaired else load_npz(path, list(modalities) or None)
    if data is None:
        raise UserError(
            f"{path}: its pairs have no labels; what they could add: python -m experiments.synergy_bounds --data {path}"
        )
    absent = [name for name, mask in data.masks.items() if not np.all(mask)]
    if len(data.modalities) < 2 or absent:
        raise UserError(
            f"{path}: needs two modalities or more, in all samples; got {', '.join(data.modalities)}"
            + (f", some samples without {', '.join(absent)}" if absent else "")
        )
    return data


class LabelledSamples(NamedTuple):
    """All labelled samples of a data set, those to train on first."""

    modalities: Mapping[str, NDArray[Any]]
    label: Ids
    """(n,) classes, all of which occur."""
    part: NDArray[np.int8]
    """(n,) 0 to train on, 1 to validate, 2 to test."""
    classes: tuple[int, ...]
    """What the data set calls them."""


def labelled_samples(data: MultimodalData, seed: int) -> LabelledSamples:
    """Deal the samples to parts, where the data set has none, and leave out those without label."""
    codes = split_codes(data, key=jax.random.key(seed), fractions=FRACTIONS)
    rows = np.concatenate([np.flatnonzero((codes == code) & (data.label >= 0)) for code in range(3)])
    classes, label = np.unique(data.label[rows], return_inverse=True)
    modalities = {name: x[rows] for name, x in data.modalities.items()}
    return LabelledSamples(modalities, label, codes[rows], tuple(classes.tolist()))


def _of_file(config: Config, path: Path) -> dict[str, CellSet]:
    data = read_pairs(path, config.modalities)
    with input_errors(path):
        return _pairs(config, path.stem, data, list(itertools.combinations(data.modalities, 2)))


def _pairs(config: Config, name: str, data: MultimodalData, pairs: Sequence[tuple[str, str]]) -> dict[str, CellSet]:
    """Cut the modalities of a data set, by its training samples; unlabelled samples are left out."""
    views, label, part, classes = labelled_samples(data, config.seed)
    ids = {view: _cells(config, views[view], part) for view in dict.fromkeys(itertools.chain(*pairs))}
    return {
        f"{name}, {first} and {second}": CellSet(ids[first], ids[second], label, part, (first, second), classes)
        for first, second in pairs
    }


def _parts(config: Config) -> NDArray[np.int8]:
    sizes = (config.num_samples, config.num_samples // 4, config.num_samples)
    return np.repeat(np.arange(3, dtype=np.int8), sizes)


def _cells(config: Config, x: NDArray[Any], part: NDArray[np.int8]) -> Ids:
    return cells(x, config.num_cells, recipe="std", fit=part == 0)
