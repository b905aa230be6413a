"""Data, information tasks: the forty tasks on which estimators of mutual information are compared."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr

from mmjax.data._information_bases import additive_noise_task, multinormal_task, student_task
from mmjax.data._information_maps import half_cube, mixture_quantile, spiral, swiss_roll, wiggle
from mmjax.data._information_task import InformationTask, transformed_task

CORRELATION = 0.75
DENSE_CORRELATION = 0.5
PAIR_STRENGTH = 2.0
NUM_PAIRS = 2


def _dense(dim: int) -> InformationTask:
    """All coordinates of X and Y have one correlation."""
    covariance = np.full((2 * dim, 2 * dim), DENSE_CORRELATION) + (1 - DENSE_CORRELATION) * np.eye(2 * dim)
    return multinormal_task(covariance, dim, name=f"multinormal-dense-{dim}-{dim}-{DENSE_CORRELATION}")


def _sparse(dim: int) -> InformationTask:
    """Two coordinates of X have each a partner in Y, with a common part twice as strong as their own noise."""
    correlations = np.where(np.arange(dim) < NUM_PAIRS, PAIR_STRENGTH**2 / (1 + PAIR_STRENGTH**2), 0)
    covariance = np.block([[np.eye(dim), np.diag(correlations)], [np.diag(correlations), np.eye(dim)]])
    return multinormal_task(covariance, dim, name=f"multinormal-sparse-{dim}-{dim}-{NUM_PAIRS}-{PAIR_STRENGTH}")


def _student(dim: int, degrees: int) -> InformationTask:
    """All coordinates are uncorrelated, and depend on each other by their common scale alone."""
    return student_task(np.eye(2 * dim), dim, degrees=degrees, name=f"student-identity-{dim}-{dim}-{degrees}")


def _both(prefix: str, transform: Callable[[Array], Array]) -> Callable[[InformationTask], InformationTask]:
    return lambda task: transformed_task(
        task, name=f"{prefix}-{task.name}", transform_x=transform, transform_y=transform
    )


_uniform = _both("normal_cdf", ndtr)
_half_cubed = _both("half_cube", half_cube)
_short_tailed = _both("asinh", jnp.arcsinh)


def _spiralled(task: InformationTask) -> InformationTask:
    return transformed_task(
        task,
        name=f"spiral-{task.name}",
        transform_x=functools.partial(spiral, speed=1 / task.dim_x, plane=(0, 1)),
        transform_y=functools.partial(spiral, speed=1 / task.dim_y, plane=(1, 2)),
    )


def _wiggled(task: InformationTask) -> InformationTask:
    return transformed_task(
        task,
        name=f"wiggly-{task.name}",
        transform_x=functools.partial(wiggle, waves=((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5))),
        transform_y=functools.partial(wiggle, waves=((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5))),
    )


def _bimodal(task: InformationTask) -> InformationTask:
    return transformed_task(
        task,
        name=f"1v1-bimodal-{CORRELATION}",
        transform_x=functools.partial(mixture_quantile, weights=(0.3, 0.7), means=(0.0, 5.0)),
        transform_y=functools.partial(mixture_quantile, weights=(0.5, 0.5), means=(-1.0, 3.0)),
    )


def _rolled(task: InformationTask) -> InformationTask:
    return transformed_task(task, name=f"swissroll_x-{task.name}", transform_x=swiss_roll, dim_x=2)


def _catalogue() -> dict[str, InformationTask]:
    normal = multinormal_task([[1, CORRELATION], [CORRELATION, 1]], 1, name=f"1v1-normal-{CORRELATION}")
    scalar = [
        normal,
        _uniform(normal),
        *(additive_noise_task(noise, name=f"1v1-additive-{noise}") for noise in (0.1, 0.75)),
        _bimodal(normal),
        _wiggled(normal),
        _half_cubed(normal),
        _student(1, 1),
        _short_tailed(_student(1, 1)),
    ]
    embedded = [_rolled(_uniform(normal))]
    multinormal = [*map(_dense, (2, 3, 5, 25, 50)), *map(_sparse, (2, 3, 5, 25))]
    student = [_student(dim, degrees) for dim, degrees in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))]
    sparse = [_sparse(dim) for dim in (3, 5, 25)]
    transformed = [
        *map(_uniform, sparse),
        *map(_half_cubed, sparse),
        *map(_spiralled, sparse),
        *map(_spiralled, map(_uniform, sparse)),
        *(_short_tailed(_student(dim, degrees)) for dim, degrees in ((2, 1), (3, 2), (5, 2))),
    ]
    return {task.name: task for task in (*scalar, *embedded, *multinormal, *student, *transformed)}


INFORMATION_TASKS: Mapping[str, InformationTask] = MappingProxyType(_catalogue())
"""The tasks of Czyz, Grabowski, Vogt, Beerenwinkel & Marx 2023 (arXiv 2306.11078), in the order and with the names of
their package `benchmark-mi`, so that tables join: 9 of two scalars, 1 embedded in the plane, 9 multinormal, 6 Student-t
and 15 transformed. The informations, .18 to 1.71 nats, are all in closed form."""
