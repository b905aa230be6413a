"""Tests of the ledger: every entry has what its status needs, nothing is silently absent, foreign numbers stay out."""

import ast
import dataclasses
import inspect
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmjax
from experiments._store import RunStore
from experiments._tables import to_csv
from experiments.harness import Table
from experiments.reproduce import runs as runs_module
from experiments.reproduce.__main__ import EXPERIMENT, main
from experiments.reproduce.entry import STATUSES, Entry, Found, Paper, Reading, Shown
from experiments.reproduce.ledger import PAPERS
from experiments.reproduce.rows import UNCONFIRMED, missing_runs, paper_rows
from experiments.reproduce.runs import Runs, Source, experiment_of
from tests.experiments import toy_experiment

ROOT = Path(__file__).parent.parent.parent
ENTRIES = [(paper, entry) for paper in PAPERS for entry in paper.entries]
READINGS = [(paper, entry) for paper, entry in ENTRIES if isinstance(entry.by, Reading)]
PUBLISHED_ITEMS = {
    "2306.04539": (
        "figure of bounds",
        "theorem, lower bound by redundancy",
        "theorem, lower bound by disagreement",
        "theorem, upper bound",
        "theorem, complexity",
        "table of bounds on real data",
        "theorem, accuracy from below",
        "theorem, accuracy from above",
        "table of accuracies",
        "application, collecting data",
        "application, self-supervision",
    ),
    "2302.12247": (
        "table of bitwise data",
        "table of generative data",
        "neural estimator, generative data",
        "table of real data",
        "table of models",
        "figure of agreement",
        "model selection, generative data",
        "model selection, real data",
    ),
    "2306.04125": ("agreement of annotators", "confidence of annotators"),
    "coupling": (
        "1701.08254, Algorithm 1",
        "2203.05108, theorem",
        "2302.11838, theorem, two marginals",
        "2302.11838, theorem, any number",
        "2302.11838, lower bound",
        "2509.19598",
        "1709.07487",
        "1311.2852, examples",
    ),
    "2305.03125": ("all tables and figures", "representations", "gradients of scores", "linear theory of gradients"),
    "2106.07115": ("theorem, shared and private parts",),
    "2203.01311": (
        *(f"Table {number}" for number in range(1, 13)),
        "Figure 5",
        "Figure 6",
        "Appendix B.8",
        "completion by low rank",
        "groups from distances",
        "claim, more modalities",
        "claim, selected pairs",
    ),
    "2411.07335": (
        *(
            f"Table 1, {column}"
            for column in (
                "CREMA-D ResNet",
                "CREMA-D Conformer",
                "AVE ResNet",
                "AVE Conformer",
                "UCF",
                "MOSI V-T",
                "MOSI V-A-T",
                "MOSEI V-T",
                "MOSEI V-A-T",
                "Sth-Sth V-OF",
            )
        ),
        "Figure 1, information",
        "Figure 1, sweep",
        "Figure 4",
        "equation 6",
        "equation 10",
        "equations 12 and 13",
        *(f"Appendix A.{number}" for number in (7, 8, 9, 10, 14)),
    ),
    "estimators": ("2306.11078, distributions", "2306.11078, figure", "2310.10240", "2510.20644", "CLUB"),
    "later": ("SynIB, 2606.09853", "Grad-TAG, 2409.06091", "2307.10515", "Thin-PID, 2510.04417", "2512.16662"),
}
"""Beginnings of items: what the papers have, as far as anything is known of it here."""
GATES = {"redundancy": [0.311278, 0.311278, 0, 0], "unique1": [0, 0, 0, 1], "unique2": 0, "synergy": [0.5, 0.5, 1, 0]}
METHODS = pd.DataFrame(
    {
        "method": ["MCR", "joint", "ensemble", "MCR without game", "MCR without contrast", "SynIB"],
        "accuracy": [0.99, 0.94, 0.991, 0.995, 0.98, 0.97],
        "low": 0.93,
        "high": 0.999,
        "minus joint": "+5.0 [+4.0, +6.0]",
        "minus ensemble": "-0.1 [-0.4, +0.2]",
        "cost": [4.1, 1, 1, 1, 1, 2],
    }
)
DRAWN = {"kind": "generative", "pair": "synergy", "synergy_from": 0.26, "synergy_to": 0.39}
DIGITS = {"kind": "real", "pair": "digits top, bottom", "redundancy": 1.09, "unique1": 0.6, "unique2": 0.8}
DIGITS |= {"synergy": 0.24, "synergy_from": 0.2, "synergy_to": 0.28, "synergy_null_from": 0.24}
DIGITS |= {"synergy_null_to": 0.29, "lower": 0.17, "upper": 0.5}
SEEDS = {"accuracy": 0.8, "low": 0.78, "high": 0.82}
MADE = {
    "synergy_bounds": {
        "Logic gates": {"gate": ["and", "or", "xor", "unique"], **GATES},
        "Random tables: how much the marginals leave open": {
            "shape": ["2x2x2", "3x3x3"],
            "tables": [10000, 32],
            **dict.fromkeys(("synergy", "published lower", "mmjax lower"), 0.07),
            **dict.fromkeys(("published upper", "mmjax upper"), 0.7),
        },
        "Random tables: which formula is a bound": {
            "shape": "2x2x2",
            "formula": [f"published, {of}" for of in ("redundancy", "uniqueness 1", "uniqueness 2", "disagreement")]
            + ["published, upper"],
            "violated": [0, 2160, 2086, 322, 0],
            "largest violation": [0, 0.667, 0.624, 0.042, 0],
        },
        "Generative data": {
            "data set": ["redundancy", "uniqueness0", "uniqueness1", "synergy"],
            **{name: [0.489, 0.477, 0.53, 0.322] for name in ("R", "U1", "U2", "S")},
            **{f"{name} stored": [0.241, 0.248, 0.231, 0.199] for name in ("R", "U1", "U2", "S")},
        },
    },
    "fusion_value": {
        "Ranges that hold": {
            "range": ["exact", "published"],
            "data sets": 46,
            "hold": [45, 39],
            "share": [0.98, 0.85],
            "low": 0.88,
            "high": 1.0,
        },
        "What labelled pairs buy": {
            "set": ["xor, 10% noise", "xor, 10% noise", "generative, mix1"],
            "labelled pairs": [30, 3000, 30],
            "width": [0.44, 0.03, 0.3],
        },
    },
    "model_selection": {
        "Methods": {
            "method": ["a", "b"],
            **{f"{part} on {name}": [0.5, 0.6] for part, name in (("R", "redundancy"), ("S", "synergy"))},
            **{f"accuracy on {name}": [0.7, 0.8] for name in ("redundancy", "synergy")},
        },
        "Agreement and accuracy": {
            "measure": ["agreement", "agreement, accuracy at least 0.55"],
            "correlation": [0.8, 0.9],
            "low": 0.7,
            "high": 0.95,
        },
        "Selection by what the modalities tell": {
            "evaluated on": "new data sets",
            "methods tried": ["3", "3", "all"],
            "best on": ["nearest known data set", "random methods", None],
            "ratio": [0.999, 0.99, 1.0],
            "low": 0.98,
            "high": 1.0,
        },
    },
    "disagreement": {
        "Probes of vectors": {
            "objective": ["agreement", "disagreement", "both"],
            "synergy over agreement": [None, "+1.0", "+2.0 [+1.0, +3.0]"],
            "synergy over untrained": ["-0.5", "+0.5", "+1.5 [+0.5, +2.5]"],
        }
    },
    "estimators": {
        "Mutual information of known distributions": {
            "distribution": ["1v1-normal-0.75", "1v1-additive-0.1", "X"],
            "truth": [0.41, 1.71, 0.41],
            "InfoNCE": ["0.400 ± 0.010", "1.500 ± 0.020", "0.4"],
            "KSG": ["0.410", "1.700", "0.4"],
        },
        "Decompositions of raw modalities by trained classifiers": {
            "source": "generative synergy",
            "part": ["redundancy", "synergy"],
            "truth": [0.2, 0.4],
            "estimate": ["0.210 ± 0.010", "0.390 ± 0.010"],
            "covers": ["90% of 10", "95% of 10"],
        },
    },
    "common_individual": {
        "What was demanded": {"data": "images", "system": "heads", "met": ["yes", "no"]},
        "Where in images scores come from": {
            "data": "images",
            "system": ["linear heads", "heads"],
            "common in region": [0.9, 0.88],
            "individual in region": [0.05, 0.06],
        },
        "Common and individual variates of known factors": {
            "data": ["weak common", "nonlinear"],
            "system": ["closed form", "heads, adversary"],
            "C to z, cosines": [0.87, 0.99],
            "I to z, cosines": [0.0, 0.005],
        },
    },
    "highmmt": {
        "Sharing plans": {
            "plan": [
                *("groups by transfer", "share none", "share all", "random groups", "groups by features"),
                "groups by transfer, pre-trained",
            ],
            "encoders": 3,
            "crossmodal": 2,
            **SEEDS,
            "minus share all": "+1.0 [+0.5, +1.5]",
        },
        "Transfer to a new task": {"source tasks": [0, 1, 2, 3], **SEEDS, "gain": ["", "+1.0", "+2.0", "+3.0"]},
        "Few samples of a task": {"share of samples": [0.1, 1.0], "gain": ["+5.0", "+0.1"]},
        "Involvement of parameters, by number of tasks": {
            "parameters of": ["encoder", "crossmodal"],
            **{str(number): [0.1, 0.2] for number in range(1, 6)},
        },
        "Interference of one task with the others": {
            "plan": ["share all", "share all", "true groups"],
            "trained": ["all", "encoders", "all"],
            "the task itself": "-50.0",
            "other tasks": "-5.0",
        },
        "Distances of modalities and interactions": {
            "of": ["modalities", "modalities", "interactions"],
            "steps on the target": [20, 0, 0],
            "nodes": 6,
            "alike, bits": 0.1,
            "apart, bits": 5.0,
            "Rand index": 1.0,
            "least": 1.0,
        },
        "One modality after the other": {"modalities": ["x1", "x1 + x2"], **SEEDS, "gain": ["", "+3.0"]},
        "Which pairs to fuse": {
            "fused": ["selected third", "random third"],
            "of all pairs": ["1.000 [0.990, 1.010]", "0.800 [0.700, 0.900]"],
        },
        "Stand-ins for distances of modalities": {
            "by": ["measured, 0 steps", "gradients"],
            "ranks after 0": [1.0, 0.8],
            "seconds, of 0": [1.0, 0.1],
        },
    },
    "competition": {
        **dict.fromkeys(
            (
                f"{name}, head late linear"
                for name in ("asymmetric", "mixed-0.1", "mixed-0.3", "mixed-0.5", "mixed-0.7")
            ),
            METHODS,
        ),
        "xor, head concatenation": METHODS,
        "asymmetric, head late linear: a closer look": {
            "method": ["MCR", "joint"],
            "right: x1 alone": ["0.990 (5.0)", "0.900 (5.0)"],
            "right: neither": ["0.1 (1.0)", "0.2 (1.0)"],
        },
    },
    "starvation": {
        "Accuracy of the systems": {
            "depth": [3, 3, 0],
            "samples": [2000, 8000, 2000],
            "system": "ensemble of the two alone",
            "minus joint": 0.05,
            "minus joint low": 0.04,
            "minus joint high": 0.06,
        }
    },
}
"""Tables as the experiments make them, of few lines and invented numbers."""
ROWS = {"synergy_bounds": [DRAWN, DIGITS]}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory, quickly_compiled):
    """The rows of the ledger where nothing has been run, made by its command."""
    folder = tmp_path_factory.mktemp("ledger")
    assert main(["--runs", str(folder), "--out", str(folder / "reproduce")]) == 0
    keys = [f"paper-{paper.key}" for paper in PAPERS]
    stored = {path.stem: json.loads(path.read_text())["rows"] for path in (folder / "reproduce" / "rows").iterdir()}
    assert set(stored) == set(keys)
    return folder / "reproduce", [row for key in keys for row in stored[key]]


