"""Room heterogeneity: checks of distances on the host, each a `ValueError` of one line that says what to do."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def check_distances(distances: ArrayLike, *, name: str = "distances") -> None:
    """Check that a matrix holds distances: square, symmetric, finite, not negative, zero on the diagonal.

    Args:
      distances: (n, n) with n >= 1.
      name: what to call it in the message.

    Raises:
      ValueError: in one line, where it does not.
    """
    d = np.asarray(distances, np.float64)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or d.size == 0:
        raise ValueError(f"{name} must be a square matrix of at least one node; got shape {d.shape}")
    _refuse(~np.isfinite(d), d, f"{name} must be finite", "measure it again, or fill it with `complete`")
    _refuse(d < 0, d, f"{name} must not be negative", "clip signed transfers with `distance`")
    _refuse(np.eye(len(d), dtype=bool) & (d != 0), d, f"{name} must be 0 on the diagonal", "set it to 0")
    uneven = np.abs(d - d.T) > 4 * np.finfo(np.float32).eps * np.maximum(d, d.T)
    _refuse(uneven, d, f"{name} must be symmetric", "add both directions with `distance`")


def _refuse(wrong: NDArray[np.bool_], d: NDArray[np.float64], rule: str, remedy: str) -> None:
    if wrong.any():
        i, j = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"{rule}; got {d[i, j]:.6g} at ({i}, {j}): {remedy}")


def checked_distances(distances: ArrayLike) -> NDArray[np.float64]:
    """Check distances, and return them in double precision, symmetric to the last digit."""
    check_distances(distances)
    d = np.asarray(distances, np.float64)
    return (d + d.T) / 2
