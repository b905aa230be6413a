"""Experiments, estimators: labelled data of several modalities whose information about the label is known.

They are used without their pairs' labels, and the known information judges what comes out.
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from mmjax import information, pid
from mmjax.data import (
    GATES,
    GENERATIVE_RATIOS,
    Batch,
    batch_of,
    flip_label,
    generative_data,
    generative_posteriors,
    load_npz,
    table_data,
    take,
)
from mmjax.numerics import xlogx

NATS = float(np.e)


Posteriors = tuple[Array, Array, Array]
"""p(y|x1), p(y|x2) and p(y|x1,x2) of samples, (n, ny) each."""


class Source(NamedTuple):
    """Data of which all is known."""

    draw: Callable[[Array, int], Batch]
    """From a key and a static number of samples."""
    num_classes: int
    table: NDArray[np.floating] | None = None
    """p(x1,...,xM,y), where the modalities are discrete."""
    posteriors: Callable[[Array, int], Posteriors] | None = None
    """From a key and a static number of samples to the true posteriors of so many, where there is no table."""
    num_rows: int | None = None
    """How many samples there are, of a file."""


def source_of(name: str) -> Source:
    """Return a source by its name, or that of a data file and its modalities, `FILE.npz:image,audio`."""
    return SOURCES[name] if name in SOURCES else _file(name)


def file_source(path: Path, modalities: Sequence[str], rows: str) -> str:
    """Name a data file as a source: the modalities that are used, and "all" rows or those of its "test" split."""
    return f"{path.resolve()}:{','.join(modalities)}:{rows}"


@functools.lru_cache(maxsize=4)
def _file(name: str) -> Source:
    """Draw rows of a data file without replacement; what they tell in truth is not known."""
    path, modalities, rows = name.rsplit(":", 2)
    data = load_npz(Path(path), modalities.split(",") if modalities else None)
    chosen = data.label >= 0
    if rows == "test":
        if data.split is None:
            raise ValueError("the file has no array 'split'; use --rows all")
        chosen &= data.split == 2
    masked = [name for name, mask in data.masks.items() if not mask[chosen].all()]
    if masked or chosen.sum() < 8:
        raise ValueError(
            f"at least 8 labelled rows with all modalities are needed; got {chosen.sum()} labelled rows, and rows "
            f"without {', '.join(masked) or 'none'}"
        )
    everything = batch_of({name: x[chosen] for name, x in data.modalities.items()}, data.label[chosen])

    def draw(key: Array, num_samples: int) -> Batch:
        order = jax.random.permutation(key, everything.label.shape[0])[:num_samples]
        return take(everything, order, jnp.ones(num_samples))

    return Source(draw, int(data.label.max()) + 1, num_rows=int(chosen.sum()))


@functools.cache
def information_of(name: str) -> float:
    """Return I(X1,...,XM;Y) in nats: exact for a table, else good to .002; NaN where it is not known."""
    source = source_of(name)
    if source.table is None and source.posteriors is None:
        return float("nan")
    if source.table is not None:
        flat = source.table.reshape(-1, source.table.shape[-1])
        return float(information.mutual_information(jnp.asarray(flat, float), base=NATS))
    both = _truth(source)[2]
    return float(_entropy(jnp.mean(both, axis=0)) - jnp.mean(jax.vmap(_entropy)(both)))


@functools.cache
def decomposition_of(name: str) -> pid.PID | None:
    """Return the decomposition in bits: exact for a table, else of 20 000 true posteriors; None where not known."""
    source = source_of(name)
    if source.table is None and source.posteriors is None:
        return None
    if source.table is not None:
        return pid.broja(jnp.asarray(source.table, float))
    return pid.from_posteriors(*_truth(source))


def _truth(source: Source) -> Posteriors:
    assert source.posteriors is not None
    return source.posteriors(jax.random.key(7), 20_000)


def _entropy(p: Array) -> Array:
    return -jnp.sum(xlogx(p))


def _table(p: NDArray[np.floating]) -> Source:
    def draw(key: Array, num_samples: int) -> Batch:
        return table_data(key, jnp.asarray(p, float), num_samples=num_samples)

    return Source(draw, p.shape[-1], table=np.asarray(p))


def _all_of_three() -> NDArray[np.floating]:
    """The label is 1 where three fair bits are: the marginals of each bit and the triple determine the joint."""
    p = np.zeros((2, 2, 2, 2))
    p[..., 0] = 1 / 8
    p[1, 1, 1] = [0, 1 / 8]
    return p


MIXTURE_MEANS = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
"""Of the two modalities (columns) in each class (rows)."""
MIXTURE_DIM = 4


def _mixture(key: Array, num_samples: int) -> Batch:
    """Draw two modalities that are normal given one of three classes, every coordinate with the class's mean."""
    label_key, noise_key = jax.random.split(key)
    label = jax.random.randint(label_key, (num_samples,), 0, len(MIXTURE_MEANS))
    noise = jax.random.normal(noise_key, (2, num_samples, MIXTURE_DIM))
    means = jnp.asarray(MIXTURE_MEANS, float)[label]
    return batch_of({"x1": means[:, :1] + noise[0], "x2": means[:, 1:] + noise[1]}, label)


def _mixture_posteriors(key: Array, num_samples: int) -> Posteriors:
    batch = _mixture(key, num_samples)
    means = jnp.asarray(MIXTURE_MEANS, float)
    logs = [
        -jnp.sum((batch.modalities[name][:, None] - means[None, :, m, None]) ** 2, axis=2) / 2
        for m, name in enumerate(("x1", "x2"))
    ]
    return jax.nn.softmax(logs[0]), jax.nn.softmax(logs[1]), jax.nn.softmax(logs[0] + logs[1])


def _generative(name: str) -> Source:
    ratios = GENERATIVE_RATIOS[name]

    def draw(key: Array, num_samples: int) -> Batch:
        data = generative_data(key, ratios, num_samples=num_samples)
        return batch_of({"x1": data.x1, "x2": data.x2}, data.label)

    def posteriors(key: Array, num_samples: int) -> Posteriors:
        return generative_posteriors(key, ratios, num_samples=num_samples)

    return Source(draw, 2, posteriors=posteriors)


SOURCES: dict[str, Source] = {
    "AND": _table(np.asarray(GATES["and"])),
    "XOR": _table(np.asarray(GATES["xor"])),
    "AND, 10 % flipped": _table(np.asarray(flip_label(jnp.asarray(GATES["and"], float), 0.1))),
    "unique": _table(np.asarray(GATES["unique1"])),
    "redundant": _table(np.asarray(GATES["redundant"])),
    "AND of three": _table(_all_of_three()),
    "Gaussian mixture": Source(_mixture, 3, posteriors=_mixture_posteriors),
    **{f"generative {name}": _generative(name) for name in GENERATIVE_RATIOS},
}