def make_run(folder, source, *, changed=None, tables=None, rows=None):
    """Write a finished run as the command of a source would, with fields of its configuration changed."""
    configuration = {"experiment": source.experiment, "mmjax": mmjax.__version__, "device": "cpu"}
    configuration |= {name: x for name, x in dataclasses.asdict(source.config()).items() if name != "launch"}
    configuration |= changed or {}
    store = RunStore(folder, json.loads(json.dumps(configuration, default=str)))
    store.prepare(clear=False)
    store.save("made", (rows or ROWS).get(source.experiment, [{"made": 1}]), 0.0)
    made = tables or MADE[source.experiment]
    frames = [Table(name, pd.DataFrame(of)) for name, of in [*made.items(), ("more", {"x": [1]})]]
    store.write("table.csv", to_csv(frames).encode())
    store.finish(["made"], ["table.csv"], {})


def entry_of(key, item):
    (entry,) = [entry for paper, entry in ENTRIES if (paper.key, entry.item) == (key, item)]
    return entry


def cell(entry, folder):
    """The row of an entry whose runs are in a folder."""
    (row,) = paper_rows(Paper("0000.00000", "One", "One", (entry,)), folder)
    return row


def test_every_entry_has_what_its_status_needs():
    for paper, entry in ENTRIES:
        name = f"{paper.key}: {entry.item}"
        assert entry.status in STATUSES and entry.what and entry.published, name
        assert entry.by is not None or entry.why, name
        if entry.status in ("reproduced", "not reproduced", "wrong: proof"):
            assert entry.by is not None, name
        if entry.status == "impossible: data" and entry.by is None:
            assert re.search(r"[Nn]ot available|not public|nowhere|[Nn]eeds", entry.why), name
        assert max(map(len, (entry.what, entry.published, entry.item))) <= 80 and len(entry.why) <= 150, name


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"published": ""}, "needs published numbers"),
        ({"by": None, "why": ""}, "needs a reading, a test or a reason"),
        ({"by": None, "why": "so"}, "is 'reproduced', which needs a reading or a test"),
    ],
)
def test_an_entry_without_these_is_refused(fields, message):
    whole = {"item": "Table 1", "what": "x", "status": "reproduced", "published": "1", "mark": "paper"}
    with pytest.raises(ValueError, match=message):
        Entry(**(whole | {"by": Shown("tests/x.py"), "why": ""} | fields))


