"""The catalogue of tasks of known information against the package that defined it.

`benchmark-mi` needs an older JAX than ours, and so hands its tasks over in a file, which MMJAX_BMI names. In an
environment of its own (`pip install benchmark-mi==0.1.3 jax==0.4.30 jaxlib==0.4.30 "scipy<1.15" "chex<0.1.88"`):

    import bmi, numpy as np
    drawn = {name: (task, *task.sample(5000, seed=0)) for name, task in bmi.benchmark.BENCHMARK_TASKS.items()}
    np.savez("bmi.npz", **{f"{name}/{part}": value for name, (task, x, y) in drawn.items()
                           for part, value in (("information", task.mutual_information), ("x", x), ("y", y))})
"""

import os

import jax
import numpy as np
import pytest
from scipy import stats

from mmjax.data import INFORMATION_TASKS
from tests.brute_ksg import ksg_information

pytestmark = pytest.mark.outside

NUM_NEIGHBOUR_ROWS = 2000


@pytest.fixture(scope="module")
def bmi():
    path = os.environ.get("MMJAX_BMI")
    if not path:
        pytest.skip("needs the tasks of benchmark-mi: set MMJAX_BMI to the file that this module's docstring makes")
    with np.load(path) as file:
        return dict(file)


def test_names_and_dimensions(bmi):
    assert {key.rpartition("/")[0] for key in bmi} == set(INFORMATION_TASKS)
    for name, task in INFORMATION_TASKS.items():
        assert (bmi[f"{name}/x"].shape[1], bmi[f"{name}/y"].shape[1]) == (task.dim_x, task.dim_y), name


def test_information(bmi):
    differences = {name: abs(bmi[f"{name}/information"] - task.information) for name, task in INFORMATION_TASKS.items()}
    assert max(differences.values()) < 1e-6, differences


@pytest.mark.parametrize("name", list(INFORMATION_TASKS))
def test_samples(bmi, name):
    """Every coordinate, sums of X and Y in random directions, and what nearest neighbours estimate."""
    theirs = bmi[f"{name}/x"].astype(float), bmi[f"{name}/y"].astype(float)
    drawn = INFORMATION_TASKS[name].sample(jax.random.key(0), len(theirs[0]))
    ours = tuple(np.asarray(part, float) for part in drawn)
    # Two samples of one law differ by more in 1 of 10^5 coordinates; there are about 500, and as many directions.
    limit = np.sqrt(np.log(2e5) / len(theirs[0]))
    joint, other = np.hstack(ours), np.hstack(theirs)
    directions = np.random.default_rng(0).normal(size=(20, joint.shape[1])) / np.std(other, axis=0)
    for direction in np.vstack([np.eye(joint.shape[1]), directions]):
        assert stats.ks_2samp(joint @ direction, other @ direction).statistic < limit
    first, second = (ksg_information(*(part[:NUM_NEIGHBOUR_ROWS] for part in pair)) for pair in (ours, theirs))
    assert first == pytest.approx(second, abs=0.12)
