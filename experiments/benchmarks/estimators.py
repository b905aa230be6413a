"""Experiments, benchmarks: estimators of information and the decomposition of posteriors against what others offer.

The suite of experiment estimators is one sweep against its runs made one by one. The other rows solve one problem, or
a batch where the peer documents one: KSG against scikit-learn and against three k-d trees; informations of Gaussian
samples against hoi; the decomposition of posteriors against its exponential-cone programme. The notes say how far the
values lie apart. Single precision for the suite and hoi, double for the rest.
"""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from experiments.benchmarks.pid import ConeProgramme
from experiments.benchmarks.timing import Comparison, compare, skip_missing
from experiments.estimators import suite
from experiments.estimators.critics import CONTENDERS
from mmjax import estimators, pid
from mmjax.sweep import map_trials

Floats = NDArray[np.floating]

TASKS = ("1v1-normal-0.75", "1v1-additive-0.1", "wiggly-1v1-normal-0.75", "asinh-student-identity-1-1-1")
NUM_SEEDS = 3
RUN = {
    "num_segments": 2,
    "steps_per_segment": 50,
    "batch_size": 128,
    "num_samples": 4000,
    "width": 64,
    "separable": True,
    "learning_rate": 3e-3,
}
ALONE = ("InfoNCE", "SMILE", "FLO", "vCLUB")
"""The estimators of the runs made one by one, one for each distribution."""

NUM_SAMPLES = 2000
"""For KSG."""

GAUSSIAN_SHAPE = (1024, 500, 6)
"""Problems, samples of a problem, variables."""

FEW_ROWS, NUM_ROWS = 66, 500
"""Rows of posteriors that ECOS decomposes in seconds, yet more than we would solve to rounding; and what we can do."""
TOLERANCE = 1e-4
"""Gap to stop at: ours in bits, ECOS's in nats."""


