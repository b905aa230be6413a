"""Experiments, reproduce: the tables: a count of statuses, and the entries of each paper."""

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.harness import Row, Rows, Table
from experiments.reproduce.entry import ABOUT_MARKS, ABOUT_STATUSES, STATUSES, Paper
from experiments.reproduce.rows import UNCONFIRMED, of_papers

_COLUMNS = ("item", "what", "status", "published", "ours", "why", "command")


def tables(papers: Mapping[str, Paper], rows: Rows) -> Sequence[Table]:
    """Return the summary and a table a paper, of papers by key."""
    entries = of_papers(rows)
    return [_summary(papers, entries), *(_of_paper(papers[key].heading, of) for key, of in entries.items())]


def counts(entries: Sequence[Row]) -> dict[str, int]:
    """Count the entries of each status, those that have one at least."""
    found = {status: sum(row["status"] == status for row in entries) for status in (*STATUSES, UNCONFIRMED)}
    return {status: number for status, number in found.items() if number}


def _summary(papers: Mapping[str, Paper], entries: Mapping[str, Rows]) -> Table:
    everything = [row for of in entries.values() for row in of]
    lines = [(papers[key].label, of) for key, of in entries.items()] + [("all", everything)]
    statuses = counts(everything)
    frame = pd.DataFrame(
        [
            {
                "paper": name,
                "entries": len(of),
                **{status: counts(of).get(status, 0) for status in statuses},
                "with our number": sum(row["is number"] for row in of),
            }
            for name, of in lines
        ]
    )
    meanings = "; ".join(f"*{status}*: {about}" for status, about in ABOUT_STATUSES.items() if status in statuses)
    note = (
        f"Entries by status. {meanings}. *{UNCONFIRMED}*: our number does not bear the status out. With our number: "
        "read in a finished run, or computed at once; the command that makes it stands beside. Published numbers are "
        f"followed by where they are from, {ABOUT_MARKS}."
    )
    return Table("The ledger", frame, note)


def _of_paper(heading: str, entries: Rows) -> Table:
    frame = pd.DataFrame(entries)
    frame["published"] = [f"{row['published']} ({row['mark']})" for row in entries]
    frame["command"] = [f"`{row['command']}`" if row["command"] else "" for row in entries]
    return Table(heading, frame[list(_COLUMNS)])
