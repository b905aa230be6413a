"""Experiments, model selection: the tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from experiments.harness import Rows, Table
from experiments.model_selection import published
from experiments.model_selection.config import Config
from experiments.model_selection.correlations import correlations
from experiments.model_selection.decomposition import PARTS
from experiments.model_selection.ratios import selection
from experiments.model_selection.results import Results, results
from experiments.model_selection.selection import LEVEL, NUM_SUGGESTED, Floats, distances, ratio

SYMBOLS = ("R", "U1", "U2", "S")


def tables(config: Config, rows: Rows) -> Sequence[Table]:
    """Return what the data sets have, what methods take of it, how they agree, and what selection by it is worth."""
    found = results(config, rows)
    made = [_sets(config, rows), correlations(config, found), selection(config, found), suggestions(config, found)]
    return [*made, _methods(config, found), published.methods_table()]


def _sets(config: Config, rows: Rows) -> Table:
    of_sets = [row for row in rows if row.get("kind") == "set"]
    frame = pd.DataFrame({"data set": [row["set"] for row in of_sets]})
    frame["ratios"] = [", ".join(f"{ratio:.2f}" for ratio in row["ratios"] or ()) for row in of_sets]
    for place, (symbol, part) in enumerate(zip(SYMBOLS, PARTS, strict=True)):
        frame[symbol] = _rounded(np.array([row[part] for row in of_sets]))
        stored = [published.PIDS.get(row["set"]) for row in of_sets]
        frame[f"{symbol} published"] = published.column([parts[place] if parts else None for parts in stored])
    frame["bias"] = [_bias(row["sizes"], row["samples"]) for row in of_sets]
    note = (
        f"Bits, of training and validation samples in {config.num_cells} cells a modality (k-means; those of the test "
        "samples have no say). Ratios: parts of the latents of x1, x2 and both that make the label. Bias: by how much "
        "counting raises the total, (n1 n2 - 1)(ny - 1) / (2 n ln 2), of which most is in S. Published: stored output "
        f"with {published.SOURCE} (test.ipynb, nats converted), of the authors' draw, 1800 test samples and 20 cells; "
        "its new data sets were of other, unpublished ratios."
    )
    return Table("What the modalities tell of the label", frame, note)


def _rounded(x: Floats) -> Floats:
    """Leave out what is rounding, and the sign of zeros."""
    return np.round(x, 6) + 0.0


def _bias(sizes: Sequence[int], num_samples: int) -> float:
    first, second, classes = sizes
    return (first * second - 1) * (classes - 1) / (2 * num_samples * np.log(2))


def suggestions(config: Config, found: Results) -> Table:
    """Return the methods that are suggested for each new data set, and what they reach."""
    scores, made, half = found.mean_scores(), [], norm.ppf((1 + LEVEL) / 2)
    for place in range(found.num_known, len(found.names)):
        far = distances(found.pids[place], found.pids[: found.num_known])
        three, here = scores.of(int(np.argmin(far))).ranking()[:NUM_SUGGESTED], scores.of(place)
        taken = next(method for method in here.ranking() if method in three)
        best = int(np.argmax(here.test))
        made.append(
            {
                "data set": found.names[place],
                "nearest": found.names[int(np.argmin(far))],
                "distance": far.min(),
                "suggested": ", ".join(config.methods[method] for method in three),
                "taken": config.methods[taken],
                "accuracy": here.test[taken],
                "error": half * np.sqrt(here.test[taken] * (1 - here.test[taken]) / found.num_test[place]),
                "best of all": config.methods[best],
                "its accuracy": here.test[best],
                "ratio": ratio(here, three),
            }
        )
    note = (
        "By means over seeds. Nearest: the known data set whose shares of R, U1, U2 and S are at the least L1 distance "
        f"(0 to 2). Suggested: the {NUM_SUGGESTED} methods of highest validation accuracy there. Taken: that of them "
        f"with the highest validation accuracy on the new data set. Accuracies are of test samples; error: half the "
        f"{LEVEL:.0%} interval of so many of them."
    )
    return Table("Methods suggested for new data sets", pd.DataFrame(made), note)


def _methods(config: Config, found: Results) -> Table:
    accuracy, parts = found.mean_scores().test, found.of_predictions()
    frame = pd.DataFrame({"method": list(config.methods), "accuracy": accuracy.mean(axis=0)})
    for place, symbol in enumerate(SYMBOLS):
        frame[symbol] = _rounded(parts[..., place].mean(axis=0))
    for name, place in (("redundancy", 0), ("uniqueness0", 1), ("uniqueness1", 2), ("synergy", 3)):
        if name in found.names:
            of_set = found.names.index(name)
            frame[f"{SYMBOLS[place]} on {name}"] = _rounded(parts[of_set, :, place])
            frame[f"accuracy on {name}"] = accuracy[of_set]
    note = (
        "Test accuracy, and information of the predictions in bits, from test samples in cells: means over data sets "
        "and seeds; then on single data sets the component that these are named after."
    )
    return Table("Methods", frame, note)
