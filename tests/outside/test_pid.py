"""The decomposition against dit's cone solver on dit's own named distributions."""

import jax
import numpy as np
import pytest

from mmjax import pid

pytestmark = pytest.mark.outside


@pytest.fixture(scope="module")
def dit():
    pytest.importorskip("ecos", reason="dit's cone solver needs ecos")
    return pytest.importorskip("dit")


def as_table(distribution) -> np.ndarray:
    """The dense table (n1, n2, ny) of a distribution of three variables."""
    alphabets = [sorted({outcome[axis] for outcome in distribution.outcomes}) for axis in range(3)]
    p = np.zeros([len(alphabet) for alphabet in alphabets])
    distribution.set_base("linear")
    for outcome, mass in distribution.zipped():
        p[tuple(alphabet.index(value) for alphabet, value in zip(alphabets, outcome, strict=True))] += mass
    return p


def atoms(dit, distribution) -> list[float]:
    """Redundancy, both unique parts and synergy by dit's cone solver, in bits."""
    decomposition = dit.pid.PID_BROJA(distribution, [[0], [1]], [2], method="cone")
    nodes = (((0,), (1,)), ((0,),), ((1,),), ((0, 1),))
    return [float(decomposition.get_pi(node)) for node in nodes]


def test_named_distributions_of_dit(dit):
    from dit.pid.distributions import bivariates

    assert len(bivariates) > 10
    cases = {name: as_table(distribution) for name, distribution in bivariates.items()}
    largest = np.max([p.shape for p in cases.values()], axis=0)
    padded = [
        np.pad(p, [(0, most - size) for size, most in zip(p.shape, largest, strict=True)]) for p in cases.values()
    ]
    with jax.enable_x64(True):
        result = jax.jit(jax.vmap(pid.broja))(np.stack(padded))
    ours = np.stack(result[:4], axis=-1)
    assert result.converged.all()
    for values, (name, distribution) in zip(ours, bivariates.items(), strict=True):
        np.testing.assert_allclose(values, atoms(dit, distribution), rtol=0, atol=1e-6, err_msg=name)
