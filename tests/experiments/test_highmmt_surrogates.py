import numpy as np
import pytest

from experiments.highmmt.__main__ import PRESETS, items
from experiments.highmmt.config import Config
from experiments.highmmt.surrogates import stand_in
from experiments.highmmt.tables import tables

pytestmark = pytest.mark.usefixtures("quickly_compiled")
TINY = Config(parts=("surrogates",), num_samples=40, num_steps=10, num_transfer_steps=1, width=8, num_latents=2)
NAMES = ["measured, 0 steps", "measured, 1 steps", "linear CKA", "LogME", "gradients"]


@pytest.fixture(scope="module")
def rows(quickly_compiled):
    return stand_in(TINY, 0)


def test_the_part_is_an_item_and_not_of_the_quick_preset():
    assert list(items(TINY)) == ["surrogates,seed=0"]
    assert "surrogates" in PRESETS["full"].parts and "surrogates" not in PRESETS["quick"].parts


@pytest.mark.slow
def test_every_stand_in_gives_distances_of_all_modalities(rows):
    assert [row["by"] for row in rows] == NAMES
    for row in rows:
        d = np.asarray(row["estimate"])
        assert d.shape == (6, 6) and np.all(d >= 0) and not d.diagonal().any()
        np.testing.assert_array_equal(d, d.T)
        assert len(set(row["found"])) == 3
        assert -1 <= row["Rand index"] <= 1 and np.all(np.abs(row["agreement"]) <= 1 + 1e-9) and row["seconds"] > 0
    assert rows[0]["agreement"][0] == pytest.approx(1) == rows[1]["agreement"][1]
    assert rows[0]["agreement"][1] == pytest.approx(rows[1]["agreement"][0])
    assert len({str(row["estimate"]) for row in rows}) == len(rows)


@pytest.mark.slow
def test_alignment_is_at_most_one_each_way(rows):
    assert np.max(rows[2]["estimate"]) <= 2


def made_row(by, seed, rank, index, seconds):
    row = {"part": "surrogates", "by": by, "seed": seed, "agreement": [rank, -rank]}
    return row | {"Rand index": index, "seconds": seconds}


def test_stand_ins_are_tabled_beside_what_they_stand_in_for():
    rows = [made_row(name, 0, 1.0, 1.0, seconds) for name, seconds in zip(NAMES[:2], (2.0, 8.0), strict=True)]
    rows += [made_row(name, 1, 1.0, 1.0, seconds) for name, seconds in zip(NAMES[:2], (4.0, 8.0), strict=True)]
    rows += [made_row("gradients", 0, 0.5, 1.0, 1.0), made_row("gradients", 1, 0.7, 0.2, 4.0)]
    (table,) = (table for table in tables(TINY, rows) if table.name.startswith("Stand-ins"))
    assert list(table.frame["by"]) == [*NAMES[:2], "gradients"]
    last = table.frame.iloc[-1].drop("by").astype(float).to_dict()
    expected = {"ranks after 0": 0.6, "ranks after 1": -0.6, "Rand index": 0.6, "least": 0.2, "seconds": 2.5}
    assert last == pytest.approx(expected | {"seconds, of 0": 0.75, "seconds, of 1": 0.3125})


def test_without_the_part_there_is_no_table():
    assert not [table for table in tables(TINY, []) if table.name.startswith("Stand-ins")]
