"""Many trials as one program: equal to one by one, on any number of devices, in memory of any size."""

import dataclasses
import gc
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.sweep import Execution, SweepError, map_trials
from mmjax.sweep import _program as program_file

NUM_TRIALS = 63
DATA = {"x": jnp.linspace(0.0, 1.0, 1000)}


def trial(key, hparams, data):
    """A walk whose steps depend on all three arguments; its whole path is a result."""
    steps = hparams["rate"] * jax.random.normal(key, (1000,)) + data["x"]
    path = jnp.cumsum(steps)
    return {"end": path[-1], "path": path}


@pytest.fixture
def arguments():
    keys = jax.random.split(jax.random.key(0), NUM_TRIALS)
    return keys, {"rate": np.linspace(0.0, 1.0, NUM_TRIALS)}


@pytest.fixture
def expected(arguments):
    keys, hparams = arguments
    many = {name: jnp.asarray(column, jnp.float32) for name, column in hparams.items()}
    return jax.jit(jax.vmap(trial, in_axes=(0, 0, None)))(keys, many, DATA)


@pytest.mark.parametrize(
    "execution",
    [
        None,
        Execution(num_devices=1),
        Execution(num_devices=3, chunk=7),
        Execution(chunk=16, lanes=1),
        Execution(lanes=3),
        Execution(chunk=1000),
    ],
    ids=str,
)
def test_every_execution_gives_the_trials(arguments, expected, execution):
    chex.assert_trees_all_close(map_trials(trial, *arguments, DATA, execution=execution), expected, rtol=1e-4)


def test_results_are_on_the_host(arguments):
    out = map_trials(trial, *arguments, DATA)
    assert isinstance(out["end"], np.ndarray)
    assert out["path"].shape == (NUM_TRIALS, 1000)


def test_a_second_sweep_is_not_traced_again(arguments):
    keys, hparams = arguments
    counted = chex.assert_max_traces(trial, n=1)
    map_trials(counted, keys, hparams, DATA)
    map_trials(counted, keys, {"rate": 2 * hparams["rate"]}, jax.tree.map(lambda x: x + 1, DATA))
    with pytest.raises(AssertionError, match="traced > 1 times"):
        map_trials(counted, keys[:8], {"rate": hparams["rate"][:8]}, DATA)


def test_trials_that_do_not_fit_run_in_chunks(arguments, expected, monkeypatch):
    """A path takes 4000 bytes; with 40 kB, the data of 4 kB among them, a device has room for some of its 63."""
    made = []
    original = program_file._program
    monkeypatch.setattr(program_file, "_program", lambda *args: made.append(args) or original(*args))
    execution = Execution(num_devices=1, memory_limit=40_000)
    out = map_trials(trial, *arguments, DATA, execution=execution)
    chex.assert_trees_all_close(out, expected, rtol=1e-4)
    compiled, _, _, share, lanes = made[0]
    memory = compiled.memory_analysis()
    assert 1 <= share == lanes < NUM_TRIALS
    assert memory.temp_size_in_bytes + memory.output_size_in_bytes + memory.argument_size_in_bytes <= 40_000


def test_trials_that_work_on_more_than_the_cache_run_one_by_one_on_a_cpu(arguments, expected, monkeypatch):
    monkeypatch.setattr("mmjax.sweep._memory.CACHE_BYTES", 100)
    shares = []
    original = program_file._program
    monkeypatch.setattr(program_file, "_program", lambda *args: shares.append(args[3]) or original(*args))
    chex.assert_trees_all_close(map_trials(trial, *arguments, DATA), expected, rtol=1e-4)
    assert shares == [1]