def test_nothing_is_there_twice():
    for names in ([(paper.key, entry.item) for paper, entry in ENTRIES], [paper.key for paper in PAPERS]):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", PUBLISHED_ITEMS)
def test_nothing_published_is_absent(key):
    (paper,) = [paper for paper in PAPERS if paper.key == key]
    items = [entry.item for entry in paper.entries]
    absent = [name for name in PUBLISHED_ITEMS[key] if not any(re.match(rf"{re.escape(name)}(\b|$)", x) for x in items)]
    assert not absent


def test_all_papers_are_checked_for_what_they_have():
    assert {paper.key for paper in PAPERS} == set(PUBLISHED_ITEMS)


def test_the_tests_that_show_claims_are_there():
    for _, entry in ENTRIES:
        if isinstance(entry.by, Shown):
            path, _, name = entry.by.test.partition("::")
            names = [
                node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)
            ]
            assert not name or name in names, entry.by.test


def test_what_is_computed_at_once_bears_its_status_out(ledger):
    _, rows = ledger
    computed = [entry.item for _, entry in ENTRIES if isinstance(entry.by, Shown) and entry.by.of]
    assert [row["item"] for row in rows if row["is number"]] == computed
    assert UNCONFIRMED not in {row["status"] for row in rows}
    shown = {(row["paper"], row["item"]): row["ours"] for row in rows}
    assert shown["2306.04539", "code, lower_U1"] == "y = x1: claims 1.000 bit, S = 0.000"
    assert shown["2306.04539", "theorem, accuracy from above"].startswith("claims 0.301, reached 0.910")
    assert shown["2306.04539", "disagreement of calibrated classifiers"].endswith("claims 0.500 bit, S = 0.000")
    assert shown["2203.01311", "released weights"] == "147,378"
    assert shown["2203.01311", "Figure 5, triangles"].startswith("86.8 and 86.3 %")


