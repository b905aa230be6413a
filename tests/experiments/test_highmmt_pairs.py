import dataclasses

import jax
import numpy as np
import pytest

from experiments.highmmt import real
from experiments.highmmt.__main__ import EXPERIMENT, items
from experiments.highmmt.config import Config
from experiments.highmmt.figure import figure
from experiments.highmmt.pair_tables import of_pairs
from experiments.highmmt.pairs import SMALL, chosen, measure, select
from experiments.highmmt.tables import tables
from experiments.highmmt.worlds import draw

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(
    num_samples=40,
    num_pair_samples=40,
    num_steps=10,
    num_pair_steps=10,
    num_transfer_steps=1,
    width=8,
    num_latents=2,
    batch_size=8,
)
NAMES = ("a", "b", "c", "d", "e", "f")


@pytest.fixture
def data_file(tmp_path):
    generator = np.random.default_rng(0)
    label = np.arange(90) % 3
    arrays = {
        "signal": generator.normal(size=(90, 5, 2)) + label[:, None, None],
        "table": generator.normal(size=(90, 4)),
        "number": label + generator.normal(size=90),
    }
    path = tmp_path / "study.npz"
    np.savez(path, label=label, **arrays)
    return path


def selection_row(selection, seed, accuracy):
    return {"part": "pairs", "seed": seed, "selection": selection, "pairs": ["a and b"], "accuracy": accuracy}


def test_a_third_is_chosen_by_gains_and_what_they_stand_for():
    gains = np.zeros(15)
    gains[[0, 1, 14]] = 1.0, 0.9, 0.5  # a and b, a and c, e and f
    distances = np.ones((15, 15)) - np.eye(15)
    distances[0, 1] = distances[1, 0] = 0.0
    found = chosen(0, NAMES, jax.numpy.asarray(gains), jax.numpy.asarray(distances))
    assert found["selected third"][:2] == (("a", "b"), ("e", "f"))
    assert found["third of largest gain"][:3] == (("a", "b"), ("a", "c"), ("e", "f"))
    assert found["pairs of one modality"] == tuple(("a", other) for other in NAMES[1:])
    assert [len(pairs) for pairs in found.values()] == [15, 5, 5, 5, 5, 5, 5]
    assert all(len(set(pairs)) == len(pairs) for pairs in found.values())


@pytest.mark.slow
def test_gains_and_distances_are_of_all_pairs():
    gains, distances = measure(TINY, SMALL, draw(TINY, SMALL, 0), jax.random.key(0))
    assert (gains.shape, distances.shape) == ((15,), (15, 15))
    assert np.isfinite(gains).all()
    assert (np.asarray(distances) >= 0).all()


@pytest.mark.slow
def test_models_of_all_choices_are_trained():
    rows = select(TINY, 0)
    assert [len(row["pairs"]) for row in rows] == [15, 5, 5, 5, 5, 5, 5]
    assert all(0 <= row["accuracy"] <= 1 for row in rows)
    assert figure(TINY, rows).subfigs


def test_selections_are_compared_by_seed_and_random_ones_averaged():
    rows = [selection_row("all pairs", seed, 0.8) for seed in range(2)]
    rows += [selection_row("selected third", seed, 0.84) for seed in range(2)]
    rows += [selection_row(f"random third {number}", seed, 0.1 * number) for seed in range(2) for number in (4, 6)]
    frame = of_pairs(rows).frame.set_index("fused")
    assert frame.loc["random third", "accuracy"] == pytest.approx(0.5)
    assert frame.loc["random third", "minus selected third"] == "-34.0 [-34.0, -34.0]"
    assert frame.loc["selected third", "of all pairs"] == "1.050 [1.050, 1.050]"


def test_views_of_digits_and_tumours_are_tasks():
    data = real.loaded(TINY, 0)
    assert {task: tuple(splits.train.modalities) for task, splits in data.items()} == {
        task: names for task, (_, names) in real.VIEWS.items()
    }
    train = data["digit of top and bottom"].train
    assert train.modalities["top"].shape[1:] == (4, 8)
    assert np.asarray(train.modalities["top"]).std() == pytest.approx(1, abs=0.1)


def test_the_layout_of_a_file_has_its_axes_as_tokens(data_file):
    layout = real.layout_of_data(real.loaded(dataclasses.replace(TINY, data=data_file), 0))
    shapes = {one.name: (one.axes, one.channels) for one in layout.modalities}
    assert shapes == {"signal": ((5,), 2), "table": ((), 4), "number": ((), 1)}
    assert layout.task("study").num_outputs == 3


def view_rows(seed):
    def row(of, names, **more):
        square = (0.1 * (1 - np.eye(len(names)))).tolist()
        matrices = {"transfer": square, "standard error": square, "distances": square, "alone": [0.5] * len(names)}
        return (
            {"part": "views", "seed": seed, "of": of, "names": names, "groups": [0, 1][: len(names)]} | matrices | more
        )

    plans = ("share all", "share none")
    return [
        row("modalities", ["a", "b"]),
        row("pairs", ["y: a and b"], gains=[0.2 + 0.1 * seed], selected=[0]),
        *(
            {"part": "views", "seed": seed, "plan": plan, "groups": [1, 1], "parameters": 9, "accuracy": 0.5}
            for plan in plans
        ),
    ]


def test_transfer_and_pairs_of_a_file_are_tabled_and_drawn():
    rows = [*view_rows(0), *view_rows(1)]
    of = {table.name: table.frame for table in tables(TINY, rows)}
    transfer = of["Transfer between modalities"].set_index("from")
    assert list(transfer["group"]) == ["0 0", "1 1"]
    assert transfer.loc["a", "to b"] == pytest.approx(0.1)
    pairs = of["Pairs of modalities"]
    assert pairs["gain, bits"].item() == pytest.approx(0.25)
    assert pairs["selected in seeds"].item() == 2
    assert len(of["Sharing plans of the data"]) == 2
    assert len(figure(TINY, rows).subfigs) == 3


@pytest.mark.slow
def test_a_file_is_measured_and_its_plans_trained(data_file):
    config = dataclasses.replace(TINY, data=data_file)
    modalities, pairs, *plans = items(config)["data,seed=0"]()
    assert modalities["names"] == ["signal", "table", "number"]
    assert np.shape(modalities["transfer"]) == np.shape(pairs["transfer"]) == (3, 3)
    assert pairs["names"][0] == "study: number and signal"
    assert len(pairs["selected"]) == 1
    assert [row["plan"] for row in plans][-1] == "share all, selected third of pairs"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"signal": np.zeros((4, 2))}, "label"),
        ({"signal": np.zeros((4, 2)), "label": np.arange(4) % 2}, "needs two modalities or more; got signal"),
        ({"a": np.full((4, 2), np.nan), "b": np.zeros((4, 2)), "label": np.arange(4) % 2}, "'a'"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(arrays, message, refusal, tmp_path):
    np.savez(tmp_path / "file.npz", **arrays)
    assert message in refusal(EXPERIMENT, ["--data", str(tmp_path / "file.npz")])
