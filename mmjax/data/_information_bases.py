"""Data, information bases: distributions of two variables whose mutual information has a closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from mmjax.data._information_task import InformationTask


def multinormal_task(covariance: ArrayLike, dim_x: int, *, name: str) -> InformationTask:
    """Make a task of two jointly Gaussian variables of any covariance.

    (X, Y) ~ N(0, C) with I(X; Y) = (log det C_xx + log det C_yy - log det C) / 2.

    Args:
      covariance: C (dim_x + dim_y, dim_x + dim_y), symmetric and positive definite; a concrete array.
      dim_x: number of its leading coordinates that are X, at least 1 and not all.
      name: name of the task.

    Returns:
      the task, its information in closed form.

    Raises:
      ValueError: if `covariance` is not a covariance or `dim_x` leaves a variable empty.
    """
    covariance, factor = _checked_factor(covariance, dim_x)

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        xy = _correlated_normals(key, factor, num_samples)
        return xy[:, :dim_x], xy[:, dim_x:]

    return InformationTask(
        name=name,
        dim_x=dim_x,
        dim_y=len(covariance) - dim_x,
        information=_gaussian_information(covariance, dim_x),
        information_error=0.0,
        sample_fn=sample,
    )


def student_task(dispersion: ArrayLike, dim_x: int, *, degrees: float, name: str) -> InformationTask:
    """Make a task of two jointly Student-t variables, which depend on each other even if they are uncorrelated.

    (X, Y) = Z / sqrt(W / degrees) with Z ~ N(0, dispersion) and W ~ chi^2(degrees): one W for all coordinates, whence
    large values come together. With the dispersion D and g(a) = log Gamma(a / 2) - a / 2 digamma(a / 2),

      I(X; Y) = (log det D_xx + log det D_yy - log det D) / 2
                + g(degrees) + g(degrees + dim_x + dim_y) - g(degrees + dim_x) - g(degrees + dim_y).

    The entropies are those of Arellano-Valle, Contreras-Reyes & Genton 2013 (Scandinavian Journal of Statistics 40);
    their sum is ordered by us. At 1 degree of freedom there is no mean, at 2 no variance: do not standardise by
    moments. W is drawn as a logarithm, so that from 1 degree on samples are finite in float32 too.

    Args:
      dispersion: D (dim_x + dim_y, dim_x + dim_y), symmetric and positive definite; a concrete array.
      dim_x: number of its leading coordinates that are X, at least 1 and not all.
      degrees: degrees of freedom, positive.
      name: name of the task.

    Returns:
      the task, its information in closed form.

    Raises:
      ValueError: if `dispersion` is not positive definite, `dim_x` leaves a variable empty, or `degrees` is not
        positive and finite.
    """
    dispersion, factor = _checked_factor(dispersion, dim_x)
    if not 0 < degrees < math.inf:
        raise ValueError(f"degrees of freedom must be positive and finite; got {degrees}")
    dim_y = len(dispersion) - dim_x

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        normal_key, scale_key = jax.random.split(key)
        log_chi_square = math.log(2) + jax.random.loggamma(scale_key, degrees / 2, (num_samples, 1))
        xy = _correlated_normals(normal_key, factor, num_samples) * jnp.exp((math.log(degrees) - log_chi_square) / 2)
        return xy[:, :dim_x], xy[:, dim_x:]

    total = np.array([degrees, degrees + dim_x + dim_y, degrees + dim_x, degrees + dim_y]) / 2
    common_scale = (gammaln(total) - total * digamma(total)) @ [1, 1, -1, -1]
    return InformationTask(
        name=name,
        dim_x=dim_x,
        dim_y=dim_y,
        information=_gaussian_information(dispersion, dim_x) + float(common_scale),
        information_error=0.0,
        sample_fn=sample,
    )


def additive_noise_task(noise: float, *, name: str) -> InformationTask:
    """Make a task of a uniform variable seen through uniform noise, whose supports have corners.

    X ~ U(0, 1) and Y = X + N with N ~ U(-noise, noise). I(X; Y) = h(Y) - h(N), and Y has a trapezoid for a density:

      I(X; Y) = noise - log(2 noise)   where noise <= 1/2,
      I(X; Y) = 1 / (4 noise)          where noise >= 1/2.

    Args:
      noise: half the width of the noise, positive.
      name: name of the task.

    Returns:
      the task, of dimensions (1, 1), its information in closed form.

    Raises:
      ValueError: if `noise` is not positive and finite.
    """
    if not 0 < noise < math.inf:
        raise ValueError(f"the noise must be positive and finite; got {noise}")

    def sample(key: Array, num_samples: int) -> tuple[Array, Array]:
        key_x, key_noise = jax.random.split(key)
        x = jax.random.uniform(key_x, (num_samples, 1))
        return x, x + jax.random.uniform(key_noise, (num_samples, 1), minval=-noise, maxval=noise)

    information = noise - math.log(2 * noise) if noise <= 1 / 2 else 1 / (4 * noise)
    return InformationTask(
        name=name, dim_x=1, dim_y=1, information=information, information_error=0.0, sample_fn=sample
    )


def _checked_factor(covariance: ArrayLike, dim_x: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a covariance in float64 and its lower Cholesky factor, or say what is wrong with it."""
    covariance = np.asarray(covariance, float)
    if covariance.ndim != 2 or len(covariance) != covariance.shape[1] or not np.allclose(covariance, covariance.T):
        raise ValueError(f"a covariance must be a symmetric matrix; got shape {covariance.shape}")
    if not 1 <= dim_x < len(covariance):
        raise ValueError(f"dim_x must be in [1, {len(covariance) - 1}], so that X and Y have coordinates; got {dim_x}")
    try:
        return covariance, np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        smallest = np.linalg.eigvalsh(covariance)[0]
        raise ValueError(f"a covariance must be positive definite; got the eigenvalue {smallest:.3g}") from None


def _correlated_normals(key: Array, factor: np.ndarray, num_samples: int) -> Array:
    """Draw from N(0, factor factor^T), (num_samples, dim)."""
    white = jax.random.normal(key, (num_samples, len(factor)))
    return jnp.matmul(white, jnp.asarray(factor.T, white.dtype), precision=jax.lax.Precision.HIGHEST)


def _gaussian_information(covariance: np.ndarray, dim_x: int) -> float:
    log_det_x, log_det_y, log_det = (
        np.linalg.slogdet(block).logabsdet
        for block in (covariance[:dim_x, :dim_x], covariance[dim_x:, dim_x:], covariance)
    )
    return float(log_det_x + log_det_y - log_det) / 2