def test_without_runs_the_command_stands_beside(ledger):
    out, rows = ledger
    assert all(row["ours"] == "not run" and row["command"] for row in rows if "python -m" in row["command"])
    assert len(rows) == len(ENTRIES)
    text = (out / "table.md").read_text()
    assert all(f"\n## {paper.heading}\n" in text for paper in PAPERS)
    assert re.search(rf"\| all +\| +{len(ENTRIES)} \|", text)
    assert (out / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("place", range(len(READINGS)), ids=[f"{paper.key}, {entry.item}" for paper, entry in READINGS])
def test_a_reading_finds_its_number_in_the_run_of_its_command(place, tmp_path):
    _, entry = READINGS[place]
    source = entry.by.source
    make_run(tmp_path / source.folder, source)
    row = cell(entry, tmp_path)
    assert row["is number"], row["ours"]
    assert row["status"] == entry.status
    assert re.search(r"\d", row["ours"]) and "nan" not in row["ours"] and len(row["ours"]) <= 160
    assert row["command"].startswith(f"python -m experiments.{source.experiment}")


def test_tables_that_are_read_are_made_by_the_experiments():
    """Every word of the headings of tables and columns that are read stands in the experiment that makes them."""
    for name, tables in MADE.items():
        package = Path(inspect.getfile(experiment_of(name).tables)).parent
        code = "".join(path.read_text() for path in sorted(package.glob("*.py")))
        for table, columns in tables.items():
            headings = " ".join([table, *columns])
            words = {word for word in re.findall(r"[A-Za-z]{3,}", headings) if word not in ("CLUB",)}
            assert not [word for word in words if word not in code], (name, table)


def test_numbers_are_those_of_the_tables(tmp_path):
    source = entry_of("2306.04539", "code, lower_U2 on random tables").by.source
    make_run(tmp_path / "any name", source)
    row = cell(entry_of("2306.04539", "code, lower_U2 on random tables"), tmp_path)
    assert row["ours"] == "violated in 2086 of 10000 tables, by up to 0.624 bit"
    assert cell(entry_of("2302.12247", "table of bitwise data"), tmp_path)["ours"] == (
        "AND 0.311, 0, 0, 0.5; XOR 0, 0, 0, 1 bit"
    )


def test_a_number_that_does_not_bear_its_status_out_says_so(tmp_path):
    entry = entry_of("2306.04539", "theorem, upper bound")
    tables = MADE["synergy_bounds"] | {
        "Random tables: which formula is a bound": {
            "shape": "2x2x2",
            "formula": ["published, upper"],
            "violated": [3],
            "largest violation": [0.1],
        }
    }
    make_run(tmp_path / "synergy_bounds", entry.by.source, tables=tables)
    row = cell(entry, tmp_path)
    assert (row["status"], row["ours"]) == (UNCONFIRMED, "violated in 3 of 10000 tables, by up to 0.100 bit")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"num_steps": 7}, "fusion_value is another run: num_steps=7 (needs 600)"),
        ({"kinds": ["gates"]}, "fusion_value is another run: kinds without random tables, generative, views"),
        ({"data": "mine.npz sha256:0"}, "fusion_value is another run: data=mine.npz sha256:0"),
        ({"mmjax": "0.0.1"}, "fusion_value is another run: mmjax 0.0.1"),
        ({"experiment": "highmmt"}, "fusion_value is another run: of highmmt"),
    ],
)
def test_a_run_of_another_configuration_is_not_shown_as_ours(changed, said, tmp_path):
    entry = entry_of("2306.04539", "table of accuracies")
    make_run(tmp_path / "fusion_value", entry.by.source, changed=changed)
    row = cell(entry, tmp_path)
    assert (row["ours"], row["is number"]) == (said, False)
    make_run(tmp_path / "another", entry.by.source)
    assert cell(entry, tmp_path)["is number"]