@pytest.mark.parametrize("execution", [Execution(lanes=32), Execution(chunk=32)], ids=str)
def test_a_limit_holds_for_given_lanes_and_chunks_and_for_what_trials_share(execution):
    """The product of the data takes 160 kB however many trials there are; each trial takes 4 kB for its result."""

    def heavy(key, hparams, data):
        shared = (data["x"][:, None] * data["x"][None]) @ jax.random.normal(key, (200, 5))
        return jnp.cumsum(shared.ravel())

    data = {"x": jnp.linspace(0.0, 1.0, 200)}
    keys = jax.random.split(jax.random.key(0), 32)
    small = dataclasses.replace(execution, num_devices=1, memory_limit=320_000)
    found = map_trials(heavy, keys, {}, data, execution=small)
    np.testing.assert_allclose(found, map_trials(heavy, keys, {}, data), rtol=1e-4)
    (programs,) = [programs for fn, programs in program_file._COMPILED.items() if fn is heavy]
    sizes = {}
    for (_, mesh, share, lanes, _), compiled in programs.items():
        memory = compiled.memory_analysis()
        total = memory.temp_size_in_bytes + memory.output_size_in_bytes + memory.argument_size_in_bytes
        sizes[mesh.size, share, lanes] = total
    chosen = min(key for key in sizes if key[0] == 1)
    assert sizes[chosen] <= 320_000 < sizes[1, 32, 32]


def test_results_without_bytes():
    keys = jax.random.split(jax.random.key(0), 3)
    assert map_trials(lambda key, hparams, data: {}, keys, {}, ()) == {}


def test_a_program_goes_with_its_function():
    def short_lived(key, hparams, data):
        return jax.random.uniform(key)

    map_trials(short_lived, jax.random.split(jax.random.key(0), 3), {}, ())
    kept = weakref.ref(short_lived)
    del short_lived
    jax.clear_caches()
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize(
    ("keys", "hparams"),
    [
        (jax.random.split(jax.random.key(0), 4), {"rate": np.arange(16.0)}),
        (jax.random.split(jax.random.key(0), 4), {"rate": 1.0}),
        (jax.random.split(jax.random.key(0), 4), {"rate": np.ones((4, 1))}),
        (jax.random.key(0), {}),
    ],
)
def test_wrong_shapes_are_refused(keys, hparams):
    with pytest.raises(AssertionError):
        map_trials(trial, keys, hparams, DATA)


@pytest.mark.parametrize("keys", [jax.random.split(jax.random.key(0), 0), jnp.zeros(4), jax.random.PRNGKey(0)])
def test_no_keys_or_raw_ones_are_refused(keys):
    with pytest.raises(ValueError, match="expected typed keys"):
        map_trials(trial, keys, {}, DATA)


def test_one_trial_that_does_not_fit_is_refused(arguments):
    with pytest.raises(SweepError, match=r"a trial takes about .* MiB and a device has .* MiB left"):
        map_trials(trial, *arguments, DATA, execution=Execution(memory_limit=6000))


def test_more_devices_than_there_are_are_refused(arguments):
    count = len(jax.devices()) + 1
    with pytest.raises(SweepError, match=f"{count} devices asked for, {count - 1} present"):
        map_trials(trial, *arguments, DATA, execution=Execution(num_devices=count))


@pytest.mark.parametrize("field", ["num_devices", "chunk", "lanes", "memory_limit"])
def test_sizes_that_do_nothing_are_refused(field):
    with pytest.raises(ValueError, match=f"{field} must be an integer, at least 1; got 0"):
        Execution(**{field: 0})


def test_double_precision(arguments, float64):
    keys, hparams = arguments
    data = {"x": jnp.linspace(0.0, 1.0, 10)}

    def exact(key, hparams, data):
        return hparams["rate"] + data["x"]

    out = map_trials(exact, keys, hparams, data)
    np.testing.assert_array_equal(out, hparams["rate"][:, None] + np.asarray(data["x"])[None])


def test_a_sweep_without_hyper_parameters(arguments):
    out = map_trials(lambda key, hparams, data: jax.random.uniform(key), arguments[0], {}, ())
    assert len(np.unique(out)) == NUM_TRIALS


def test_keys_of_another_generator_and_data_of_any_leaves():
    keys = jax.random.split(jax.random.key(3, impl="rbg"), 5)
    data = {"key": jax.random.key(1), "number": 2.0, "none": None, "host": np.arange(3)}

    def draw(key, hparams, data):
        noise = jax.random.uniform(key) + jax.random.uniform(data["key"])
        return noise * data["number"] + data["host"].sum().astype(jnp.float32)

    # One by one: this generator draws other numbers under vmap, which JAX documents.
    found = map_trials(draw, keys, {}, data, execution=Execution(num_devices=1, chunk=1))
    expected = [2 * (jax.random.uniform(key) + jax.random.uniform(jax.random.key(1))) + 3 for key in keys]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
