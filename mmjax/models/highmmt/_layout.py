"""Models, HighMMT: which modalities and tasks there are, and what they have as a consequence."""

import dataclasses
import itertools
import math
from collections.abc import Iterable

from mmjax.heterogeneity import SharingPlan


@dataclasses.dataclass(frozen=True)
class ModalitySpec:
    """A modality: arrays (batch, *axes, channels), each entry along the axes a token."""

    name: str
    axes: tuple[int, ...]
    """Lengths of all axes but the last; (height, width) of images, (steps,) of sequences, () of one token."""
    channels: int
    """Numbers of a token."""
    num_bands: int | None = 6
    """Frequencies of the positions of each axis; None: tokens have no position, as in a set."""
    max_frequency: float = 1.0
    """Twice the last of the frequencies, which start at `base`."""
    base: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what has no tokens."""
        if min(self.axes, default=1) < 1 or self.channels < 1:
            raise ValueError(
                f"modality {self.name!r} needs axes and channels of length 1 at least; "
                f"got axes {self.axes} and {self.channels} channels"
            )
        if (self.num_bands is not None and self.num_bands < 1) or self.max_frequency <= 0 or self.base <= 1:
            raise ValueError(
                f"modality {self.name!r} needs num_bands of 1 at least (or None), max_frequency > 0 and base > 1; "
                f"got {self.num_bands}, {self.max_frequency} and {self.base}"
            )

    @property
    def num_tokens(self) -> int:
        """Tokens of a sample."""
        return math.prod(self.axes)

    @property
    def position_width(self) -> int:
        """Numbers that say where a token is."""
        return len(self.axes) * (2 * self.num_bands + 1) if self.num_bands is not None else 0

    @property
    def input_width(self) -> int:
        """Numbers of a token and its position."""
        return self.channels + self.position_width


@dataclasses.dataclass(frozen=True)
class TaskSpec:
    """A task: what is predicted from which modalities."""

    name: str
    modalities: tuple[str, ...]
    num_outputs: int
    """Classes, or predicted numbers."""
    pairs: tuple[tuple[str, str], ...] | None = None
    """Pairs of modalities to fuse, in either order; None: all."""

    def __post_init__(self) -> None:
        """Refuse a task that cannot be solved, and bring names into order."""
        if not self.modalities or self.num_outputs < 1:
            raise ValueError(
                f"task {self.name!r} needs a modality and an output at least; "
                f"got modalities {self.modalities} and {self.num_outputs} outputs"
            )
        _check_distinct(self.modalities, f"task {self.name!r}")
        names = tuple(sorted(self.modalities))
        pairs = tuple(itertools.combinations(names, 2)) if self.pairs is None else _ordered(self.pairs)
        unknown = [pair for pair in pairs if pair[0] == pair[1] or not set(pair) <= set(names)]
        if unknown or len(set(pairs)) < len(pairs):
            raise ValueError(f"pairs of task {self.name!r} must be distinct and of two of {names}; got {self.pairs}")
        object.__setattr__(self, "modalities", names)
        object.__setattr__(self, "pairs", pairs)

    @property
    def ordered_pairs(self) -> tuple[tuple[str, str], ...]:
        """(query, context) of all fusions, sorted."""
        return tuple(sorted(pair for pair in itertools.permutations(self.modalities, 2) if self.fuses(*pair)))

    def fuses(self, first: str, second: str) -> bool:
        """Say whether the pair is fused."""
        return tuple(sorted((first, second))) in (self.pairs or ())


@dataclasses.dataclass(frozen=True)
class Layout:
    """Modalities and tasks, the width that all tokens get, and the nodes among which parameters may be shared."""

    modalities: tuple[ModalitySpec, ...]
    """In an order that stays: a modality's place is its code, and new ones come last."""
    tasks: tuple[TaskSpec, ...]
    num_slots: int | None = None
    """Modalities that there may ever be; by default those that there are."""
    min_input_width: int = 0
    """Room for wider modalities to come."""

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        if not self.modalities or not self.tasks:
            raise ValueError(f"a layout needs modalities and tasks; got {self.modalities} and {self.tasks}")
        names = [modality.name for modality in self.modalities]
        _check_distinct(names, "the layout")
        _check_distinct([task.name for task in self.tasks], "the layout")
        for task in self.tasks:
            unknown = sorted(set(task.modalities) - set(names))
            if unknown:
                raise ValueError(f"task {task.name!r} has modalities without a spec: {', '.join(unknown)}")
        if self.num_slots is not None and self.num_slots < len(names):
            raise ValueError(f"num_slots must be {len(names)} at least, a slot a modality; got {self.num_slots}")

    @property
    def slots(self) -> int:
        """Codes of modalities."""
        return self.num_slots or len(self.modalities)

    @property
    def input_width(self) -> int:
        """Width of all tokens with their positions, without the modality's code."""
        return max(self.min_input_width, *(modality.input_width for modality in self.modalities))

    @property
    def nodes(self) -> tuple[tuple[str, str], ...]:
        """(task, modality): what is encoded."""
        return tuple((task.name, modality) for task in self.tasks for modality in task.modalities)

    @property
    def pairs(self) -> tuple[tuple[str, tuple[str, str]], ...]:
        """(task, unordered pair): what is fused."""
        return tuple((task.name, pair) for task in self.tasks for pair in task.pairs or ())

    def slot(self, name: str) -> int:
        """Return the code of a modality."""
        return [modality.name for modality in self.modalities].index(name)

    def modality(self, name: str) -> ModalitySpec:
        """Return a modality by name."""
        return self.modalities[self.slot(name)]

    def task(self, name: str) -> TaskSpec:
        """Return a task by name.

        Raises:
          ValueError: if there is none.
        """
        for task in self.tasks:
            if task.name == name:
                return task
        raise ValueError(f"no task {name!r}; there are {', '.join(task.name for task in self.tasks)}")

    def share_all(self) -> SharingPlan:
        """Return the plan of one encoder and one crossmodal stack for all."""
        return SharingPlan.share_all(len(self.nodes), len(self.pairs))

    def share_none(self) -> SharingPlan:
        """Return the plan of an encoder for each node and a crossmodal stack for each pair."""
        return SharingPlan.share_none(len(self.nodes), len(self.pairs))


def _ordered(pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((first, second) if first < second else (second, first) for first, second in pairs)


def _check_distinct(names: Iterable[str], owner: str) -> None:
    names = list(names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{owner} names {', '.join(twice)} twice; names must be distinct")
