"""Room sweep: many trials as one compiled program, on as many devices as there are and as many at once as fit.

Each device maps over its share of the trials, `lanes` of them at a time by `vmap`. Where memory does not hold all
trials, the host calls the program chunk by chunk.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from numpy.typing import NDArray

from mmjax.sweep._errors import SweepError
from mmjax.sweep._memory import fewer_lanes
from mmjax.sweep._processes import fetched, placed, several

Tree = Any
TrialFn = Callable[[Array, Mapping[str, Array], Tree], Tree]
"""A trial as a pure function: `(key, hparams, data)` to a pytree of results, such as `Train.train`."""
AXIS = "trial"


@dataclasses.dataclass(frozen=True)
class Execution:
    """How trials are spread over devices and time; what is None follows from the memory that the compiler says."""

    num_devices: int | None = None
    """Devices to use; all by default."""
    chunk: int | None = None
    """Trials of one call of the program, rounded up to a multiple of the devices: all that fit."""
    lanes: int | None = None
    """Trials that a device runs at once: all of its share, or one where that is faster (wide models on a CPU)."""
    memory_limit: int | None = None
    """Bytes that a device may use; by default 80 % of what is free."""

    def __post_init__(self) -> None:
        """Refuse sizes that do nothing."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{field.name} must be an integer, at least 1; got {value}")


class Program(NamedTuple):
    """A compiled program of `chunk` trials."""

    run: Callable[[NDArray[Any], Mapping[str, NDArray[Any]]], Tree]
    """From the data of keys (chunk, ...) and hyper-parameters (chunk,) to results (chunk, ...), as NumPy arrays."""
    chunk: int
    lanes: int


def map_trials(
    fn: TrialFn, keys: Array, hparams: Mapping[str, Any], data: Tree, *, execution: Execution | None = None
) -> Tree:
    """Run a function for many keys and hyper-parameters: `vmap` that pads, chunks and shards.

    Results are those of `fn` one by one up to rounding. Optimisation amplifies rounding: after many steps at a high
    learning rate, runs that agree to 1e-7 at first may differ in every digit.

    Args:
      fn: `(key, hparams, data)` to a pytree of arrays; pure. Called again, the same function is not compiled again.
      keys: typed PRNG keys (n,), n at least 1.
      hparams: name to numbers (n,).
      data: a pytree of arrays that all trials share.
      execution: devices, chunks, lanes, memory.

    Returns:
      the results, each array with a new first axis (n,), in the host's memory.

    Raises:
      SweepError: for more devices than there are, or where not even one trial fits the memory limit.
    """
    chex.assert_rank(keys, 1)
    columns = {name: np.asarray(column, float) for name, column in hparams.items()}
    chex.assert_shape(list(columns.values()), keys.shape)
    program = compile_trials(fn, keys, list(columns), data, num_trials=keys.shape[0], execution=execution)
    parts = [out for _, out in run_chunks(program, keys, columns)]
    return jax.tree.map(lambda *x: np.concatenate(x), *parts)


def run_chunks(program: Program, keys: Array, hparams: Mapping[str, NDArray[Any]]) -> Iterator[tuple[slice, Tree]]:
    """Run trials chunk by chunk, the last one filled up with copies of the last trial.

    Yields:
      which trials these are, and their results.
    """
    words = np.asarray(jax.random.key_data(keys))
    num_trials = len(words)
    for start in range(0, num_trials, program.chunk):
        rows = np.minimum(np.arange(start, start + program.chunk), num_trials - 1)
        out = program.run(words[rows], {name: column[rows] for name, column in hparams.items()})
        stop = min(start + program.chunk, num_trials)
        yield slice(start, stop), jax.tree.map(lambda x, length=stop - start: x[:length], out)


