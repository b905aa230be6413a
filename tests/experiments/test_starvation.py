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
from experiments.starvation.training import fit, model_of, only
from mmjax.data import Splits
from mmjax.training import TrainConfig

RATES = (3e-3, 1e-2)
TINY = Config(
    sizes=(64, 96),
    decays=(0.01, 0.0),
    control=True,
    rates=RATES,
    num_seeds=3,
    num_segments=2,
    steps_per_segment=5,
    width=4,
)
KEYS = jax.random.split(jax.random.key(0), 2)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("starvation") / "out"
    return out, harness.run(EXPERIMENT, TINY, out)


def row_path(out: Path, size: int, decay: str, depth: int) -> Path:
    return out / "rows" / f"size={size},decay={decay},depth={depth}.json"


def row_of(out: Path, size: int, decay: str = "0.01", depth: int = 3) -> dict:
    (row,) = json.loads(row_path(out, size, decay, depth).read_text())["rows"]
    return row


def interval(values) -> list[float]:
    half = 4.302653 * np.std(values, ddof=1) / np.sqrt(3)  # Student's t of 2 degrees of freedom at 97.5 %
    return [np.mean(values), np.mean(values) - half, np.mean(values) + half]


def test_a_row_has_every_seed_of_every_system(tiny):
    out, _ = tiny
    assert len(list((out / "rows").iterdir())) == 6
    row = row_of(out, 96, "0", 3)
    assert [row.pop(name) for name in ("size", "decay", "depth")] == [96, 0, 3]
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
    frame = accuracies.frame.set_index(["depth", "samples", "system"])
    assert len(frame) == 4 * 4
    assert set(frame.index.get_level_values("depth")) == {0, 3}
    for depth in (0, 3):
        row = row_of(out, 64, depth=depth)
        line = frame.loc[depth, 64, "ensemble of the two alone"]
        assert list(line[["accuracy", "accuracy low", "accuracy high"]]) == pytest.approx(
            interval(row["accuracy_ensemble"]), abs=1e-6
        )
        difference = np.subtract(row["accuracy_ensemble"], row["accuracy_joint"])
        assert list(line[["minus joint", "minus joint low", "minus joint high"]]) == pytest.approx(
            interval(difference), abs=1e-6
        )
        assert line["learning rates"] == ""
    rates = row_of(out, 64)["rate_joint"]
    line = frame.loc[3, 64, "joint training"]
    assert line["learning rates"] == f"{min(rates):g} to {max(rates):g}"
    assert line["minus joint"] == 0


def test_probes_are_paired_with_those_of_the_twins(tiny):
    out, (_, probes, _) = tiny
    frame = probes.frame.set_index(["depth", "samples", "encoder"])
    assert len(frame) == 4 * 2
    row, line = row_of(out, 96), frame.loc[3, 96, 2]
    assert line["untrained"] == pytest.approx(np.mean(row["probe_untrained_x2"]))
    difference = np.subtract(row["probe_joint_x2"], row["probe_twin_x2"])
    assert list(line.filter(like="joint minus twin")) == pytest.approx(interval(difference), abs=1e-6)


def test_penalties_are_compared_in_order_and_without_the_control(tiny):
    out, (_, _, penalties) = tiny
    frame = penalties.frame
    assert list(zip(frame["samples"], frame["penalty"], strict=True)) == [(64, 0), (64, 0.01), (96, 0), (96, 0.01)]
    row = row_of(out, 64, "0", 3)
    assert frame["joint"][0] == pytest.approx(np.mean(row["accuracy_joint"]))
    difference = np.subtract(row["accuracy_ensemble"], row["accuracy_joint"])
    assert list(frame.filter(like="ensemble minus joint").iloc[0]) == pytest.approx(interval(difference), abs=1e-6)


def test_outputs_are_written_and_a_lost_row_comes_back_the_same(tiny):
    out, tables = tiny
    assert (out / "figure.png").stat().st_size > 10_000
    assert len(pd.read_csv(out / "table.csv")) == sum(len(table.frame) for table in tables)
    kept, lost = row_path(out, 64, "0.01", 3), row_path(out, 96, "0", 3)
    before, there = row_of(out, 96, "0", 3), kept.stat().st_mtime_ns
    lost.unlink()
    harness.run(EXPERIMENT, TINY, out)
    assert row_of(out, 96, "0", 3) == before
    assert kept.stat().st_mtime_ns == there


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
    data = draw(KEYS, size=500, depth=3)
    assert data.train.modalities["x2"].shape == (2, 500, 8)
    assert not np.array_equal(data.train.label[0], data.train.label[1])
    fitted, tested = (
        np.asarray(part.modalities["x1"][0]) * (2 * part.label[0][:, None] - 1) for part in (data.train, data.test)
    )
    assert np.mean(tested @ fitted.mean(0) > 0) > 0.9  # the direction of the bit in train is that in test


def test_linear_probes_read_a_plain_bit_and_no_hidden_one():
    for depth, low, high in ((0, 0.99, 1), (3, 0.45, 0.55)):
        data = draw(KEYS, size=4000, depth=depth)
        model = model_of(data.train, 4)._replace(encode=lambda variables, modalities, masks: (modalities, {}))
        found = probe({"params": jnp.zeros(2)}, data, model=model)
        assert found.keys() == {"x1", "x2"}
        assert np.all((found["x1"] > 0.93) & (found["x1"] < 0.97))
        assert np.all((found["x2"] > low) & (found["x2"] <= high))


def test_a_twin_begins_as_its_encoder_in_joint_training_and_no_run_that_diverged_is_chosen():
    data = draw(KEYS, size=64, depth=0)
    config = TrainConfig(num_segments=2, steps_per_segment=5)

    def fits_of(names):
        seen = Splits(*(only(part, names) for part in data))
        rates = jnp.array([1e30, 1e-6, 3e-2])
        return fit(KEYS, rates, jnp.asarray(0.01), seen, config=config, model=model_of(seen.train, 4))

    both, alone = fits_of(("x1", "x2")), fits_of(("x2",))
    np.testing.assert_array_equal(both.chosen, [2, 2])
    np.testing.assert_array_equal(alone.chosen, [2, 2])
    for one, other in zip(
        jax.tree.leaves(both.initial["params"]["encoders_x2"]),
        jax.tree.leaves(alone.initial["params"]["encoders_x2"]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
    moved = jax.tree.map(lambda x, y: float(jnp.max(jnp.abs(x - y))), alone.initial, alone.variables)
    assert moved["params"]["head"]["bias"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sizes", "63"], "sizes must be at least 64"),
        (["--decays", "-0.1"], "decays must not be negative"),
        (["--rates", "0"], "rates must be positive"),
        (["--depth", "8"], "depth 0 to 7"),
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
