"""Which way of training keeps modalities from starving each other, and does any do better than not fusing at all?

All balancing methods on the same data, with the same encoders, batches and evaluations, each with learning rate,
penalty and hyper-parameters of its own chosen on validation data. The default trains some methods on generated data, in
which a plain but noisy modality starves a clear but hidden one, in about three minutes on two CPU cores; --preset full
has all methods with ten seeds, --preset paper the ratio sweep of the synthetic setting of MCR (arXiv 2411.07335). A
preset named after a column of its published table, such as crema-d-resnet, has that column's encoders, optimiser and
hyper-parameters, and takes --data FILE with its modalities.
"""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.competition.config import PRESETS, Config
from experiments.competition.figure import draw
from experiments.competition.looks import look_tables
from experiments.competition.plan import followup, items
from experiments.competition.published import published_table
from experiments.competition.tables import chosen_trials, comparison_tables
from experiments.harness import Experiment, Rows, Table, main

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return a comparison for each data set and head, a closer look at some models, and the published comparison."""
    return [*comparison_tables(rows, config.num_seeds), *look_tables(rows), published_table()]


def figure(config: Config, rows: Rows) -> "Figure":
    """Draw the comparisons."""
    return draw(chosen_trials(rows))


EXPERIMENT = Experiment("competition", __doc__ or "", PRESETS, items, tables, figure, followup)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENT))
