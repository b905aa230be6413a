"""Room pid: cross-fitting, so that every sample is decomposed by classifiers that never saw it. On the host."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike
from numpy.typing import NDArray

from mmjax.pid._calibration import calibrate, recalibrate
from mmjax.pid._held_out import HeldOutPID, held_out_pid
from mmjax.pid._posteriors import NUM_CELLS

CALIBRATION_SHARE = 5
"""One of so many training samples is kept from the classifiers, to calibrate them."""
FEW = 10
"""A warning is due where a class has fewer samples in a fold."""

Logits = tuple[ArrayLike, ArrayLike, ArrayLike]
PredictFn = Callable[[Array, Array], Logits]
FitFn = Callable[[Array, Array, Array, Array], PredictFn]


class CrossFitted(NamedTuple):
    """A decomposition by cross-fitting and what it rests on."""

    estimate: HeldOutPID
    posterior1: Array
    """(n, ny), calibrated, each row from classifiers that did not see it."""
    posterior2: Array
    posterior12: Array
    fold: NDArray[np.int64]
    """(n,), the fold each sample was held out in."""
    warnings: tuple[str, ...]
    """Why not to trust the estimate; empty where nothing was found."""


def cross_fitted(
    key: Array,
    fit_fn: FitFn,
    x1: ArrayLike,
    x2: ArrayLike,
    label: ArrayLike,
    *,
    num_folds: int = 5,
    num_cells: int = NUM_CELLS,
    level: float = 0.95,
    base: float = 2.0,
) -> CrossFitted:
    """Decompose what raw modalities tell about y: train, calibrate and evaluate on samples that do not overlap.

    Folds are stratified by class. For each fold, `fit_fn` trains on four fifths of the other folds, `calibrate` fits
    temperatures and biases on the remaining fifth, and the fold's own samples get their posteriors; all samples
    together go to `held_out_pid` (cross-fitting: Chernozhukov et al. 2018, arXiv 1608.00060; the estimator is ours).
    The informations are what these classifiers know, at most the truth in expectation; the intervals are about
    sampling, not about classifiers that could be better: where these fall short, they miss.

    Args:
      key: typed PRNG key, for the folds and for `fit_fn`.
      fit_fn: (key, x1, x2, label) -> predict_fn, and predict_fn(x1, x2) -> (logits1, logits2, logits12), each (n, ny),
        from x1 alone, x2 alone, both. predict_fn is given all samples, so that it compiles once a fold.
      x1: (n, ...).
      x2: (n, ...).
      label: (n,), integers 0..ny-1, every class present.
      num_folds: at least 2.
      num_cells: as in `from_posteriors`.
      level: of the intervals.
      base: of the logarithm; 2 for bits.

    Returns:
      the estimate, the posteriors and warnings: totals that disagree by more than chance, classifiers that predict
      worse than the label frequencies, folds with few samples of a class, a gap above the standard errors.

    Raises:
      ValueError: if the arrays differ in length, a label is no class, a class has too few samples to be in all
        parts of all folds, or `fit_fn` predicts something else than finite (n, ny) logits.
    """
    x1, x2 = jnp.asarray(x1), jnp.asarray(x2)
    labels = _checked_labels(np.asarray(label), x1.shape[0], x2.shape[0], num_folds)
    fold_key, fit_key = jax.random.split(key)
    fold, calibrating = _folds(fold_key, labels, num_folds)
    num_labels = int(labels.max()) + 1
    posteriors = [jnp.zeros((labels.size, num_labels))] * 3
    for k in range(num_folds):
        used = (fold != k) & ~calibrating[k]
        predict = fit_fn(jax.random.fold_in(fit_key, k), x1[used], x2[used], jnp.asarray(labels[used]))
        for m, logits in enumerate(_checked_logits(predict(x1, x2), labels.size, num_labels)):
            calibration = calibrate(logits, labels, weights=calibrating[k])
            held_out = recalibrate(logits, calibration).astype(posteriors[m].dtype)
            posteriors[m] = jnp.where(jnp.asarray(fold == k)[:, None], held_out, posteriors[m])
    estimate = held_out_pid(*posteriors, labels, num_cells=num_cells, level=level, base=base)
    warnings = _warnings(estimate, [np.asarray(p) for p in posteriors], labels, num_folds)
    return CrossFitted(estimate, posteriors[0], posteriors[1], posteriors[2], fold, warnings)


def _checked_labels(label: NDArray[np.int64], num1: int, num2: int, num_folds: int) -> NDArray[np.int64]:
    if num_folds < 2:
        raise ValueError(f"num_folds must be 2 or more; got {num_folds}")
    if label.ndim != 1 or not label.size == num1 == num2:
        raise ValueError(f"x1, x2 and label must be of one length; got {num1}, {num2} and shape {label.shape}")
    if label.dtype.kind not in "iu" or label.size == 0 or label.min() < 0:
        raise ValueError("label must hold integers 0..ny-1, one a sample; drop samples without a label (-1)")
    counts = np.bincount(label)
    trained = counts - -(-counts // num_folds)
    if trained.min() < CALIBRATION_SHARE:
        raise ValueError(
            f"class {trained.argmin()} has {counts[trained.argmin()]} samples, too few for {num_folds} folds: expected "
            f"{CALIBRATION_SHARE} of every class outside any fold; drop or merge the class"
        )
    return label.astype(np.int64)


def _folds(key: Array, label: NDArray[np.int64], num_folds: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The fold of each sample (n,), and which samples calibrate for each fold (num_folds, n); both stratified."""
    shuffled = np.asarray(jax.random.permutation(key, label.size))
    order = shuffled[np.argsort(label[shuffled], kind="stable")]
    fold = np.empty(label.size, np.int64)
    fold[order] = np.arange(label.size) % num_folds
    calibrating = np.zeros((num_folds, label.size), bool)
    for k in range(num_folds):
        calibrating[k, order[fold[order] != k][CALIBRATION_SHARE - 1 :: CALIBRATION_SHARE]] = True
    return fold, calibrating


