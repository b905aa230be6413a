import dataclasses
import itertools
import os
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.fusion_value import raw
from experiments.fusion_value.__main__ import EXPERIMENT, items
from experiments.fusion_value.config import Config
from experiments.fusion_value.decision import caveats, decision_row, measured, verdict
from experiments.fusion_value.figure import figure
from experiments.fusion_value.ranges import labelling_rows, published_range, range_row
from experiments.fusion_value.sets import CellSet, marginals, sets_of
from experiments.fusion_value.tables import beside, holds, labelling, tables
from experiments.fusion_value.trial import make_trial, stacked
from experiments.reproduce import synergy_readings
from mmjax import synergy
from mmjax.data import GATES, UnpairedData

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(kinds=("gates",), num_samples=400, heads=("concatenation",), rates=(1e-2,), labelled=(50, 5000), raw=())


def all_once(table):
    """A data set that has each cell of a table of equal entries once."""
    x1, x2, label = np.nonzero(table)
    return CellSet(x1, x2, label, np.zeros(len(label), np.int8))


def range_row_of(name, **numbers):
    ends = {"lower": 0.5, "upper": 1.0, "published lower": 0.4, "published upper": 1.5, "unimodal": 0.6, "cells": 0.8}
    return {"kind": "range", "set": name, "samples": 900, "sizes": [2, 2, 2], "exact": True} | ends | numbers


def made_rows():
    names = list(sets_of(TINY))
    accuracies = itertools.cycle((0.8, 0.3))
    return [
        *(range_row_of(name, lower=0.5, upper=0.9) for name in names),
        *(
            {"kind": "labelling", "set": names[0], "labelled": number, "draw": 0, "lower": 0.6, "upper": upper}
            for number, upper in ((50, 0.8), (500, 0.7))
        ),
        *(
            {"head": "concatenation", "set": place, "learning_rate": 0.01, "seed": 0, "valid/loss": 0.5}
            | {"test/accuracy": next(accuracies)}
            for place in range(len(names))
        ),
    ]


def test_gates_are_drawn_and_their_parts_dealt():
    sets = sets_of(TINY)
    assert len(sets) == 3 * len(GATES)
    of = sets["xor, 0% noise"]
    np.testing.assert_array_equal(of.label, of.x1 ^ of.x2)
    np.testing.assert_array_equal(np.bincount(of.part), [400, 100, 400])
    assert of.sizes == (2, 2, 2) and of.counts().sum() == 900
    noisy = sets["xor, 20% noise"]
    assert np.mean(noisy.label != noisy.x1 ^ noisy.x2) == pytest.approx(0.2, abs=0.04)
    for p in marginals(of.counts() / len(of.label)):
        assert p.sum() == pytest.approx(1)


def test_every_kind_has_cells_classes_and_parts():
    config = dataclasses.replace(TINY, kinds=("random tables", "generative", "views"), num_cells=3)
    sets = sets_of(config)
    assert len(sets) == 10 + 10 + 2 + 3
    for name, of in sets.items():
        assert max(of.sizes[:2]) <= 3, name
        assert set(of.part) == {0, 1, 2}, name
        np.testing.assert_array_equal(np.unique(of.label), np.arange(of.sizes[2]))


def test_the_range_of_an_exclusive_or_is_wide_and_published_formulae_exceed_1():
    row = range_row(TINY, "xor", all_once(GATES["xor"]))
    assert (row["lower"], row["upper"], row["unimodal"]) == pytest.approx((0.5, 1, 0.5), abs=1e-6)
    assert (row["cells"], row["exact"]) == (1, True)
    low, high = published_range(np.asarray(GATES["redundant"], float))
    assert (low, high) == pytest.approx((1, 2), abs=1e-3)  # I = 1 = H(Y), and nothing is left for synergy
    assert published_range(np.asarray(GATES["unique1"], float))[0] == pytest.approx(2, abs=1e-3)


def test_labelled_pairs_narrow_the_range():
    of = sets_of(TINY)["xor, 10% noise"]
    free = range_row(TINY, "xor", of)
    rows = labelling_rows(TINY, "xor", of)
    assert [row["labelled"] for row in rows] == [50, 50, 900, 900]
    widths = [row["upper"] - row["lower"] for row in rows]
    assert free["upper"] - free["lower"] > max(widths[:2]) > max(widths[2:])
    assert all(row["lower"] <= free["cells"] <= row["upper"] for row in rows[2:])


