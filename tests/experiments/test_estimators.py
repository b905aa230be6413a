"""The experiment on estimators: a small run of all three parts, what it refuses, its distributions and contenders."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from experiments import harness
from experiments.estimators.__main__ import EXPERIMENT, PRESETS, Config
from experiments.estimators.critics import CONTENDERS, Networks, Outputs, objective
from experiments.estimators.sources import MIXTURE_MEANS, SOURCES, information_of
from experiments.estimators.suite import groups, multinormal
from experiments.harness import Launch
from mmjax.training import pairs

pytestmark = pytest.mark.usefixtures("quickly_compiled")

TINY = Config(
    tasks=("1v1-normal-0.75",),
    estimators=("InfoNCE",),
    sources=("AND, 10 % flipped",),
    num_seeds=2,
    num_repetitions=2,
    num_samples=280,
    width=4,
    num_segments=1,
    steps_per_segment=3,
    batch_size=16,
    launch=Launch(devices=1),
)


def binary_entropy(p):
    """In nats."""
    return -p * np.log(p) - (1 - p) * np.log(1 - p)


def test_all_parts_run_and_are_read_again(tmp_path, capfd):
    out = tmp_path / "out"
    suite, unpaired, decomposition = harness.run(EXPERIMENT, TINY, out)
    files = {path.name for path in out.iterdir()}
    assert {"table.csv", "table.md", "figure.png", "run.json"} <= files

    assert list(suite.frame.columns) == ["distribution", "truth", "InfoNCE", "KSG", "Gaussian copula"]
    (line,) = suite.frame.to_dict("records")
    assert (line["distribution"], line["truth"]) == ("1v1-normal-0.75", round(np.log(16 / 7) / 2, 3))
    copula = float(line["Gaussian copula"].split(" ± ")[0])
    assert copula == pytest.approx(line["truth"], abs=0.25)  # 280 samples, twice
    assert "InfoNCE cannot exceed log 16 = 2.77" in suite.note

    (line,) = unpaired.frame.to_dict("records")
    assert {"source", "I(X;Y)", "bound", "standard error of one", "accuracy at least"} <= set(line)
    assert line["source"] == "AND, 10 % flipped"
    assert line["I(X;Y)"] == pytest.approx(binary_entropy(0.3) - binary_entropy(0.1), abs=1e-6)
    assert line["below + 3 errors"].endswith("% of 2")
    assert 0 < line["accuracy at least"] <= 1

    assert {"source", "part", "truth", "estimate", "error", "interval", "covers"} <= set(decomposition.frame.columns)
    # x1 and x2 have the same table with y, so both tell the same: S = H(Y|X1) - H(Y|X1,X2), and no unique part.
    single = binary_entropy(0.3) - (binary_entropy(0.1) + np.log(2)) / 2
    synergy = (binary_entropy(0.1) + np.log(2)) / 2 - binary_entropy(0.1)
    truth = decomposition.frame.set_index("part")["truth"]
    assert list(truth.index) == ["redundancy", "unique1", "unique2", "synergy"]
    np.testing.assert_allclose(truth, np.array([single, 0, 0, synergy]) / np.log(2), atol=1e-4)

    capfd.readouterr()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    again = harness.run(EXPERIMENT, TINY, out)
    assert "is finished" in capfd.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    for table, read in zip((suite, unpaired, decomposition), again, strict=True):
        pd.testing.assert_frame_equal(table.frame, read.frame)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tasks", "1v1-normal"], "tasks must be one or more of 1v1-normal-0.75, "),
        (["--estimators", "MINE"], "estimators must be one or more of InfoNCE, NWJ, "),
        (["--sources", "NAND"], "sources must be one or more of AND, XOR, "),
        (["--sources", "AND", "XOR", "AND"], "each once; got AND, XOR, AND"),
        (["--tasks", "Galaxy", "Galaxy"], "each once; got Galaxy, Galaxy"),
        (["--parts", "suite", "suite"], "each once; got suite, suite"),
        (["--parts", "all"], "all"),
        (["--num-samples", "400", "--batch-size", "101"], "fit into a quarter of num_samples, 100; got 101"),
        (["--batch-size", "1"], "batch_size must be at least 2"),
        (["--num-samples", "-4000"], "fit into a quarter of num_samples"),
        (["--num-seeds", "0"], "num_seeds must be at least 1; got 0"),
        (["--num-repetitions", "0"], "num_repetitions must be at least 1; got 0"),
        (["--num-segments", "0"], "num_segments must be at least 1; got 0"),
        (["--learning-rate", "nan"], "learning_rate must be positive"),
        (["--seed", "-1"], "seed must be at least 0; got -1"),
        (["--source", "AND"], "unknown option --source; did you mean --sources?"),
    ],
)
def test_wrong_options_are_refused_in_one_line(arguments, words, tmp_path, capfd):
    out = tmp_path / "out"
    assert harness.main(EXPERIMENT, ["--out", str(out), *arguments]) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line
    assert not out.exists()


def test_presets_and_items():
    assert set(PRESETS) == {"quick", "full", "paper"}
    tasks = ("1v1-normal-0.75", "Waves", "1v1-additive-0.1")
    keys = EXPERIMENT.items(dataclasses.replace(TINY, tasks=tasks))
    assert list(keys) == [
        *("suite-1-1", "suite-2-1"),
        *(f"untrained-{name}" for name in tasks),
        *("unpaired", "decomposition"),
    ]
    three = dataclasses.replace(TINY, sources=("AND of three", "XOR"))
    spaces = {key: item.space for key, item in EXPERIMENT.items(three).items() if key in ("unpaired", "decomposition")}
    assert spaces["unpaired"].num_trials == 2 * TINY.num_repetitions
    assert spaces["decomposition"].num_trials == TINY.num_repetitions  # pairs only


def test_distributions_of_equal_dimensions_are_one_group():
    names = ["1v1-normal-0.75", "Waves", "multinormal-5-2", "1v1-additive-0.1", "Galaxy"]
    assert groups(names) == {
        (1, 1): ["1v1-normal-0.75", "1v1-additive-0.1"],
        (2, 1): ["Waves", "Galaxy"],
        (5, 5): ["multinormal-5-2"],
    }


def test_multinormals_have_the_information_of_their_name():
    for dim in (1, 5, 25):
        for information in (0.0, 0.5, 4.0):
            task = multinormal(dim, information)
            assert task.information == pytest.approx(information, abs=1e-9)
            assert (task.dim_x, task.dim_y, task.name) == (dim, dim, f"multinormal-{dim}-{information:g}")
    x, y = multinormal(2, 1.0).sample(jax.random.key(0), 20_000)
    cross = np.sqrt(1 - np.exp(-1.0)) * np.eye(2)
    expected = np.block([[np.eye(2), cross], [cross, np.eye(2)]])
    np.testing.assert_allclose(np.cov(np.hstack([x, y]), rowvar=False), expected, atol=0.04)


@jax.jit
def of_all_contenders(out):
    losses = {name: c.loss or (lambda out, c=c: -c.estimate(out)) for name, c in CONTENDERS.items()}
    return {
        name: (CONTENDERS[name].estimate(out), *jax.value_and_grad(loss)(out), CONTENDERS[name].side)[:3]
        for name, loss in losses.items()
    }


def test_contenders_are_finite_and_trained_by_their_number():
    """Of an untrained network's outputs: one objective gives what each contender says by itself."""
    names = list(CONTENDERS)
    x, y = np.random.default_rng(0).normal(size=(2, 6, 2)).astype(np.float32)
    networks = Networks(width=8)
    params = networks.init(jax.random.key(1), x, y)

    def metrics(chosen):
        made = objective(names, chosen, (2, 2), width=8, separable=True, batch_size=6)
        return made.evaluate(params, pairs(x, y))

    found = jax.jit(jax.vmap(metrics))(jnp.arange(len(names)))
    alone = of_all_contenders(networks.apply(params, x, y))
    for k, name in enumerate(names):
        estimate, loss, gradient = alone[name]
        np.testing.assert_allclose(found["information"][k], estimate, rtol=1e-4, atol=1e-6, err_msg=name)
        np.testing.assert_allclose(found["loss"][k], loss, rtol=1e-4, atol=1e-6, err_msg=name)
        assert all(np.all(np.isfinite(part)) for part in gradient), name
        assert any(np.any(part != 0) for part in gradient), name
    assert len(np.unique(np.round(found["loss"], 5))) >= 6  # NCE-CLUB trains as InfoNCE, vL1Out as vCLUB