def test_many_missing_choices_are_counted(tmp_path):
    entry = entry_of("estimators", "2306.11078, figure of estimates")
    make_run(tmp_path / "estimators", entry.by.source, changed={"tasks": ["1v1-normal-0.75"]})
    ours = cell(entry, tmp_path)["ours"]
    assert ours == f"estimators is another run: tasks without {len(entry.by.source.among['tasks']) - 1} of those needed"


def test_more_than_is_needed_will_do(tmp_path):
    """Another seed, more seeds, another preset where that is said, and another device."""
    entry = entry_of("2411.07335", "Table 1, its question")
    full = dataclasses.asdict(entry.by.source.config("full"))
    full.pop("launch")
    make_run(tmp_path / "c", entry.by.source, changed=full | {"seed": 3, "num_seeds": 99, "device": "some GPU"})
    assert cell(entry, tmp_path)["is number"]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda out: (out / "run.json").write_text("{"), "fusion_value is damaged: Expecting property name"),
        (lambda out: (out / "run.json").write_text("[]"), "fusion_value is damaged: list indices must be"),
        (lambda out: (out / "run.json").write_text('{"configuration": 3}'), "fusion_value is damaged: run.json has no"),
        (lambda out: (out / "rows" / "made.json").unlink(), "fusion_value is damaged: rows or tables are missing"),
        (
            lambda out: (out / "rows" / "made.json").write_text("x"),
            "fusion_value is damaged: rows or tables are missing",
        ),
        (lambda out: (out / "table.csv").unlink(), "fusion_value is damaged: rows or tables are missing"),
        (lambda out: (out / "table.csv").write_text(""), "fusion_value cannot be read: No columns to parse"),
        (lambda out: (out / "table.csv").write_text("table,x\na,1\n"), "fusion_value cannot be read: no table 'Ranges"),
        (lambda out: (out / "table.csv").write_text("x\n1\n"), "fusion_value cannot be read: "),
        (lambda out: (out / "table.csv").write_bytes(b"\xff\xfe\x00"), "fusion_value cannot be read: "),
        (lambda out: (out / "run.json").unlink(), "not finished"),
    ],
)
def test_damage_is_said_in_the_cell(damage, said, tmp_path, capsys):
    entry = entry_of("2306.04539", "table of accuracies")
    out = tmp_path / "fusion_value"
    make_run(out, entry.by.source)
    damage(out)
    row = cell(entry, tmp_path)
    assert row["ours"].startswith(said) and not row["is number"]
    assert len(row["ours"]) < 160 and "\n" not in row["ours"]