def test_pairs_whose_intervals_leave_no_joint_narrow_nothing(monkeypatch):
    """Of exclusive or's labels all would be 0, which unimodal labels refute."""
    monkeypatch.setattr(synergy, "joint_intervals", lambda counts: (np.full((2, 2, 2), [0.2, 0]), np.ones((2, 2, 2))))
    name, of = "xor, 10% noise", sets_of(TINY)["xor, 10% noise"]
    rows = labelling_rows(TINY, name, of)
    assert all(np.isnan(row["lower"]) and np.isnan(row["upper"]) for row in rows)
    free = range_row(TINY, name, of)
    table = labelling([free, *rows]).frame
    np.testing.assert_allclose(table["width"], free["upper"] - free["lower"])
    np.testing.assert_allclose(table["of none labelled"], 1)


def test_data_sets_are_stacked_by_repeating_and_filling_up():
    few = CellSet(*(np.array([0, 1, 1, 0]) for _ in range(3)), np.array([0, 0, 1, 2], np.int8))
    many = CellSet(*(np.array([0, 1, 0, 1, 0, 1]) for _ in range(3)), np.array([0, 0, 0, 1, 1, 2], np.int8))
    train, valid, _ = stacked([few, many])
    np.testing.assert_array_equal(train.modalities["x1"], [[0, 1, 0], [0, 1, 0]])
    np.testing.assert_array_equal(train.weight, np.ones((2, 3)))
    np.testing.assert_array_equal(valid.weight, [[1, 0], [1, 1]])


def test_a_head_learns_the_data_set_that_it_is_given():
    trial, data = make_trial(TINY, {"head": "concatenation"})
    place = list(sets_of(TINY)).index("unique2, 0% noise")
    result = jax.jit(trial)(jax.random.key(0), {"set": jnp.float32(place), "learning_rate": jnp.float32(0.01)}, data)
    assert float(result["test"]["accuracy"]) > 0.95


def test_what_is_reached_stands_beside_the_range_and_misses_are_counted():
    rows = made_rows()
    frame = beside(TINY, rows)
    assert frame["error"].iloc[0] == pytest.approx(1.96 * np.sqrt(0.16 / 400), rel=1e-3)
    above, below = holds(frame, "lower", "upper")
    assert list(above) == [True, False] * 10 + [True] and below.all()
    shown, counted, labelled = tables(TINY, rows)
    assert list(shown.frame["inside"][:2]) == ["yes", "lower end too high"]
    assert list(counted.frame["hold"]) == [11, 11]
    assert list(labelled.frame["of none labelled"]) == pytest.approx([0.5, 0.25])
    assert len(figure(TINY, rows).axes) == 2


def test_the_ledger_reads_these_tables():
    made = {table.name: table.frame for table in tables(TINY, made_rows())}
    results = types.SimpleNamespace(table=made.__getitem__)
    holds_in = int(made["Ranges that hold"].set_index("range").loc["exact", "hold"])
    assert synergy_readings.holding(results).text.startswith(f"exact range in {holds_in} of {3 * len(GATES)} ")
    frame = made["What labelled pairs buy"].assign(set="xor, 10% noise")
    results = types.SimpleNamespace(table={"What labelled pairs buy": frame}.__getitem__)
    assert synergy_readings.labelling(results).text == "noisy xor: width 0.20 by 50, 0.10 by 500 pairs"


def test_what_unpaired_labels_prove_is_counted_against_what_is_reached():
    row = {"source": "s", "test/chance": 0.5, "valid/loss": 0.6}
    more = [row | {"seed": 0, "test/bound": 0.6, "test/accuracy": 0.8}]
    more += [row | {"seed": 1, "test/bound": 0.7, "test/accuracy": 0.69}]
    *_, table = tables(TINY, made_rows() + more)
    assert table.frame.to_dict("records") == [
        {
            "data": "s",
            "chance": 0.5,
            "proven": pytest.approx(0.65),
            "least": 0.6,
            "most": 0.7,
            "reached": pytest.approx(0.745),
            "draws": 2,
            "proven holds in": 1,
        }
    ]


def test_of_an_and_more_than_chance_is_proven_and_less_than_is_reached():
    trial, _ = raw.make_trial({"source": "AND, 10 % flipped", "num_samples": 2000, "num_steps": 300})
    test = jax.jit(lambda key: trial(key, {}, ()))(jax.random.key(0))["test"]
    assert 0.6 < float(test["bound"]) <= float(test["accuracy"]) + 0.02
    assert float(test["accuracy"]) > 0.87


def test_a_file_gives_its_pairs(tmp_path):
    generator = np.random.default_rng(0)
    label = np.arange(60) % 3
    arrays = {name: generator.normal(size=(60, 4)) for name in ("a", "b", "c")}
    np.savez(tmp_path / "study.npz", label=label, **arrays)
    config = dataclasses.replace(TINY, data=tmp_path / "study.npz")
    assert list(sets_of(config)) == ["study, a and b", "study, a and c", "study, b and c"]
    assert len(items(config)) == 3 + 3 + 3 + 1


