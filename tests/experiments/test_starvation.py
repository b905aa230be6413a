import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments import harness
from experiments.starvation.__main__ import EXPERIMENT, PRESETS, Config
from experiments.starvation.data import NUM_TEST, best_possible, draw
from experiments.starvation.measurement import Protocol, measure
from experiments.starvation.probes import probe
from experiments.starvation.training import fit, model_of
from mmjax.data import Batch, Splits, only
from mmjax.training import TrainConfig

pytestmark = pytest.mark.usefixtures("quickly_compiled")

RATES = (3e-3, 1e-2)
TINY = Config(
    sizes=(64,),
    decays=(0.01, 0.0),
    rates=RATES,
    num_seeds=3,
    num_segments=2,
    steps_per_segment=5,
    width=4,
)
KEYS = jax.random.split(jax.random.key(0), 3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("starvation") / "out"
    return out, harness.run(EXPERIMENT, TINY, out)


def row_path(out: Path, decay: str = "0.01", depth: int = 3) -> Path:
    return out / "rows" / f"size=64,decay={decay},depth={depth}.json"


def row_of(out: Path, decay: str = "0.01", depth: int = 3) -> dict:
    (row,) = json.loads(row_path(out, decay, depth).read_text())["rows"]
    return row


def interval(values) -> list[float]:
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)  # Student's t of 2 degrees of freedom at 97.5 %
    return [np.mean(values), np.mean(values) - half, np.mean(values) + half]


def test_a_row_has_every_seed_of_every_system(tiny):
    out, _ = tiny
    assert len(list((out / "rows").iterdir())) == 2
    row = row_of(out, "0")
    assert [row.pop(name) for name in ("size", "decay", "depth")] == [64, 0, 3]
    kinds = {f"probe_{kind}_{name}" for kind in ("joint", "twin", "untrained") for name in ("x1", "x2")}
    accuracies = {f"accuracy_{system}" for system in ("x1", "x2", "joint", "ensemble")}
    assert row.keys() == kinds | accuracies | {"rate_x1", "rate_x2", "rate_joint"}
    for name, values in row.items():
        assert len(values) == 3, name
        if name.startswith("rate"):
            assert set(values) <= set(RATES), name
        else:
            counts = np.array(values) * NUM_TEST
            np.testing.assert_allclose(counts, np.round(counts), atol=1e-6, err_msg=name)
            assert np.all((counts > 0.3 * NUM_TEST) & (counts <= NUM_TEST)), name


def test_accuracies_and_paired_differences_are_those_of_the_rows(tiny):
    out, (accuracies, _, _) = tiny
    frame, row = accuracies.frame.set_index("system"), row_of(out)
    assert len(frame) == 4
    ensemble = frame.loc["ensemble of the two alone"]
    assert list(ensemble[["accuracy", "accuracy low", "accuracy high"]]) == pytest.approx(
        interval(row["accuracy_ensemble"]), abs=1e-6
    )
    difference = np.subtract(row["accuracy_ensemble"], row["accuracy_joint"])
    assert list(ensemble[["minus joint", "minus joint low", "minus joint high"]]) == pytest.approx(
        interval(difference), abs=1e-6
    )
    assert ensemble["learning rates"] == ""
    rates, line = row["rate_joint"], frame.loc["joint training"]
    assert line["learning rates"] == f"{min(rates):g} to {max(rates):g}"
    assert line["minus joint"] == 0


def test_the_control_comes_last_and_is_no_penalty(tiny):
    out, _ = tiny
    row = row_of(out)
    accuracies, probes, penalties = EXPERIMENT.tables(TINY, [row | {"depth": 0}, row, row_of(out, "0")])
    assert list(accuracies.frame["depth"]) == 4 * [3] + 4 * [0]
    assert list(probes.frame["depth"]) == 2 * [3] + 2 * [0]
    assert len(penalties.frame) == 2


def test_probes_are_paired_with_those_of_the_twins(tiny):
    out, (_, probes, _) = tiny
    frame = probes.frame.set_index("encoder")
    assert len(frame) == 2
    row, line = row_of(out), frame.loc[2]
    assert line["untrained"] == pytest.approx(np.mean(row["probe_untrained_x2"]))
    difference = np.subtract(row["probe_joint_x2"], row["probe_twin_x2"])
    assert list(line.filter(like="joint minus twin")) == pytest.approx(interval(difference), abs=1e-6)


def test_penalties_are_compared_in_order(tiny):
    out, (_, _, penalties) = tiny
    frame = penalties.frame
    assert list(zip(frame["samples"], frame["penalty"], strict=True)) == [(64, 0), (64, 0.01)]
    row = row_of(out, "0")
    assert frame["joint"][0] == pytest.approx(np.mean(row["accuracy_joint"]))
    difference = np.subtract(row["accuracy_ensemble"], row["accuracy_joint"])
    assert list(frame.filter(like="ensemble minus joint").iloc[0]) == pytest.approx(interval(difference), abs=1e-6)


