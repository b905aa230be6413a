"""Experiments, reproduce: an entry of the ledger: a published item, its status, and where our number is read."""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from experiments.reproduce.runs import Results, Source

Status = Literal[
    "reproduced",
    "not reproduced",
    "analogue",
    "impossible: data",
    "impossible: not described",
    "wrong: proof",
    "not attempted",
]
STATUSES: tuple[Status, ...] = get_args(Status)
ABOUT_STATUSES = {
    "reproduced": "same data and quantity, and the numbers agree, where one was published",
    "not reproduced": "same data and quantity, and the numbers differ",
    "analogue": "the same question on other data, as the published ones are not available here",
    "impossible: data": "its data are not available here, and nothing stands in",
    "impossible: not described": "formulae or settings are in no source that we could read",
    "wrong: proof": "the published formula or claim is wrong, and ours shows where",
    "not attempted": "for the reason given",
}
Mark = Literal["paper", "abstract", "code", "recalled", "secondary"]
ABOUT_MARKS = (
    "(paper): read in it; (abstract): nothing else of it was to be read; (code): from the public code or its stored "
    "output; (recalled): from memory, not checked against a text; (secondary): read about elsewhere"
)
NO_NUMBER = "no number published"
UNREAD = "not available to us"
DIRECT = "tests/experiments/test_reproduce.py::test_what_is_computed_at_once_bears_its_status_out"
"""The test of what is computed at once and has no test of its own."""


class Found(NamedTuple):
    """Our number."""

    text: str
    holds: bool = True
    """Whether it bears out the status of its entry."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """Our number is in the results of an experiment."""

    source: Source
    of: Callable[[Results], Found]


@dataclasses.dataclass(frozen=True)
class Shown:
    """Our number is computed at once, from a counter-example or a closed form, or a test alone shows it."""

    test: str
    """The test that shows the same, as pytest takes it."""
    of: Callable[[], Found] | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A published table, figure or numbered result."""

    item: str
    what: str
    status: Status
    published: str
    """Its numbers, or that there are none."""
    mark: Mark
    by: Reading | Shown | None = None
    why: str = ""
    """The reason for the status; what a reader must know to compare."""

    def __post_init__(self) -> None:
        """Refuse an entry without what its status needs."""
        if not self.published:
            raise ValueError(f"{self.item} needs published numbers, or {NO_NUMBER!r}")
        if self.by is None and not self.why:
            raise ValueError(f"{self.item} needs a reading, a test or a reason")
        if self.by is None and self.status in ("reproduced", "not reproduced", "wrong: proof"):
            raise ValueError(f"{self.item} is {self.status!r}, which needs a reading or a test")


@dataclasses.dataclass(frozen=True)
class Paper:
    """A paper with its entries."""

    key: str
    """Its arXiv number, or a name."""
    short: str
    title: str
    entries: tuple[Entry, ...]

    @property
    def heading(self) -> str:
        """Title and number."""
        return f"{self.title} (arXiv {self.key})" if self.is_one else self.title

    @property
    def label(self) -> str:
        """Short name and number."""
        return f"{self.short} ({self.key})" if self.is_one else self.short

    @property
    def is_one(self) -> bool:
        """Whether it is one paper, and not several."""
        return self.key[0].isdigit()