def drawn(table, num_samples, seed=0):
    """Samples of a table, in three parts."""
    flat = np.random.default_rng(seed).choice(table.size, num_samples, p=np.ravel(table) / np.sum(table))
    return CellSet(*np.unravel_index(flat, table.shape), (np.arange(num_samples) % 3).astype(np.int8))


def flipped(gate, share=0.1):
    p = np.asarray(GATES[gate], float)
    return (1 - share) * p + share * p[:, :, ::-1]


def written(path, **arrays):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (2, 300))
    np.savez(path, **({"a": x[0], "b": x[1], "label": x[0] & x[1]} | {k: f(x) for k, f in arrays.items()}))
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": lambda x: x[0] + 1e9},
        {"a": lambda x: x[0] * 2**40},
        {"label": lambda x: (x[0] & x[1]) * 2**32},
        {"label": lambda x: (x[0] & x[1]) * 999 + 7},
    ],
    ids=["large", "64 bits", "labels of 64 bits", "labels in between do not occur"],
)
def test_cells_and_classes_are_those_of_the_file_whatever_its_numbers(arrays, tmp_path):
    plain, odd = (
        next(iter(sets_of(Config(data=written(tmp_path / name, **of))).values()))
        for name, of in (("plain.npz", {}), ("odd.npz", arrays))
    )
    assert odd.sizes == (2, 2, 2)
    np.testing.assert_array_equal(odd.counts(), plain.counts())
    rare = caveats(odd._replace(label=np.zeros_like(odd.label)), odd.part >= 0, odd.counts() * [1, 0])
    assert any(f"of class {odd.classes[1]}" in said for said in rare)


def test_a_file_that_changed_is_read_again(tmp_path):
    path = written(tmp_path / "mine.npz")
    before = next(iter(sets_of(Config(data=path)).values()))
    os.utime(written(path, label=lambda x: x[0] | x[1]), ns=(1, 1))
    after = next(iter(sets_of(Config(data=path)).values()))
    assert before.label.sum() < after.label.sum()


def test_names_that_look_alike_in_ascii_keep_their_rows(tmp_path):
    path = tmp_path / "donn\u00e9es.npz"
    x = np.random.default_rng(0).integers(0, 2, (3, 200))
    np.savez(path, **{"x 1": x[0], "x-1": x[1], "gr\u00f6\u00dfe": x[2], "label": x[0] ^ x[1]})
    config = Config(data=path)
    found = items(config)
    assert sum(key.startswith("decision-") for key in found) == len(sets_of(config)) == 3
    assert all(key.isascii() for key in found)


def test_few_samples_give_no_verdict(tmp_path):
    rng = np.random.default_rng(0)
    counts = rng.multinomial(30, np.full(8, 1 / 8)).reshape(2, 2, 2)
    of = CellSet(*(np.repeat(x.ravel(), counts.ravel()) for x in np.indices((2, 2, 2))), np.zeros(30, np.int8))
    row = decision_row(Config(data=tmp_path, num_subsamples=5), "few", of)
    assert row["verdict"].startswith("these data cannot tell: too few samples")
    assert "30 samples for 8 cells" in row["caveats"][0]