def test_contenders_are_finite_for_large_outputs():
    rng = np.random.default_rng(1)
    scale = np.float32(30)
    shapes = {"scores": (6, 6), "log_baseline": (6,), "pointwise": (6,), "mean": (6, 2)}
    shapes |= {"log_variance": (6, 2), "y": (6, 2)}
    outputs = Outputs(**{name: scale * rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    for name, (estimate, loss, _) in of_all_contenders(outputs).items():
        assert np.isfinite(estimate) and np.isfinite(loss), name
    sides = {name for name, contender in CONTENDERS.items() if contender.side == "lower"}
    assert sides == {"InfoNCE", "NWJ", "TUBA", "FLO"}
    assert all(contender.side != "upper" for contender in CONTENDERS.values())


def test_posteriors_of_the_mixture():
    source, key = SOURCES["Gaussian mixture"], jax.random.key(3)
    batch, found = source.draw(key, 50), source.posteriors(key, 50)
    logs = {
        m: -((np.asarray(batch.modalities[f"x{m + 1}"], float)[:, None] - MIXTURE_MEANS[:, m, None]) ** 2).sum(2) / 2
        for m in (0, 1)
    }
    for posterior, log in zip(found, (logs[0], logs[1], logs[0] + logs[1]), strict=True):
        expected = np.exp(log - log.max(1, keepdims=True))
        np.testing.assert_allclose(posterior, expected / expected.sum(1, keepdims=True), atol=1e-5)
    assert set(np.asarray(batch.label)) == {0, 1, 2}
    assert information_of("unique") == pytest.approx(np.log(2), abs=1e-6)
