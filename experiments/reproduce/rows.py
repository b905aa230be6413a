"""Experiments, reproduce: the rows of the ledger: each entry with our number, or with why there is none."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import jax

from experiments.harness import Item, Row, Rows, UserError, run
from experiments.reproduce.entry import Entry, Found, Paper, Reading
from experiments.reproduce.runs import DAMAGED, Runs, Source, experiment_of, one_line

UNCONFIRMED = "not confirmed"
"""Status of an entry whose number does not bear it out."""


def paper_rows(paper: Paper, runs: Path) -> Rows:
    """Return a row an entry, with our number where its run is there or it is computed at once."""
    found = Runs(runs)
    return [_row(paper, entry, found) for entry in paper.entries]


def missing_runs(papers: Iterable[Paper], runs: Path) -> Mapping[str, Item]:
    """Return what must run so that every reading finds its number, by folder.

    Raises:
      UserError: if the folder of one holds another run.
    """
    found = Runs(runs)
    readings = [entry.by for paper in papers for entry in paper.entries if isinstance(entry.by, Reading)]
    missing = [reading.source for reading in readings if isinstance(found.find(reading.source), str)]
    sources = {source.folder: source for source in missing}
    taken = [name for name, source in sources.items() if (runs / name / "run.json").exists()]
    if taken:
        said = found.find(sources[taken[0]])
        raise UserError(f"{runs / taken[0]} is taken ({said}); move it, or choose another folder by --runs")
    return {f"run-{name}": functools.partial(_make, source, runs) for name, source in sources.items()}


def _make(source: Source, runs: Path) -> Row:
    run(experiment_of(source.experiment), source.config(), runs / source.folder)
    jax.clear_caches()  # the programs of one experiment are of no use to the next
    return {"kind": "run", "folder": source.folder}


def _row(paper: Paper, entry: Entry, runs: Runs) -> Row:
    ours, is_number = _ours(entry, runs)
    return {
        "kind": "entry",
        "paper": paper.key,
        "item": entry.item,
        "what": entry.what,
        "status": entry.status if ours.holds else UNCONFIRMED,
        "published": entry.published,
        "mark": entry.mark,
        "ours": ours.text,
        "is number": is_number,
        "command": _command(entry, runs.folder),
        "why": entry.why,
    }


def _ours(entry: Entry, runs: Runs) -> tuple[Found, bool]:
    """Return our number, or what stands in its place."""
    if entry.by is None:
        return Found("-"), False
    if not isinstance(entry.by, Reading):
        return (entry.by.of(), True) if entry.by.of else (Found("shown by the test"), False)
    results = runs.find(entry.by.source)
    if isinstance(results, str):
        return Found(results), False
    try:
        return entry.by.of(results), True
    except DAMAGED as error:
        return Found(f"{results.folder.name} cannot be read: {one_line(error)}"), False


def _command(entry: Entry, runs: Path) -> str:
    if entry.by is None:
        return ""
    return entry.by.source.command(runs) if isinstance(entry.by, Reading) else f"pytest {entry.by.test}"


def of_papers(rows: Sequence[Row]) -> dict[str, Rows]:
    """Return the entries of each paper."""
    papers: dict[str, Rows] = {}
    for row in rows:
        if row["kind"] == "entry":
            papers.setdefault(row["paper"], []).append(row)
    return papers
