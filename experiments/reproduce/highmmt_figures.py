"""Experiments, reproduce: the ledger of HighMMT (arXiv 2203.01311v4): its figures and claims."""

from experiments.reproduce import highmmt_claims as claims
from experiments.reproduce import highmmt_readings as read
from experiments.reproduce.entry import NO_NUMBER, UNREAD, Entry, Shown
from experiments.reproduce.highmmt_readings import part

GENERATED = "Modalities and tasks are generated, as the data sets are not available here."
_BOTH = ("quick", "full")
FIGURES = (
    Entry(
        "Figure 5, triangles",
        "triples with the triangle inequality, modalities and interactions",
        "reproduced",
        "87 and 86 %",
        "paper",
        Shown("tests/heterogeneity/test_triangle.py::test_the_published_matrices", claims.triangles),
        "From the printed matrices; the paper counts triples that repeat a node and hold by themselves.",
    ),
    Entry(
        "Figure 5, relaxed triangles",
        "the same with factor 5",
        "not reproduced",
        "96 and 95 %",
        "paper",
        Shown("tests/heterogeneity/test_triangle.py::test_the_published_matrices", claims.relaxed_triangles),
        "The second is 96 % by the matrix as printed.",
    ),
    Entry(
        "Figure 5, rank",
        "share of the three largest singular values",
        "reproduced",
        "at least 97 %",
        "paper",
        Shown(
            "tests/heterogeneity/test_triangle.py::test_three_singular_values_of_the_published_matrices",
            claims.spectra,
        ),
        "From the printed matrices, to the digit printed; one task makes most of it.",
    ),
    Entry(
        "Figure 5, distances",
        "distances of modalities measured by transfer",
        "analogue",
        "0 to 20, of unstated unit",
        "paper",
        part("modalities", read.distances("modalities"), presets=_BOTH),
        f"{GENERATED} Clusters are known.",
    ),
    Entry(
        "Figure 5, interactions",
        "distances of interactions measured by transfer",
        "analogue",
        "0 to 24, of unstated unit",
        "paper",
        part("interactions", read.distances("interactions"), presets=_BOTH),
        f"{GENERATED} Clusters are known.",
    ),
    Entry(
        "completion by low rank",
        "few measured distances suffice, by rank 3",
        "not reproduced",
        NO_NUMBER,
        "paper",
        Shown(
            "tests/heterogeneity/test_completion.py::test_paths_fill_the_published_matrices_better_than_low_rank_and_means",
            claims.completion,
        ),
        "The printed matrices, 40 % measured; shortest paths do better.",
    ),
    Entry(
        "groups from distances",
        "three groups of encoders",
        "not reproduced",
        "AV-MNIST; three others; five others",
        "paper",
        Shown(
            "tests/heterogeneity/test_clustering.py::test_three_clusters_of_the_published_unimodal_distances",
            claims.groups,
        ),
        "The paper's groups were chosen by hand; no linkage gives them.",
    ),
    Entry(
        "Figure 6",
        "performance against parameters of 100,000 combinations of models",
        "impossible: data",
        "at least 96 % of the best with 30 times fewer parameters",
        "paper",
        why="Needs the best models of all tasks.",
    ),
    Entry(
        "Appendix B.8",
        "few samples of a task, with all of others",
        "analogue",
        UNREAD,
        "paper",
        part("adaptation", read.few_samples),
        GENERATED,
    ),
    Entry(
        "claim, more modalities",
        "performance grows with each modality",
        "analogue",
        NO_NUMBER,
        "abstract",
        part("growth", read.growth, presets=_BOTH),
        f"{GENERATED} The last one is noise, and must not help.",
    ),
    Entry(
        "claim, selected pairs",
        "distances say which pairs to fuse",
        "analogue",
        NO_NUMBER,
        "abstract",
        part("pairs", read.pairs),
        f"{GENERATED} No algorithm is published; ours is greedy.",
    ),
)
