"""Experiments, HighMMT: the table of what could stand in for distances by transfer."""

import pandas as pd

from experiments.harness import Rows, Table
from experiments.highmmt.config import Config


def surrogates(config: Config, rows: Rows) -> Table:
    """Return how each stand-in ranks the distances measured, and what it costs; empty where that was not run."""
    chosen = [row for row in rows if row["part"] == "surrogates"]
    steps = (0, config.num_transfer_steps)
    measured = {
        (row["seed"], number): row["seconds"] for row in chosen for number in steps if row["by"] == _measured(number)
    }
    of_seeds = pd.DataFrame(
        [
            {
                "by": row["by"],
                **{f"ranks after {number}": rank for number, rank in zip(steps, row["agreement"], strict=True)},
                "Rand index": row["Rand index"],
                "least": row["Rand index"],
                "seconds": row["seconds"],
                **{f"seconds, of {number}": row["seconds"] / measured[row["seed"], number] for number in steps},
            }
            for row in chosen
        ]
    )
    how = dict.fromkeys(of_seeds.columns[1:], "mean") | {"least": "min"}
    frame = of_seeds.groupby("by", sort=False).agg(how).reset_index() if chosen else of_seeds
    note = (
        "Distances of modalities by transfer, and by what could stand in for them; means over seeds. Ranks after so "
        "many steps: Spearman's correlation with the distances measured after as many steps on the target, over pairs "
        "of nodes. Most pairs are of two clusters, whose order among each other is partly chance: the row of the other "
        "measurement says how far two of them agree. Rand index: adjusted, of clusters by average linkage against the "
        "true ones, the mean and the least over seeds. Seconds: of all that must be trained and computed, each program "
        "compiled before; and as a share of measuring after so many steps. Linear CKA and LogME need a model of each "
        "node, and are of the very models measured, with their chance; gradients need one of all, trained anew."
    )
    return Table("Stand-ins for distances of modalities", frame, note)


def _measured(steps: int) -> str:
    return f"measured, {steps} steps"