@pytest.mark.parametrize(
    ("least", "most", "begins"),
    [
        ((0.1, 0.05, 0.2), (0.3, 0.2, 0.4), "fuse: it adds at least 0.050"),
        ((0.0, 0.0, 0.01), (0.01, 0.0, 0.015), "do not fuse: it adds at most 0.015"),
        ((0.0, 0.0, 0.01), (0.3, 0.2, 0.4), "these data cannot tell: fusion adds between 0.000 and 0.400"),
        ((0.03, 0.02, 0.04), (0.3, 0.2, 0.4), "these data cannot tell: fusion adds between 0.020"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(least, most, begins):
    assert verdict(least, most, 0.02).startswith(begins)


def test_verdicts_on_gates():
    """An AND pays (.85 or more for .7 of one modality), a copy does not, and of an exclusive or nothing can be told."""
    both = np.zeros((2, 2, 2))
    both[0, 0, 0] = both[1, 1, 1] = 0.5
    tables = {"fuse": flipped("and"), "do not fuse": 0.9 * both + 0.1 * both[:, :, ::-1], "these": flipped("xor")}
    for begins, table in tables.items():
        row = decision_row(dataclasses.replace(TINY, num_subsamples=10), "made", drawn(table, 3000))
        assert row["verdict"].startswith(begins)
        assert row["caveats"] == [] or begins == "these"


@pytest.mark.parametrize("num_draws", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_intervals_hold_what_the_population_has(num_draws):
    """Of an AND with 10 % noise, .7 alone and .15 to .25 more together, in 300 samples; the last has a kink there."""
    truth = {"unimodal": 0.7, "least": 0.15, "most": 0.25}
    p = flipped("and")
    held = []
    for seed in range(num_draws):
        found = measured(drawn(p, 300, seed).counts(), num_subsamples=20, seed=seed, time_limit=20)
        held.append([low <= truth[field] <= high for field, (_, low, high) in found.gain._asdict().items()])
    assert np.mean(held, axis=0).min() >= 0.8


def test_what_is_not_exact_in_time_is_no_reason_to_fuse(monkeypatch):
    """Then ends of subsamples say nothing: the lower ones are all those of the better modality."""
    exact = synergy.accuracy_range

    def slow(*marginals, time_limit):
        found = exact(*marginals, time_limit=20)
        unimodal = max(float(of.max(axis=1).sum()) for of in marginals[1:])
        late = found._replace(lower=unimodal, upper=1.0, lower_exact=False, upper_exact=False)
        return found if time_limit > 10 else late

    monkeypatch.setattr(synergy, "accuracy_range", slow)
    row = decision_row(dataclasses.replace(TINY, num_subsamples=5, time_limit=20), "made", drawn(flipped("and"), 3000))
    assert row["verdict"].startswith("these data cannot tell: fusion adds between 0.000")
    assert row["caveats"][0].startswith("the range was not exact in time")


def test_what_speaks_against_a_verdict_is_said():
    generator = np.random.default_rng(0)
    part = np.repeat(np.arange(3, dtype=np.int8), 300)
    label = generator.integers(0, 2, 900)
    label[:5] = 2
    leaked = np.where(part == 0, label, generator.integers(0, 3, 900))
    of = CellSet(leaked, generator.integers(0, 60, 900), label, part)
    said = caveats(of, np.ones(900, bool), of.counts())
    assert [line.split(":")[0][:20] for line in said] == [
        "900 samples for 540 ",
        "fewer than 10 sample",
        "x2 alone tells nothi",
        "cells of x1 tell the",
    ]
    test_rows = part == 2
    assert not any("training" in line for line in caveats(of, test_rows, of.counts(test_rows)))


def test_the_table_of_verdicts_reads_as_a_sentence():
    ends = {"unimodal": [0.7, 0.68, 0.72], "least": [0.1, 0.08, 0.12], "most": [0.2, 0.18, 0.22]}
    row = {"kind": "decision", "set": "s", "samples": 900, "verdict": "fuse", "caveats": ["few", "rare"], **ends}
    (table, *_) = tables(TINY, [*made_rows(), row])
    assert table.frame.to_dict("records") == [
        {
            "pair": "s",
            "samples": 900,
            "better modality [95 %]": "0.700 [0.680, 0.720]",
            "fusion adds at least [95 %]": "0.100 [0.080, 0.120]",
            "at most [95 %]": "0.200 [0.180, 0.220]",
            "verdict": "fuse",
            "but": "few; rare",
        }
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--kinds", "colours"], "colours"),
        (["--heads", "hydra"], "heads must be one or more of late linear"),
        (["--num-cells", "1"], "num_cells must be at least 2; got 1"),
        (["--raw", "noise"], "raw must be some of AND"),
        (["--rates", "-1"], "rates must be positive and finite"),
        (["--labelled", "0"], "labelled must be positive"),
        (["--labelled", "--num-steps", "1"], "labelled must be positive and finite, one or more, each once; got none"),
        (["--modalities", "a", "b"], "modalities are those of a data file"),
        (["--margin", "1"], "margin must be in [0, 1); got 1.0"),
        (["--num-subsamples", "1"], "num_subsamples must be at least 2; got 1"),
    ],
)
def test_wrong_options_are_one_line(arguments, message, refusal):
    assert message in refusal(EXPERIMENT, arguments)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((6, 2)), "label": np.arange(6) % 2}, "needs two modalities or more, in all samples; got a"),
        (
            {"a": np.zeros((6, 2)), "b": np.zeros((6, 2)), "mask_b": np.arange(6) > 0, "label": np.arange(6) % 2},
            "some samples without b",
        ),
        (
            {"a": np.zeros((6, 2)), "b": np.zeros((6, 2)), "label": np.arange(6) // 3, "split": [0, 0, 0, 1, 1, 2]},
            "class 1 has no sample in train",
        ),
        ({"a": np.zeros((6, 2)), "b": np.zeros((6, 2)), "label": np.full(6, -1)}, "has no labelled sample"),
        ({name: np.zeros(6, int) for name in UnpairedData._fields}, "its pairs have no labels; what they could add"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(arrays, message, refusal, tmp_path):
    np.savez(tmp_path / "file.npz", **arrays)
    assert message in refusal(EXPERIMENT, ["--data", str(tmp_path / "file.npz")])
