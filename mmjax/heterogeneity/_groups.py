"""Room heterogeneity: groups of nodes as tuples of numbers."""

from collections.abc import Hashable, Iterable


def numbered(labels: Iterable[Hashable]) -> tuple[int, ...]:
    """Number labels 0, 1, ... in the order of their first occurrence."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)