def test_commands_say_where_to_write_unless_it_is_the_default(monkeypatch, tmp_path):
    monkeypatch.delenv("MMJAX_RESULTS", raising=False)
    plain, other = Source("starvation"), Source("competition", ("paper", "quick"), ("--heads", "late linear"))
    assert plain.command(Path("results")) == "python -m experiments.starvation"
    assert plain.command(tmp_path) == f"python -m experiments.starvation --out {tmp_path / 'starvation'}"
    assert other.command(Path("results")) == (
        "python -m experiments.competition --preset paper --heads 'late linear' "
        "--out results/competition-paper-heads-late_linear"
    )
    assert other.config().heads == ("late linear",) and other.config().width == 100
    assert other.config("quick").width == 32


@pytest.fixture
def toys(monkeypatch):
    """A paper whose two entries need runs of the toy experiment, of which one is the same."""
    monkeypatch.setattr(runs_module, "experiment_of", lambda name: toy_experiment.EXPERIMENT)
    monkeypatch.setattr("experiments.reproduce.rows.experiment_of", lambda name: toy_experiment.EXPERIMENT)
    runs_module._config.cache_clear()

    def largest(results):
        return Found(f"{results.table('Largest')['largest'][0]:.0f}")

    sources = [Source("toy", fields=("num_rows",)), Source("toy", arguments=("--num-rows", "3"), fields=("num_rows",))]
    entries = [
        Entry(f"Table {n}", "x", "analogue", "1", "paper", Reading(source, largest))
        for n, source in enumerate([*sources, sources[0]], start=1)
    ]
    yield Paper("0000.00000", "Toys", "Toys", tuple(entries))
    runs_module._config.cache_clear()


