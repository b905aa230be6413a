"""Experiments, checks: what configurations refuse, each in one line that says what was got and what is expected."""

import math
from collections.abc import Collection, Sequence
from typing import Any

LIMIT = 2**31
"""Above all whole numbers of a configuration: what seeds are drawn from, and what a program counts to."""


def check_counts(config: Any, **least: int) -> None:
    """Refuse whole numbers of a configuration, by name of the field, that are below a least or not below 2^31.

    Raises:
      ValueError: if there is one; None passes.
    """
    for field, smallest in least.items():
        value = getattr(config, field)
        if value is not None and value < smallest:
            raise ValueError(f"{field} must be at least {smallest}; got {value}")
        if value is not None and value >= LIMIT:
            raise ValueError(f"{field} must be below 2^31; got {value}")


def check_numbers(field: str, numbers: Sequence[float], *, positive: bool = True) -> None:
    """Refuse numbers to try, such as learning rates, unless there is one, and each once, finite and positive.

    Raises:
      ValueError: if not; with `positive=False` zeros pass.
    """
    allowed = all(math.isfinite(number) and (number > 0 or (number == 0 and not positive)) for number in numbers)
    if not numbers or not allowed or len(set(numbers)) < len(numbers):
        kind = "positive" if positive else "not negative"
        said = ", ".join(map(str, numbers)) or "none"
        raise ValueError(f"{field} must be {kind} and finite, one or more, each once; got {said}")


def check_modalities(config: Any) -> None:
    """Refuse names of modalities without a data file that has them.

    Raises:
      ValueError: if there are some, and no `data`.
    """
    if config.modalities and config.data is None:
        raise ValueError("modalities are those of a data file; give one by --data")


def check_names(field: str, names: Sequence[str], known: Collection[str], *, least: int = 1) -> None:
    """Refuse names unless they are known ones, each once, and enough of them.

    Raises:
      ValueError: if not.
    """
    unknown = [name for name in names if name not in known]
    if unknown or len(names) < least or len(set(names)) < len(names):
        number = {0: "some", 1: "one or more"}.get(least, f"{least} or more")
        said = ", ".join(unknown or names) or "none"
        raise ValueError(f"{field} must be {number} of {', '.join(known)}, each once; got {said}")
