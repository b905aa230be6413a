"""What configurations refuse in the same words."""

import dataclasses

import pytest

from experiments.harness import check_counts, check_names, check_numbers


@dataclasses.dataclass
class Config:
    num_seeds: int | None = 1
    seed: int = 0


def test_what_can_be_run_passes():
    check_counts(Config(), num_seeds=1, seed=0)
    check_counts(Config(num_seeds=None, seed=2**31 - 1), num_seeds=1, seed=0)
    check_numbers("rates", (0.1, 1e-3))
    check_numbers("decays", (0.0, 0.1), positive=False)
    check_names("heads", ("gated",), ("gated", "FiLM"))
    check_names("sources", (), ("AND",), least=0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (Config(num_seeds=0), "num_seeds must be at least 1; got 0"),
        (Config(seed=-1), "seed must be at least 0; got -1"),
        (Config(seed=2**31), "seed must be below 2^31; got 2147483648"),
    ],
)
def test_counts_that_are_too_small_or_too_large(config, message):
    with pytest.raises(ValueError) as error:
        check_counts(config, num_seeds=1, seed=0)
    assert str(error.value) == message


@pytest.mark.parametrize("numbers", [(), (0.0,), (-1.0,), (float("nan"),), (float("inf"),), (0.1, 0.1)])
def test_numbers_that_cannot_be_tried(numbers):
    with pytest.raises(ValueError, match=r"^rates must be positive and finite, one or more, each once; got "):
        check_numbers("rates", numbers)


@pytest.mark.parametrize("numbers", [(), (-1.0,), (float("nan"),), (0.0, 0.0)])
def test_numbers_of_which_zero_is_one(numbers):
    with pytest.raises(ValueError, match=r"^decays must be not negative and finite"):
        check_numbers("decays", numbers, positive=False)


@pytest.mark.parametrize(
    ("names", "least", "message"),
    [
        (("hydra", "FiLM"), 1, "heads must be one or more of gated, FiLM, each once; got hydra"),
        (("FiLM", "FiLM"), 0, "heads must be some of gated, FiLM, each once; got FiLM, FiLM"),
        ((), 1, "heads must be one or more of gated, FiLM, each once; got none"),
        (("FiLM",), 2, "heads must be 2 or more of gated, FiLM, each once; got FiLM"),
    ],
)
def test_names_that_are_unknown_repeated_or_too_few(names, least, message):
    with pytest.raises(ValueError) as error:
        check_names("heads", names, ("gated", "FiLM"), least=least)
    assert str(error.value) == message