def test_outputs_are_written_and_a_lost_row_comes_back_the_same(tiny):
    out, tables = tiny
    assert (out / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(out / "table.csv")) == sum(len(table.frame) for table in tables)
    kept, lost = row_path(out), row_path(out, "0")
    before, there = row_of(out, "0"), kept.stat().st_mtime_ns
    lost.unlink()
    harness.run(EXPERIMENT, TINY, out)
    assert row_of(out, "0") == before
    assert kept.stat().st_mtime_ns == there


@pytest.mark.slow
def test_the_slow_modality_starves():
    protocol = Protocol(rates=(3e-3,), num_seeds=2, num_segments=20, steps_per_segment=100, width=32, seed=0)
    row = measure(protocol, 2000, 0.01, 3)
    assert np.min(row["accuracy_x2"]) > 0.98
    assert np.min(row["accuracy_ensemble"]) > 0.98
    assert np.max(row["accuracy_joint"]) < 0.95
    assert np.min(row["probe_twin_x2"]) > 0.98
    assert np.max(row["probe_joint_x2"]) < 0.8
    assert np.max(row["probe_untrained_x2"]) < 0.8


def test_the_best_possible_accuracies_are_normal_probabilities():
    best = best_possible()  # of 1.645, 3.5 and the root of the sum of their squares
    assert [*best.unimodal, best.joint] == pytest.approx([0.950015, 0.999767, 0.999945], abs=1e-6)


def test_seeds_have_data_of_their_own_and_parts_share_their_rotation():
    data = draw(KEYS, size=64, depth=3)
    assert data.train.modalities["x2"].shape == (3, 64, 8)
    assert not np.array_equal(data.train.label[0], data.train.label[1])
    fitted, tested = (
        np.asarray(part.modalities["x1"][0]) * (2 * np.asarray(part.label[0]) - 1)[:, None]
        for part in (data.train, data.test)
    )
    assert np.mean(tested @ fitted.mean(0) > 0) > 0.8  # the direction of the bit in train is that in test


def test_linear_probes_read_a_plain_bit_and_no_parity():
    hidden = np.random.default_rng(0).normal(size=(1, 2000, 4))
    label = (np.prod(hidden, axis=-1) > 0).astype(np.int32)
    masks = {name: np.ones((1, 2000), bool) for name in ("plain", "hidden")}
    part = Batch({"plain": 1e-3 * label[..., None], "hidden": hidden}, label, masks, np.ones((1, 2000)))
    encoders = model_of(part, 4)._replace(encode=lambda variables, modalities, masks: (modalities, {}))
    found = probe({"params": np.zeros(1)}, Splits(part, part, part), model=encoders)
    assert list(found["plain"]) == [1]
    assert list(found["hidden"]) == pytest.approx([0.5], abs=0.05)


def test_a_twin_begins_as_its_encoder_in_joint_training_and_no_run_that_diverged_is_chosen():
    data = draw(KEYS, size=64, depth=3)
    config = TrainConfig(num_segments=2, steps_per_segment=5)

    def fits_of(names):
        seen = Splits(*(only(part, names) for part in data))
        return fit(
            KEYS, jnp.array([1e30, 1e-2]), jnp.asarray(0.01, float), seen, config=config, model=model_of(seen.train, 4)
        )

    both, alone = fits_of(("x1", "x2")), fits_of(("x2",))
    np.testing.assert_array_equal(both.chosen, [1, 1, 1])
    np.testing.assert_array_equal(alone.chosen, [1, 1, 1])
    jax.tree.map(
        lambda of_both, of_one: np.testing.assert_allclose(of_both, of_one, atol=1e-6),
        both.initial["params"]["encoders_x2"],
        alone.initial["params"]["encoders_x2"],
    )
    moved = alone.variables["params"]["head"]["bias"] - alone.initial["params"]["head"]["bias"]
    assert np.all(np.any(np.abs(moved) > 0, axis=1))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sizes", "63"], "at least 64"),
        (["--decays", "-0.1"], "decays must be not negative and finite"),
        (["--rates", "0"], "rates must be positive and finite"),
        (["--depth", "8"], "depth must be 0 to 7; got 8"),
        (["--num-seeds", "0"], "num_seeds must be at least 1"),
        (["--decay", "0.01"], "did you mean --decays"),
        (["--preset", "paper"], "paper"),
    ],
)
def test_bad_options_are_refused_in_one_line(tmp_path, capfd, arguments, words):
    out = tmp_path / "out"
    assert harness.main(EXPERIMENT, ["--out", str(out), *arguments]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert words in line
    assert not out.exists()


def test_the_full_preset_adds_sizes_penalties_and_the_control():
    keys = list(EXPERIMENT.items(PRESETS["full"]))
    assert len(keys) == 3 * (6 + 1)
    assert "size=32000,decay=0.01,depth=0" in keys
    assert set(EXPERIMENT.items(PRESETS["quick"])) <= set(keys)