def compile_trials(
    fn: TrialFn, keys: Array, fields: Sequence[str], data: Tree, *, num_trials: int, execution: Execution | None = None
) -> Program:
    """Compile a function for chunks of trials; compiled programs are kept, so that a second call costs nothing.

    Args:
      fn: as for `map_trials`.
      keys: any keys of the kind that the trials have.
      fields: names of the hyper-parameters.
      data: as for `map_trials`.
      num_trials: how many there are.
      execution: as for `map_trials`.

    Returns:
      the program.

    Raises:
      SweepError: as for `map_trials`.
    """
    if num_trials < 1 or not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        raise ValueError(
            f"expected typed keys (n,), as jax.random.key makes them, n >= 1; got {keys.dtype}{keys.shape}"
        )
    execution = execution or Execution()
    mesh = _mesh(execution.num_devices)
    share = -(-min(execution.chunk or num_trials, num_trials) // mesh.size)
    lanes = min(execution.lanes or share, share)
    data = jax.tree.map(jnp.asarray, data)
    shapes = _Shapes.of(keys, fields, data)
    while True:
        compiled = _compiled(fn, shapes, mesh, share, lanes)
        fewer = fewer_lanes(
            compiled,
            lanes,
            num_devices=len(mesh.local_devices),
            memory_limit=execution.memory_limit,
            mind_cache=execution.lanes is None,
        )
        if fewer == lanes:
            return _program(compiled, data, mesh, share, lanes)
        lanes, share = fewer, share if execution.chunk else fewer


class _Shapes(NamedTuple):
    """What a program is compiled for, hashable."""

    key: Any
    words: tuple[int, ...]
    fields: tuple[str, ...]
    number: Any
    leaves: tuple[tuple[tuple[int, ...], Any], ...]
    structure: Any

    @classmethod
    def of(cls, keys: Array, fields: Sequence[str], data: Tree) -> "_Shapes":
        leaves, structure = jax.tree.flatten(data)
        return cls(
            key=jax.random.key_impl(keys),
            words=jax.random.key_data(keys).shape[1:],
            fields=tuple(fields),
            number=jnp.result_type(float),
            leaves=tuple((x.shape, x.dtype) for x in leaves),
            structure=structure,
        )


_COMPILED: WeakKeyDictionary[TrialFn, dict[Any, jax.stages.Compiled]] = WeakKeyDictionary()
"""Programs of functions that are still in use."""


def _compiled(fn: TrialFn, shapes: _Shapes, mesh: Mesh, share: int, lanes: int) -> jax.stages.Compiled:
    config: Any = jax.config  # its attributes are made at run time
    precision = config.jax_default_matmul_precision
    programs = _COMPILED.setdefault(fn, {})
    key = (shapes, mesh, share, lanes, precision)
    if key not in programs:
        programs[key] = _compile(fn, shapes, mesh, share, lanes)
    return programs[key]


def _compile(fn: TrialFn, shapes: _Shapes, mesh: Mesh, share: int, lanes: int) -> jax.stages.Compiled:
    def of_device(words: Array, hparams: Mapping[str, Array], data: Tree) -> Tree:
        def one(trial: tuple[Array, Mapping[str, Array]]) -> Tree:
            return fn(jax.random.wrap_key_data(trial[0], impl=shapes.key), trial[1], data)

        if lanes >= share:
            return jax.vmap(one)((words, hparams))
        return jax.lax.map(one, (words, hparams), batch_size=lanes if lanes > 1 else None)

    each, same = PartitionSpec(AXIS), PartitionSpec()
    sharded = jax.shard_map(of_device, mesh=mesh, in_specs=(each, each, same), out_specs=each, check_vma=False)

    def abstract(shape: tuple[int, ...], dtype: Any, spec: PartitionSpec) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=NamedSharding(mesh, spec))

    num_trials = share * mesh.size
    data = jax.tree.unflatten(shapes.structure, [abstract(shape, dtype, same) for shape, dtype in shapes.leaves])
    numbers = {name: abstract((num_trials,), shapes.number, each) for name in shapes.fields}
    return jax.jit(sharded).lower(abstract((num_trials, *shapes.words), jnp.uint32, each), numbers, data).compile()


def _program(compiled: jax.stages.Compiled, data: Tree, mesh: Mesh, share: int, lanes: int) -> Program:
    each = NamedSharding(mesh, PartitionSpec(AXIS))
    everywhere = placed(data, NamedSharding(mesh, PartitionSpec()))

    def run(words: NDArray[Any], hparams: Mapping[str, NDArray[Any]]) -> Tree:
        numbers = {name: column.astype(jnp.result_type(float)) for name, column in hparams.items()}
        return fetched(compiled(*placed((words, numbers), each), everywhere))

    return Program(run, share * mesh.size, lanes)


def _mesh(num_devices: int | None) -> Mesh:
    devices = jax.devices()
    if num_devices is not None and num_devices > len(devices):
        raise SweepError(
            f"{num_devices} devices asked for, {len(devices)} present ({devices[0].device_kind}); ask for fewer, or on "
            f"a CPU set XLA_FLAGS=--xla_force_host_platform_device_count={num_devices}"
        )
    if num_devices is not None and num_devices < len(devices) and several():
        raise SweepError(f"several processes use all their devices, {len(devices)}; got {num_devices}")
    chosen = devices[: num_devices or len(devices)]
    return jax.make_mesh((len(chosen),), (AXIS,), axis_types=(AxisType.Auto,), devices=chosen)