def test_runs_that_are_missing_are_made_each_in_its_folder(toys, tmp_path):
    items = missing_runs([toys], tmp_path)
    assert list(items) == ["run-toy", "run-toy-num-rows-3"]
    for work in items.values():
        assert work()["kind"] == "run"
    assert [row["ours"] for row in paper_rows(toys, tmp_path)] == ["9", "4", "9"]
    assert not missing_runs([toys], tmp_path)


def test_a_folder_with_another_run_is_not_written_over(toys, tmp_path):
    make_run(tmp_path / "toy", toys.entries[1].by.source, tables={"Largest": {"largest": [4]}})
    with pytest.raises(runs_module.UserError, match=r"toy is taken \(toy is another run: num_rows=3 \(needs 4\)\)"):
        missing_runs([toys], tmp_path)
    assert isinstance(Runs(tmp_path).find(toys.entries[1].by.source), runs_module.Results)


def test_the_ledger_is_made_anew_when_runs_have_come(tmp_path, capsys):
    arguments = ["--only", "2106.07115", "--runs", str(tmp_path), "--out", str(tmp_path / "ledger")]
    assert main(arguments) == 0
    assert "| not run " in capsys.readouterr().out
    source = entry_of("2106.07115", "theorem, shared and private parts").by.source
    make_run(tmp_path / source.folder, source)
    assert main(arguments) == 0
    assert "common variates 0.990, off individual ones 0.005" in capsys.readouterr().out
    assert "0.990" in (tmp_path / "ledger" / "table.md").read_text()
    assert main([*arguments[:-1], str(tmp_path / source.folder)]) == 2
    assert "holds a run with" in capsys.readouterr().err
    assert (tmp_path / source.folder / "table.csv").exists()


def test_counts_and_bars_are_of_all_entries(ledger):
    _, rows = ledger
    summary, *tables = EXPERIMENT.tables(EXPERIMENT.presets["quick"], rows)
    assert [len(table.frame) for table in tables] == [len(paper.entries) for paper in PAPERS]
    total = summary.frame.set_index("paper").loc["all"]
    statuses = [name for name in summary.frame.columns if name in STATUSES]
    assert total["entries"] == len(ENTRIES) == total[statuses].sum()
    assert total["analogue"] == sum(entry.status == "analogue" for _, entry in ENTRIES)
    (axes,) = EXPERIMENT.figure(EXPERIMENT.presets["quick"], rows).axes
    ends = {}
    for bar in axes.patches:
        place = round(bar.get_y() + bar.get_height() / 2)
        ends[place] = max(ends.get(place, 0), bar.get_x() + bar.get_width())
    np.testing.assert_array_equal([ends[place] for place in sorted(ends)], [len(paper.entries) for paper in PAPERS])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "2306.00000"], "no paper 2306.00000; there are 2306.04539"),
        (["--runs", __file__], "runs must be a folder"),
        (["--preset", "paper"], "paper"),
        (["--runn"], "unknown option --runn; did you mean --run"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, refusal):
    assert message in refusal(EXPERIMENT, arguments)
