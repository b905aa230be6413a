"""The comparison as a command: a small one on generated data and on a file, resumed, and what it refuses."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments.competition import encoders
from experiments.competition.__main__ import EXPERIMENT
from experiments.competition.ceiling import ceiling_row
from experiments.competition.columns import PUBLISHED
from experiments.competition.config import PRESETS
from experiments.competition.data import NAMES, catalogue, generated, mixed_data
from experiments.competition.methods import METHODS
from experiments.competition.published import published_table
from experiments.competition.trial import loss_and_accuracy
from experiments.harness import Sweep
from tests.experiments import command

SMALL = ["--num-seeds", "2", "--num-segments", "3", "--steps-per-segment", "4", "--width", "4", "--num-samples", "64"]
SMALL += ["--rates", "0.01", "--decays", "0.0", "--batch-size", "16", "--num-permutations", "2", "--devices", "1"]

pytestmark = pytest.mark.usefixtures("quickly_compiled")

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
    costs = compared["cost"].to_dict()
    assert costs.pop("joint") == 1 and all(0.1 < cost < 10 for cost in costs.values())
    look = table[table["table"] == "asymmetric, head late linear: a closer look"].set_index("method")
    assert "joint" in look.index and look["calibration error"].between(0, 1).all()
    own, twin = map(float, look.loc["joint", "probe x1"].rstrip(")").split(" ("))
    assert 0 <= own <= 1 and 0 <= twin <= 1
    shares = [float(look.loc["joint", f"right: {name}"].split("(")[1][:-1]) for name in ("none", "x1", "x2", "x1+x2")]
    assert sum(shares) == pytest.approx(100, abs=0.3)
    rows = sorted((out / "rows").glob("asymmetric-*.json"))
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
        (["--methods", "OGN"], "methods must be one or more of joint, ensemble,"),
        (["--sets", "cremad"], f"sets must be one or more of {', '.join(NAMES)}, each once; got cremad"),
        (["--rates", "0"], "rates must be positive and finite, one or more, each once; got 0.0"),
        (["--decays", "nan"], "decays must be not negative and finite, one or more, each once; got nan"),
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


@pytest.mark.parametrize("preset", ["quick", "full", "paper"])
def test_every_set_head_and_method_has_an_item(preset):
    config = dataclasses.replace(PRESETS[preset], heads=("late linear", "gated"))
    linear_only = [name for name in config.methods if METHODS[name].only]
    expected = len(config.sets) * (2 * len(config.methods) - len(linear_only) + 2)
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


def column_file(folder, name, num_samples=12):
    """Random arrays of the published shapes of a column."""
    rng = np.random.default_rng(0)
    column = PUBLISHED[name]
    arrays = {m: rng.normal(size=(num_samples, *shape)).astype(np.float16) for m, shape in column.shapes.items()}
    arrays |= {"label": np.arange(num_samples) % 2, "split": np.arange(num_samples) // 2 % 3}
    if column.num_classes is None:
        arrays["target"] = rng.normal(size=num_samples)
    path = folder / f"{name}.npz"
    np.savez(path, **arrays)
    return path


def traced(config):
    """Results of the trials of all methods, as shapes."""
    for key, item in EXPERIMENT.items(config).items():
        if isinstance(item, Sweep):
            trial, data = item.task(item.space.configurations()[0])
            hparams = {name: jnp.float32(values[0]) for name, values in item.space.trials().items() if name != "seed"}
            yield key, jax.eval_shape(trial, jax.random.key(0), hparams, data)


@pytest.mark.parametrize("name", ["crema-d-resnet", "mosei-v-a-t"])
def test_a_published_column_takes_files_of_its_shapes(name, tmp_path):
    config = dataclasses.replace(PRESETS[name], data=column_file(tmp_path, name), methods=("MCR",))
    ((_, result),) = traced(config)
    assert set(result["test"]["share"]) == set(PUBLISHED[name].shapes)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_every_method_of_every_published_column_takes_them(name, tmp_path):
    config = dataclasses.replace(PRESETS[name], data=column_file(tmp_path, name))
    assert len(list(traced(config))) == len(PUBLISHED[name].own) >= 10


@pytest.mark.parametrize(
    ("name", "methods"),
    [("sth-sth-v-of", ["MCR"]), pytest.param("mosi-v-t", ["frozen", "MCR"], marks=pytest.mark.slow)],
)
def test_a_published_column_runs(name, methods, tmp_path):
    out = tmp_path / "out"
    arguments = ["--preset", name, "--data", column_file(tmp_path, name), "--num-segments", "2", "--num-seeds", "1"]
    assert run(*arguments, "--methods", *methods, "--devices", "1", "--out", out) == 0
    table = pd.read_csv(out / "table.csv")
    line = table[table["table"].str.startswith(name) & (table["method"] == "MCR")].iloc[0]
    assert f"sensitivity_weight {PUBLISHED[name].own['MCR']['sensitivity_weight']:g}" in line["chosen"]
    assert np.isfinite(line["loss"]) and line["tried"] == 1


def test_a_published_column_says_what_it_needs(file, tmp_path, capfd):
    out = ["--out", tmp_path / "out"]
    line = error_line(capfd, "--preset", "mosi-v-t", *out)
    assert line.endswith("vision (n, 50, 20), text (n, 50, 300) and label, and target with the numbers to predict")
    assert "no modality vision, text, target" in error_line(capfd, "--preset", "mosi-v-t", "--data", file, *out)
    given = ["--preset", "ave-conformer", "--data", column_file(tmp_path, "ave-conformer")]
    assert "got PMR" in error_line(capfd, *given, "--methods", "PMR", *out)
    other = tmp_path / "other.npz"
    np.savez(other, video=np.ones((9, 5)), audio=np.ones((9, 768)), label=np.arange(9) % 3)
    assert "video (5,) in place of (768,)" in error_line(capfd, "--preset", "ave-conformer", "--data", other, *out)
    assert not (tmp_path / "out").exists()


def test_hyper_parameters_of_columns_are_those_of_the_papers_table():
    assert PUBLISHED["crema-d-resnet"].own["MCR"] == pytest.approx(
        {"learning_rate": 1e-4, "weight_decay": 1e-4, "sensitivity_weight": 0.1, "unimodal_weight": 0.01}
        | {"contrastive_weight": 1, "bottleneck_weight": 0, "prepared": 30}
    )
    assert PUBLISHED["mosei-v-a-t"].own["AGM"]["alpha"] == 1 and PUBLISHED["ucf"].patience == 100
    assert "ReconBoost" not in PUBLISHED["mosi-v-t"].own and "prepared" not in PUBLISHED["mosi-v-a-t"].own["MCR"]


def test_additive_fusion_of_cells_on_a_file(tmp_path):
    """Of an XOR of two signs, sums of unimodal logits know nothing of what the cells tell together."""
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], (600, 2))
    x = signs + 0.1 * rng.normal(size=(600, 2))
    label = (signs.prod(1) > 0).astype(int)
    path = tmp_path / "xor.npz"
    np.savez(path, a=x[:, :1], b=x[:, 1:], label=label, split=np.repeat([0, 1, 2], [400, 100, 100]))
    found = ceiling_row(str(path), "", 0)
    assert found["joint"] > 0.95 and found["ceiling"] < 0.35  # plug-in: a hundred cells, 400 samples


def test_clips_are_encoded_frame_by_frame():
    encoder = encoders.published({"video": (2, 8, 8, 1)}, 8)["video"]
    clips = jax.random.normal(jax.random.key(0), (3, 2, 8, 8, 1))
    variables = encoder.init(jax.random.key(1), clips)
    swapped, one = encoder.apply(variables, clips[:, ::-1]), encoder.apply(variables, clips[:1])
    whole = encoder.apply(variables, clips)
    np.testing.assert_allclose(swapped, whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(one, whole[:1], rtol=1e-4, atol=1e-5)


def test_presets_name_methods_and_the_published_table_is_whole():
    assert len(PRESETS["full"].methods) == len(METHODS) >= 20 and PRESETS["full"].num_seeds == 10
    settings = [
        len(PRESETS["full"].rates) * len(PRESETS["full"].decays) * int(np.prod([len(v) for v in m.grid.values()]))
        for m in METHODS.values()
    ]
    assert min(settings) >= 4
    frame = published_table().frame
    assert frame.shape == (14, 11) and frame.set_index("method").loc["MCR", "CREMA-D ResNet"] == "76.1±1.6"
