"""Which published table, figure and result is reproduced here, by which command, and with what number?

Every one that the work behind mmjax reports, with its status, the published number, ours and the command. Ours is read
in the results of finished runs of the other experiments, wherever they lie in the folder of runs (`--runs`, by default
`results`), and never from a run of another configuration than the entry needs; counter-examples and closed forms are
computed at once. Takes half a minute on two CPU cores and is made anew each time. --preset full first makes the runs
that are missing, each in a folder of its own; that takes many hours, and goes on where it was interrupted. --only takes
some papers: `--only 2306.04539 --run` runs what these need.
"""

import argparse
import dataclasses
import functools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.harness import Experiment, Item, Rows, Table, default_out
from experiments.harness import main as harness_main
from experiments.reproduce import figure as drawing
from experiments.reproduce.entry import Paper
from experiments.reproduce.ledger import PAPERS
from experiments.reproduce.rows import missing_runs, paper_rows
from experiments.reproduce.tables import tables as tables_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "reproduce"
_PAPERS = {paper.key: paper for paper in PAPERS}


@dataclasses.dataclass(frozen=True)
class Config:
    """What to list, and whether to run what is missing."""

    only: tuple[str, ...] = ()
    """Papers by arXiv number, or coupling, estimators, later; all by default."""
    runs: Path | None = None
    """Folder of the runs, each in a folder of its own; by default results, or $MMJAX_RESULTS."""
    run: bool = False
    """First make the runs that are missing."""

    def __post_init__(self) -> None:
        """Refuse papers that the ledger has not, and a file for a folder."""
        unknown = [key for key in self.only if key not in _PAPERS]
        if unknown:
            raise ValueError(f"no paper {', '.join(unknown)}; there are {', '.join(_PAPERS)}")
        if self.runs is not None and self.runs.exists() and not self.runs.is_dir():
            raise ValueError(f"runs must be a folder; got {self.runs}")

    def papers(self) -> list[Paper]:
        """Return the papers to list."""
        return [paper for paper in PAPERS if not self.only or paper.key in self.only]

    def folder(self) -> Path:
        """Return the folder of the runs."""
        return self.runs if self.runs is not None else default_out(NAME).parent


PRESETS = {"quick": Config(), "full": Config(run=True)}


def items(config: Config) -> Mapping[str, Item]:
    """Return the runs that are missing, if they are to be made."""
    return missing_runs(config.papers(), config.folder()) if config.run else {}


def ledger(config: Config, rows: Rows) -> Mapping[str, Item]:
    """Return the entries of each paper, which are read when all runs are there."""
    del rows
    return {f"paper-{paper.key}": functools.partial(paper_rows, paper, config.folder()) for paper in config.papers()}


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return the summary and a table a paper."""
    del config
    return tables_of(_PAPERS, rows)


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw the statuses."""
    del config
    return drawing.draw(_PAPERS, rows)


EXPERIMENT = Experiment(NAME, __doc__ or "", PRESETS, items, tables, figure, ledger)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ledger, anew where there is one: its numbers are those of runs, which may have come since.

    Args:
      arguments: the command line after the program; by default this process's.

    Returns:
      the exit code, as of `harness.main`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    option = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    option.add_argument("--out", nargs="?", type=Path, default=default_out(NAME))
    out = option.parse_known_args(given)[0].out
    return harness_main(EXPERIMENT, [*given, "--overwrite"] if out and _is_ledger(out) else given)


def _is_ledger(out: Path) -> bool:
    """Say whether a folder holds a ledger, and not the run of another experiment."""
    for path in [out / "run.json", *sorted((out / "rows").glob("*.json"))[:1]]:
        try:
            return bool(json.loads(path.read_bytes())["configuration"]["experiment"] == NAME)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return False


if __name__ == "__main__":
    sys.exit(main())