def _checked_logits(logits: Logits, num_samples: int, num_labels: int) -> list[Array]:
    arrays = [jnp.asarray(z) for z in logits]
    expected = [(num_samples, num_labels)] * 3
    if [z.shape for z in arrays] != expected:
        raise ValueError(f"predict_fn must return logits of shapes {expected}; got {[z.shape for z in arrays]}")
    if not all(bool(jnp.all(jnp.isfinite(z))) for z in arrays):
        raise ValueError("predict_fn returned logits that are not finite; train with a smaller step, or clip them")
    return arrays


def _warnings(
    estimate: HeldOutPID, posteriors: list[NDArray[np.float64]], label: NDArray[np.int64], num_folds: int
) -> tuple[str, ...]:
    found = []
    counts = np.bincount(label)
    if counts.min() < FEW * num_folds:
        found.append(
            f"class {counts.argmin()} has about {counts.min() // num_folds} samples a fold; "
            f"fewer than {FEW} leave its posteriors uncertain"
        )
    names = ("x1", "x2", "(x1, x2)")
    informations = (estimate.information1, estimate.information2, estimate.information12)
    for name, posterior, information in zip(names, posteriors, informations, strict=True):
        distance = np.abs(posterior.mean(0) - counts / label.size).sum() / 2
        spread = np.sqrt((posterior * (1 - posterior)).mean(0) / label.size).sum() / 2
        if distance > 4 * spread:
            found.append(f"posteriors of {name} miss the label frequencies by {distance:.3g}, chance by {spread:.3g}")
        if not information.value + 2 * information.standard_error >= 0:
            found.append(f"posteriors of {name} predict held-out labels worse than the label frequencies do")
    errors = (estimate.redundancy, estimate.unique1, estimate.unique2, estimate.synergy)
    error = min(float(e.standard_error) for e in errors)
    if not estimate.gap <= max(1e-3, error):
        found.append(f"certified gap {float(estimate.gap):.3g} is above a standard error; ask for more num_cells")
    return tuple(found)
