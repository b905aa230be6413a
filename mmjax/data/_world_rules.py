"""Data, world rules: how the label of a task comes of the factors that its modalities show, of known interaction.

The rules are ours; their bits and labels have the tables of `GATES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array


class Rule(Protocol):
    """What modalities show of a sample, and its label; a frozen dataclass."""

    @property
    def num_modalities(self) -> int | None:
        """How many modalities it is for; None for any number."""

    @property
    def num_bits(self) -> int:
        """Factors of a modality that it reads, those that come first."""

    @property
    def num_classes(self) -> int:
        """Classes of the label."""

    @property
    def swapped(self) -> "Rule":
        """The rule for the modalities in reverse order."""

    def sample(self, key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
        """Draw factors of this shape, (num_modalities, n, num_factors), each N(0, 1), and classes (n,), int32."""


@dataclass(frozen=True)
class QuadrantRule:
    """All modalities see the same factors; the label is the signs of the first of them, read as a binary number.

    Whatever one modality knows of the label is redundant up to noise, which is independent: each further modality adds.
    """

    num_bits: int = 2
    """Factors whose signs make the label, of 2^num_bits classes, equally frequent."""

    def __post_init__(self) -> None:
        """Refuse a label of one class."""
        if self.num_bits < 1:
            raise ValueError(f"num_bits must be positive; got {self.num_bits}")

    @property
    def num_modalities(self) -> None:
        """Any number."""
        return None

    @property
    def num_classes(self) -> int:
        """2^num_bits."""
        return 2**self.num_bits

    @property
    def swapped(self) -> "QuadrantRule":
        """The same."""
        return self

    def sample(self, key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
        """Draw factors and classes, see `Rule`."""
        factors = jax.random.normal(key, shape[1:])
        bits = (factors[:, : self.num_bits] > 0).astype(jnp.int32)
        label = jnp.sum(bits << jnp.arange(self.num_bits, dtype=jnp.int32)[None], axis=1, dtype=jnp.int32)
        return jnp.broadcast_to(factors[None], shape), label


@dataclass(frozen=True)
class PairRule:
    """The label is a gate of two bits, the signs of the first factor of either modality."""

    labels: tuple[tuple[int, int], tuple[int, int]]
    """The class where the bits are (b1, b2), at `labels[b1][b2]`; 1 is a positive sign."""
    same_factors: bool = False
    """Whether both modalities see the same factors, and so b1 = b2; otherwise their factors are independent."""

    @property
    def num_modalities(self) -> int:
        """A pair."""
        return 2

    @property
    def num_bits(self) -> int:
        """One of each modality."""
        return 1

    @property
    def num_classes(self) -> int:
        """One more than the largest class."""
        return 1 + max(max(row) for row in self.labels)

    @property
    def swapped(self) -> "PairRule":
        """The gate with its inputs exchanged."""
        (both_negative, second), (first, both_positive) = self.labels
        return PairRule(((both_negative, first), (second, both_positive)), self.same_factors)

    def sample(self, key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
        """Draw factors and classes, see `Rule`."""
        factors = jax.random.normal(key, shape)
        if self.same_factors:
            factors = jnp.broadcast_to(factors[:1], shape)
        b1, b2 = (factors[:, :, 0] > 0).astype(jnp.int32)
        return factors, jnp.array(self.labels, jnp.int32)[b1, b2]


@dataclass(frozen=True)
class MixedRule:
    """Each sample follows one of two rules, and does not show which: interactions between those of the two."""

    first: PairRule
    """The rule of most samples, as long as `share` is below 1/2."""
    second: PairRule
    """The other rule."""
    share: float
    """Probability that a sample follows the second, in [0, 1]."""

    def __post_init__(self) -> None:
        """Refuse a share that is no probability."""
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1]; got {self.share}")

    @property
    def num_modalities(self) -> int:
        """A pair."""
        return 2

    @property
    def num_bits(self) -> int:
        """One of each modality."""
        return 1

    @property
    def num_classes(self) -> int:
        """Those of the rule that has more."""
        return max(self.first.num_classes, self.second.num_classes)

    @property
    def swapped(self) -> "MixedRule":
        """The mixture of the rules swapped."""
        return MixedRule(self.first.swapped, self.second.swapped, self.share)

    def sample(self, key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
        """Draw factors and classes, see `Rule`."""
        first_key, second_key, share_key = jax.random.split(key, 3)
        factors1, label1 = self.first.sample(first_key, shape)
        factors2, label2 = self.second.sample(second_key, shape)
        other = jax.random.bernoulli(share_key, self.share, shape[1:2])
        return jnp.where(other[None, :, None], factors2, factors1), jnp.where(other, label2, label1)


@dataclass(frozen=True)
class GatesRule:
    """Each bit of the label is a gate of two sources, and each modality sees one source: few of its pairs count.

    A source is a draw of factors, and its bit the sign of the first of them. The pairs of modalities that see the
    sources of a gate tell its bit, redundantly where a source is seen by several; other pairs do not.
    """

    sources: tuple[int, ...]
    """The source that each modality sees, numbered from 0."""
    gates: tuple[tuple[int, int, PairRule], ...]
    """Two sources and their gate, for each bit of the label, the lowest first."""

    def __post_init__(self) -> None:
        """Refuse gates of what no modality sees, and such that are no gates of two independent bits."""
        for first, second, gate in self.gates:
            if first == second or not {first, second} <= set(self.sources):
                raise ValueError(f"a gate needs two sources that modalities see; got {first} and {second}")
            if gate.same_factors or gate.num_classes != 2:
                raise ValueError(f"a gate makes one bit of two independent ones; got {gate}")
        if not self.gates or min(self.sources) < 0:
            raise ValueError(f"needs a gate, and sources from 0; got {self.gates} and {self.sources}")

    @property
    def num_modalities(self) -> int:
        """Those whose sources are given."""
        return len(self.sources)

    @property
    def num_bits(self) -> int:
        """One of each modality."""
        return 1

    @property
    def num_classes(self) -> int:
        """2 to the number of gates."""
        return 2 ** len(self.gates)

    @property
    def swapped(self) -> "GatesRule":
        """The same for the modalities in reverse order."""
        return GatesRule(self.sources[::-1], self.gates)

    def sample(self, key: Array, shape: tuple[int, int, int]) -> tuple[Array, Array]:
        """Draw factors and classes, see `Rule`."""
        drawn = jax.random.normal(key, (max(self.sources) + 1, *shape[1:]))
        bits = (drawn[:, :, 0] > 0).astype(jnp.int32)
        label = jnp.zeros(shape[1], jnp.int32)
        for place, (first, second, gate) in enumerate(self.gates):
            label |= jnp.array(gate.labels, jnp.int32)[bits[first], bits[second]] << place
        return drawn[jnp.array(self.sources)], label


PAIR_RULES: Mapping[str, PairRule] = MappingProxyType(
    {
        "and": PairRule(((0, 0), (0, 1))),
        "xor": PairRule(((0, 1), (1, 0))),
        "unique1": PairRule(((0, 0), (1, 1))),
        "unique2": PairRule(((0, 1), (0, 1))),
        "redundant": PairRule(((0, 0), (0, 1)), same_factors=True),
    }
)
"""Rules of pairs. Bits and label have the table of that name in `GATES`, and its decomposition: "and" b1 and b2, .311
bits of redundancy and .5 of synergy; "xor" 1 bit of synergy; "unique1" and "unique2" b1 and b2, 1 bit that is unique;
"redundant" b1 = b2, 1 bit of redundancy."""
