import jax
import jax.numpy as jnp
import pytest
from jax.dtypes import TypePromotionError

import mmjax


def test_every_room_is_reachable_from_the_package():
    assert {"information", "coupling", "pid", "synergy"} <= set(dir(mmjax))
    assert mmjax.numerics.__name__ == "mmjax.numerics"


def test_an_unknown_room_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'telepathy'"):
        _ = mmjax.telepathy


def test_the_suite_runs_on_eight_devices_without_silent_promotion():
    assert jax.device_count() == 8
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)
    with pytest.raises(TypePromotionError, match="float32"):
        jnp.ones(3, jnp.float32) + jnp.ones(3, jnp.int32)


def test_the_float64_fixture_gives_double_precision(float64):
    assert jnp.ones(()).dtype == jnp.float64
