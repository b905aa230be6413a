"""The comparison as a command: a small one on generated data and on a file, resumed, and what it refuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.competition.__main__ import EXPERIMENT, PRESETS
from experiments.competition.data import NAMES, catalogue, generated, mixed_data
from experiments.competition.methods import METHODS
from experiments.competition.published import published_table
from experiments.competition.trial import loss_and_accuracy
from tests.experiments import command

SMALL = ["--num-seeds", "2", "--num-segments", "3", "--steps-per-segment", "4", "--width", "4", "--num-samples", "64"]
SMALL += ["--rates", "0.01", "--decays", "0.0", "--batch-size", "16", "--num-permutations", "2", "--devices", "1"]


@pytest.fixture(autouse=True)
def promotion():
    """Optax multiplies numbers of different dtypes."""
    with jax.numpy_dtype_promotion("standard"):
        yield


run = functools.partial(command.run, EXPERIMENT)


def error_line(capfd, *arguments):
    return command.error_line(capfd, EXPERIMENT, *arguments)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A linear task in three modalities."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)).astype(np.float32)
    path = tmp_path_factory.mktemp("data") / "mine.npz"
    np.savez(path, a=x[:, :2], b=x[:, 2:4], c=x[:, 4:], label=(x.sum(1) > 0).astype(int))
    return path


def test_methods_are_compared_and_a_finished_method_is_kept(tmp_path, capfd):
    out = tmp_path / "out"
    arguments = ["--methods", "joint", "ensemble", "OGM", *SMALL, "--out", out]
    assert run(*arguments) == 0
    table = pd.read_csv(out / "table.csv")
    compared = table[table["table"] == "asymmetric, head late linear"].set_index("method")
    assert set(compared.index) == {"joint", "ensemble", "OGM"}
    assert compared["accuracy"].is_monotonic_decreasing and compared["accuracy"].between(0.3, 1).all()
    assert "alpha" in compared.loc["OGM", "chosen"] and compared["tried"].to_dict() == {
        "OGM": 2,
        "joint": 1,
        "ensemble": 1,
    }
    assert pd.isna(compared.loc["joint", "minus joint"]) and "[" in compared.loc["OGM", "minus joint"]
    assert compared["mean rank"].sum() == pytest.approx(6, abs=0.2)
    assert (out / "figure.png").stat().st_size > 10_000
    rows = sorted((out / "rows").glob("*.json"))
    assert [path.stem for path in rows] == [f"asymmetric-late_linear-{name}" for name in ("OGM", "ensemble", "joint")]
    rows[0].unlink()
    before = {path: path.stat().st_mtime_ns for path in rows[1:]}
    (out / "run.json").unlink(missing_ok=True)
    assert run(*arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in rows[1:]} == before


def test_a_file_of_three_modalities_and_another_head(file, tmp_path):
    out = tmp_path / "out"
    assert (
        run("--data", file, "--methods", "joint", "multi-loss", "--heads", "concatenation", *SMALL, "--out", out) == 0
    )
    table = pd.read_csv(out / "table.csv")
    line = table[table["method"] == "joint"].iloc[0]
    assert line["table"] == "mine.npz, head concatenation"
    assert [share.split()[0] for share in line["Shapley values"].split(", ")] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "OGN"], "methods must be some of joint, ensemble,"),
        (["--sets", "cremad"], f"sets must be some of {', '.join(NAMES)}, each once; got cremad"),
        (["--rates", "0"], "rates must be one or more finite numbers, positive; got (0.0,)"),
        (["--decays", "nan"], "decays must be one or more finite numbers, not negative; got (nan,)"),
        (["--batch-size", "1"], "batch_size must be at least 2; got 1"),
        (["--data", "nowhere.npz"], "nowhere.npz"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(arguments, message, tmp_path, capfd):
    assert message in error_line(capfd, *arguments, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_one_modality_is_refused(file, tmp_path, capfd):
    line = error_line(capfd, "--data", file, "--modalities", "a", "--out", tmp_path / "out")
    assert line.endswith("fusion needs two modalities or more; got a")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_set_head_and_method_has_an_item(preset):
    config = dataclasses.replace(PRESETS[preset], heads=("late linear", "gated"))
    linear_only = [name for name in config.methods if METHODS[name].only]
    expected = len(config.sets) * (2 * len(config.methods) - len(linear_only))
    assert len(EXPERIMENT.items(config)) == expected


def test_a_method_for_other_heads_is_refused_in_a_line(tmp_path, capfd):
    line = error_line(capfd, "--methods", "MMCosine", "--heads", "gated", "--out", tmp_path / "out")
    assert line == "none of MMCosine is for the heads gated"


def test_logits_that_are_no_numbers_are_not_right():
    logits = jnp.array([[jnp.nan, jnp.nan], [2.0, 0.0]])
    assert jnp.isnan(loss_and_accuracy(logits, jnp.array([0, 0]), jnp.ones(2))["accuracy"])
    assert loss_and_accuracy(logits[1:], jnp.array([0]), jnp.ones(1))["accuracy"] == 1


def test_the_ratio_sweep_has_a_panel_a_head():
    rng = np.random.default_rng(0)
    rows = [
        {"data": data, "head": head, "method": method, "seed": seed, "learning_rate": 0.1, "weight_decay": 0.0}
        | {"test/accuracy": rng.random(), "test/loss": 1.0, "valid/loss": 1.0}
        for data in ("mixed-0.1", "mixed-0.3")
        for head in ("late linear", "gated")
        for method in ("joint", "ensemble")
        for seed in range(3)
    ]
    figure = EXPERIMENT.figure(PRESETS["paper"], rows)
    assert [axes.get_title() for axes in figure.axes] == [
        f"paper's synthetic setting, {h}" for h in ("late linear", "gated")
    ]
    assert [list(line.get_xdata()) for line in figure.axes[0].lines] == [[0.1, 0.3]] * 2


def test_generated_data_are_what_they_say():
    for name, found in catalogue().items():
        parts = jax.eval_shape(lambda key, name=name: generated(name, key, 70), jax.random.key(0))
        assert parts.train.label.shape == (70,) and len(parts.train.modalities) == (3 if name == "three" else 2)
        assert found.best is None or 0.5 < found.best <= 1


def test_the_papers_synthetic_setting():
    """Of each kind of sample the right modalities show the label; shares are those asked for."""
    batch = mixed_data(jax.random.key(0), jnp.array([0.0, 0.7, 0.3]), num_samples=6000)
    assert batch.modalities["x1"].shape == (6000, 100)
    assert set(np.unique(batch.label)) == set(range(5))
    np.testing.assert_allclose(np.bincount(batch.label) / 6000, 0.2, atol=0.03)
    centred = batch.label - 2.0
    linear = {
        name: np.linalg.lstsq(np.asarray(x), np.asarray(centred), rcond=1e-4)[0] for name, x in batch.modalities.items()
    }
    correlations = {
        name: np.corrcoef(np.asarray(x) @ linear[name], centred)[0, 1] for name, x in batch.modalities.items()
    }
    assert correlations["x1"] > correlations["x2"] + 0.1 > 0.2


def test_presets_name_methods_and_the_published_table_is_whole():
    assert len(PRESETS["full"].methods) == len(METHODS) >= 20 and PRESETS["full"].num_seeds == 10
    settings = [
        len(PRESETS["full"].rates) * len(PRESETS["full"].decays) * int(np.prod([len(v) for v in m.grid.values()]))
        for m in METHODS.values()
    ]
    assert min(settings) >= 4
    frame = published_table().frame
    assert frame.shape == (14, 11) and frame.set_index("method").loc["MCR", "CREMA-D ResNet"] == "76.1±1.6"