def measure(repetitions: int) -> Iterator[Comparison]:
    """Yield the comparisons; those of the suite, which compile anew each time, are repeated a third as often."""
    yield from _suite(max(1, repetitions // 3))
    yield from skip_missing("KSG", [_with_sklearn(repetitions), _with_trees(repetitions)])
    yield from skip_missing("Gaussian samples", [_with_hoi(repetitions)])
    yield from skip_missing("posteriors", [_with_ecos(repetitions)])


def _suite(repetitions: int) -> Iterator[Comparison]:
    """Time whole sweeps, compilation included on both sides, so that there is nothing to warm up."""
    trials = list(itertools.product(range(len(TASKS)), range(len(CONTENDERS)), range(NUM_SEEDS)))
    measured = [
        (
            _seconds(lambda: _one_sweep(trials)) / len(trials),
            [_compiled_alone(*chosen) for chosen in zip(TASKS, ALONE, strict=True)],
        )
        for _ in range(repetitions)
    ]
    ours = np.array([sweep for sweep, _ in measured])
    alone = np.array([seconds for _, seconds in measured])
    peers = {
        "runs compiled one by one": alone[:, :, 0].mean(1),
        "a program for each distribution and estimator": alone.mean((1, 2)),
    }
    for peer, theirs in peers.items():
        ratios = theirs / ours
        yield Comparison(
            work=f"suite of {RUN['num_segments'] * RUN['steps_per_segment']} training steps",
            size=f"{len(TASKS)} distributions, {len(CONTENDERS)} estimators, {NUM_SEEDS} seeds",
            batch=len(trials),
            peer=peer,
            our_seconds=float(ours.min()),
            their_seconds=float(theirs.min()),
            ratio_median=float(np.median(ratios)),
            ratio_min=float(ratios.min()),
            ratio_max=float(ratios.max()),
            note=f"compilation counted on both sides; peer timed on {len(TASKS)} of the {len(TASKS) * len(CONTENDERS)} "
            "pairs, scaled to all",
        )


def _one_sweep(trials: list[tuple[int, int, int]]) -> Any:
    tasks, chosen, _ = np.array(trials).T
    trial, data = suite.make_trial({**RUN, "tasks": ",".join(TASKS), "estimators": ",".join(CONTENDERS)})
    keys = jax.random.split(jax.random.key(0), len(trials))
    return map_trials(trial, keys, {"task": tasks, "estimator": chosen}, data)


def _compiled_alone(task: str, estimator: str) -> list[float]:
    """Return the seconds of a program's first run, compilation included, and of a run for each further seed."""
    trial, data = suite.make_trial({**RUN, "tasks": task, "estimators": estimator})
    run = jax.jit(lambda key: trial(key, {"task": jnp.int32(0), "estimator": jnp.int32(0)}, data))
    return [_seconds(functools.partial(run, key)) for key in jax.random.split(jax.random.key(0), NUM_SEEDS)]


def _seconds(program: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program())
    return time.perf_counter() - start


def _with_sklearn(repetitions: int) -> Iterator[Comparison]:
    from sklearn.feature_selection import mutual_info_regression

    x, y = _correlated_normals(1)

    def theirs() -> float:
        return float(mutual_info_regression(x, y[:, 0], discrete_features=False, n_neighbors=3, random_state=0)[0])

    yield _compare_ksg(x, y, "scikit-learn mutual_info_regression", theirs, repetitions)


def _with_trees(repetitions: int) -> Iterator[Comparison]:
    from scipy.spatial import KDTree
    from scipy.special import digamma

    for dim in (1, 5):
        x, y = _correlated_normals(dim)

        def theirs(x: Floats = x, y: Floats = y) -> float:
            joint = np.concatenate([x, y], axis=1)
            radius = np.nextafter(KDTree(joint).query(joint, 4, p=np.inf)[0][:, -1], 0)
            counts = [KDTree(z).query_ball_point(z, radius, p=np.inf, return_length=True) for z in (x, y)]
            return float(digamma(3) + digamma(len(x)) - np.mean(digamma(counts).sum(0)))

        yield _compare_ksg(x, y, "scipy k-d trees, ours, one thread", theirs, repetitions)


@jax.enable_x64(True)
def _compare_ksg(x: Floats, y: Floats, peer: str, theirs: Callable[[], float], repetitions: int) -> Comparison:
    on_device = jax.device_put((x, y))
    difference = abs(float(estimators.ksg(*on_device)) - theirs())
    return compare(
        "KSG",
        f"n = {len(x)}, d = {x.shape[1]}",
        1,
        peer,
        lambda: estimators.ksg(*on_device),
        theirs,
        repetitions=repetitions,
        note=f"values differ by {difference:.1e} nat",
    )


def _correlated_normals(dim: int) -> tuple[Floats, Floats]:
    """Draw samples (n, dim) of x and y of variance 1, scaled so that scikit-learn's scaling changes nothing."""
    x, noise = np.random.default_rng(0).normal(size=(2, NUM_SAMPLES, dim))
    y = 0.8 * x + 0.6 * noise
    return x / x.std(0), y / y.std(0)


def _with_hoi(repetitions: int) -> Iterator[Comparison]:
    from hoi.core import get_entropy
    from hoi.metrics import TC, Oinfo

    num_problems, num_samples, num_variables = GAUSSIAN_SHAPE
    loadings, factor, noise = (
        np.random.default_rng(seed).normal(size=shape)
        for seed, shape in enumerate([(num_problems, 1, num_variables), (num_problems, num_samples, 1), GAUSSIAN_SHAPE])
    )
    x = loadings * factor + noise
    x -= x.mean(1, keepdims=True)  # their Gaussian entropies do not centre
    on_device = jax.device_put(x.astype(np.float32))
    in_their_layout = np.moveaxis(x, 0, 2)
    multiplet = [list(range(num_variables))]
    contenders = {
        "total correlation": (estimators.gaussian_total_correlation, TC),
        "O-information": (estimators.gaussian_o_information, Oinfo),
    }
    for work, (information, metric) in contenders.items():
        ours = jax.jit(jax.vmap(lambda z, information=information: information(estimators.sample_covariance(z))))

        def fit(metric: Any = metric) -> Floats:
            model = metric(in_their_layout, multiplets=multiplet, verbose="error")
            values: Floats = model.fit(minsize=num_variables, maxsize=num_variables, method="gauss")
            return values[0]

        yield _compare_gaussian(
            work, f"hoi {metric.__name__}.fit, compiles in each call", ours, on_device, fit, repetitions
        )

    entropy = get_entropy(method="gauss")

    @jax.jit
    def by_entropies(x: Any) -> Any:
        total = jax.vmap(lambda z: entropy(z.T))(x)
        return jax.vmap(lambda z: sum(entropy(z[None, :, i]) for i in range(num_variables)))(x) - total

    ours = jax.jit(jax.vmap(lambda z: estimators.gaussian_total_correlation(estimators.sample_covariance(z))))
    peer = "hoi entropy_gauss, vmapped and compiled by us"
    yield _compare_gaussian("total correlation", peer, ours, on_device, lambda: by_entropies(on_device), repetitions)


def _compare_gaussian(
    work: str, peer: str, ours: Callable[..., Any], x: Any, theirs: Callable[[], Any], repetitions: int
) -> Comparison:
    # hoi reports bits.
    difference = float(np.max(np.abs(np.asarray(ours(x)) / np.log(2) - np.asarray(theirs()))))
    num_problems, num_samples, num_variables = GAUSSIAN_SHAPE
    return compare(
        f"Gaussian {work}",
        f"n = {num_samples}, {num_variables} variables",
        num_problems,
        peer,
        lambda: ours(x),
        theirs,
        repetitions=repetitions,
        note=f"values differ by up to {difference:.1e} bit",
    )


def _with_ecos(repetitions: int) -> Iterator[Comparison]:
    import ecos

    yield _compare_posteriors(ecos, repetitions, _many_rows(repetitions))


@jax.enable_x64(True)
def _many_rows(repetitions: int) -> str:
    """Say how long more rows take us than the peer can do."""
    decompose = functools.partial(pid.from_posteriors, *_posteriors(NUM_ROWS), information=1.0, tol=TOLERANCE)
    gap = float(decompose().gap)
    seconds = min(_seconds(decompose) for _ in range(repetitions))
    return f"{NUM_ROWS} rows take us {1e3 * seconds:.0f} ms, gap {gap:.1e} bit"


@jax.enable_x64(True)
def _compare_posteriors(ecos: Any, repetitions: int, beside: str) -> Comparison:
    first, second = _posteriors(FEW_ROWS)
    # Any joint with these tables does: the programme reads its two labelled marginals.
    joint = np.einsum("iy,jy,y->ijy", first, second, 1 / np.mean(first, axis=0)) / FEW_ROWS**2
    solve = functools.partial(ecos.solve, abstol=TOLERANCE, reltol=TOLERANCE, feastol=TOLERANCE)
    union = functools.partial(ConeProgramme(joint.shape, solve), joint)
    ours = functools.partial(pid.from_posteriors, first, second, information=1.0, tol=TOLERANCE)
    result = ours()
    difference = abs(float(result.union_lower + result.union_upper) / 2 - union())
    return compare(
        "posteriors",
        f"{FEW_ROWS} rows, 2 classes",
        1,
        "ECOS, exponential cones, built once",
        ours,
        union,
        repetitions=repetitions,
        note=f"values differ by {difference:.1e} bit; our gap {float(result.gap):.1e} bit; {beside}",
    )


def _posteriors(num_rows: int) -> tuple[Any, Any]:
    """Draw posteriors of two classes for both modalities that agree about p(y), on the device."""
    logits = 2 * np.random.default_rng(0).normal(size=(2, num_rows))
    positive = 1 / (1 + np.exp(-logits))
    drawn = [jnp.asarray(np.stack([1 - p, p], axis=1)) for p in positive]
    both = pid.project_posteriors(*drawn)
    return both.posterior1, both.posterior2
