import jax.numpy as jnp
import numpy as np
import pytest

from mmjax import information

FAIR = np.full((2, 2), 0.25)
SAME = np.eye(2) / 2
OPPOSITE = SAME[::-1]


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([], r"pxy is empty .*needs at least one cell"),
        ([0.5, np.nan, 0.5], r"pxy has 1 NaN entries; drop"),
        ([[0.5, 0.6], [-0.1, 0.0]], r"pxy has the negative entry -0.1 at \(1, 0\); entries must be >= 0"),
        ([0.5, 0.6], r"pxy must sum to 1 within 0.001; got 1.1: divide pxy by its sum"),
        ([0.0, 0.0], r"pxy must sum to 1 .*got 0: there is nothing to normalise"),
        ([np.inf, 0.0], r"pxy must sum to 1 .*got inf"),
    ],
)
def test_check_table_says_what_is_wrong_in_one_line(p, message):
    with pytest.raises(ValueError, match=message) as error:
        information.check_table(np.array(p), name="pxy")
    assert "\n" not in str(error.value)


def test_check_table_takes_tables():
    assert information.check_table(jnp.full((2, 3, 4), 1 / 24)) is None
    assert information.check_table([0.5, 0.5004]) is None


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 3, 1, 5], r"y must be in \[0, 3\); got 3 at \(1,\) \(2 such ids\): raise the size or drop"),
        ([[0, 1], [-1, 0]], r"y must be in \[0, 3\); got -1 at \(1, 0\) \(1 such ids\)"),
        ([0.0, 1.0], r"y must be integers in \[0, 3\); got float64"),
        ([2**40], r"got 1099511627776 at \(0,\)"),
    ],
)
def test_check_ids_names_the_first_offender(ids, message):
    with pytest.raises(ValueError, match=message):
        information.check_ids(np.array(ids), 3, name="y")


def test_check_ids_takes_ids():
    assert information.check_ids(jnp.array([0, 2, 1]), 3) is None
    assert information.check_ids(np.zeros(0, int), 3) is None


def test_check_marginals_agree(tables):
    p = tables(1, (2, 3, 4))[0]
    pairs = p.sum(2), p.sum(1), p.sum(0)
    assert information.check_marginals_agree(*pairs, tolerance=1e-12) is None
    with pytest.raises(ValueError, match=r"p12 and p1y must agree about p\(x1\) within 1e-06; got total"):
        information.check_marginals_agree(SAME, [[0.3, 0.3], [0.2, 0.2]], FAIR, tolerance=1e-6)
    with pytest.raises(ValueError, match=r"p12 and p2y must agree about p\(x2\)"):
        information.check_marginals_agree(SAME, FAIR, [[0.3, 0.3], [0.2, 0.2]])
    with pytest.raises(ValueError, match=r"p1y and p2y must agree about p\(y\)"):
        information.check_marginals_agree(SAME, FAIR, [[0.3, 0.2], [0.3, 0.2]])
    assert information.check_marginals_agree(SAME, FAIR, [[0.3, 0.2], [0.3, 0.2]], tolerance=0.11) is None
    with pytest.raises(ValueError, match="p1y must sum to 1"):
        information.check_marginals_agree(SAME, FAIR * 2, FAIR)
    with pytest.raises(ValueError, match=r"must have shapes .*got \(2, 3\), \(2, 4\), \(2, 4\)"):
        information.check_marginals_agree(pairs[0], pairs[1], np.full((2, 4), 1 / 8))


def test_check_joint_exists(tables):
    p = tables(1, (2, 3, 4), "zeros")[0]
    assert information.check_joint_exists(p.sum(2), p.sum(1), p.sum(0)) is None
    assert information.check_joint_exists(*(q.astype(np.float32) for q in (p.sum(2), p.sum(1), p.sum(0)))) is None
    assert information.check_joint_exists(SAME, SAME, SAME) is None
    # X1 = X2, X1 = Y and X2 != Y: every shared marginal is fair, and no joint exists.
    assert information.check_marginals_agree(SAME, SAME, OPPOSITE) is None
    with pytest.raises(ValueError, match=r"no joint distribution has these .* by 0\.167 or more; expected at most"):
        information.check_joint_exists(SAME, SAME, OPPOSITE)
    assert information.check_joint_exists(SAME, SAME, OPPOSITE, tolerance=0.17) is None
