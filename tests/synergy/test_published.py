import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import pid, synergy

pytestmark = pytest.mark.usefixtures("quickly_compiled", "float64")

FIELDS = synergy.PublishedBounds._fields
LANES = 64  # every 2x2x2 batch is filled up to this, so that one program serves all

published = jax.jit(jax.vmap(synergy.published_bounds))


def _published(tables):
    tables = np.asarray(tables)
    filled = np.concatenate([tables, np.repeat(tables[-1:], max(LANES - len(tables), 0), axis=0)])
    return {name: np.asarray(x)[: len(tables)] for name, x in published(jnp.asarray(filled))._asdict().items()}


def _reference(folder, shape):
    """Tables of one shape, and a function from the name of a reference field to its values."""
    with np.load(folder / "oracles" / "pid_public.npz", allow_pickle=False) as file:
        names = [name for name in file["names"] if file[f"P__{name}"].shape == shape]
        rows = file["values"][np.isin(file["names"], names)]
        columns = {str(field): rows[:, i] for i, field in enumerate(file["fields"])}
        return np.stack([file[f"P__{name}"] for name in names]), columns


def _gate(*cells):
    p = np.zeros((2, 2, 2))
    for cell in cells:
        p[cell] += 1 / len(cells)
    return p


FIRST = _gate((0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 1, 1))
SECOND = FIRST.transpose(1, 0, 2)
REDUNDANT = _gate((0, 0, 0), (1, 1, 1))
XOR = _gate((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
EMPTY_ROW = _gate((0, 0, 0), (0, 1, 1))


def _check_reference(folder, shape):
    tables, columns = _reference(folder, shape)
    found = _published(tables)
    for name in FIELDS:
        np.testing.assert_allclose(found[name], columns[f"ref_{name}"], rtol=0, atol=1e-6, err_msg=name)


def test_equals_the_published_code(reference):
    """Where that is finite, and NaN where it is NaN."""
    _check_reference(reference, (2, 2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 3, 2), (2, 2, 3), (2, 2, 4), (3, 3, 3), (4, 4, 4), (8, 8, 4), (10, 10, 10)])
def test_equals_the_published_code_on_larger_tables(reference, shape):
    _check_reference(reference, shape)


def test_which_are_bounds(reference):
    """On the reference tables, lower_R and upper hold; the swapped ones and the squared distance do not."""
    tables, columns = _reference(reference, (2, 2, 2))
    found, synergies = _published(tables), columns["hp_S"]
    assert np.nanmax(found["lower_R"] - synergies) < 1e-6
    assert np.min(found["upper"] - synergies) > -1e-6
    for name in ("lower_U1", "lower_U2"):
        assert np.nanmax(found[name] - synergies) > 0.1, name


def test_counter_examples():
    """Where y is x1 or x2 there is no synergy; the swapped bounds claim a whole bit of it."""
    found = _published([FIRST, SECOND, XOR])
    np.testing.assert_allclose(found["lower_U1"], [1, -1, 0], atol=1e-8)
    np.testing.assert_allclose(found["lower_U2"], [-1, 1, 0], atol=1e-8)
    np.testing.assert_allclose(found["lower_R"], [0, 0, 0], atol=1e-8)
    np.testing.assert_allclose(found["lower_diff"], [-0.5, -0.5, 0], atol=1e-8)
    np.testing.assert_allclose(found["upper"], [0, 0, 1], atol=1e-8)


def test_not_a_number_where_the_code_divides_zero_by_zero():
    found = _published([REDUNDANT, EMPTY_ROW, EMPTY_ROW.transpose(1, 0, 2)])
    for name in ("lower_R", "lower_U1", "lower_U2"):
        np.testing.assert_array_equal(np.isnan(found[name][0]), True, err_msg=name)
    np.testing.assert_array_equal(np.isnan(found["lower_diff"]), [False, True, True])
    np.testing.assert_allclose(found["upper"], [0, 0, 0], atol=1e-8)


@pytest.mark.parametrize("spoil", [lambda p: p * 0, lambda p: p * 1.1, lambda p: p * np.nan, lambda p: p - 0.2])
def test_no_table(spoil):
    found = _published([spoil(XOR), XOR])
    for name, value in found.items():
        assert np.isnan(value[0]), name
        assert np.isfinite(value[1]), name


@pytest.mark.slow
def test_squared_distance_exceeds_synergy():
    """3 of 100 random tables, by up to .026 bit."""
    rng = np.random.default_rng(0)
    tables = rng.dirichlet(np.ones(8), 1000).reshape(-1, 2, 2, 2)
    excess = published(jnp.asarray(tables)).lower_diff - jax.jit(jax.vmap(pid.broja))(jnp.asarray(tables)).synergy
    assert 0.01 < np.mean(np.asarray(excess) > 1e-6) < 0.06
    assert 0.005 < np.max(excess) < 0.1
