"""What every test runs under: eight CPU devices, no silent broadcasting between ranks or dtypes.

Settings that JAX reads once are made here, before anything imports it. `MMJAX_TEST_PLATFORM=cuda` runs the
suite on an accelerator instead; `XLA_FLAGS=--xla_cpu_use_fusion_emitters=true` compiles as users do, which takes twice
as long; `MMJAX_REFERENCE` names the folder of reference material.
"""

import gc
import importlib.util
import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PLATFORM = os.environ.get("MMJAX_TEST_PLATFORM", "cpu")
MAX_WORKERS = 8
MANY_MAPS = 15_000

FUSION_EMITTERS = "xla_cpu_use_fusion_emitters"
"""A flag of XLA's; without these emitters programs compile twice as fast."""


def known_to_xla(flag: str) -> bool:
    """Say whether the installed XLA has a flag; one that it does not know ends the process."""
    spec = importlib.util.find_spec("jaxlib")
    assert spec is not None and spec.origin is not None
    for library in Path(spec.origin).parent.glob("*jax_common*"):
        with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(flag.encode()) >= 0:
                return True
    return False


os.environ["JAX_PLATFORMS"] = PLATFORM
if PLATFORM == "cpu":
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()
    if FUSION_EMITTERS not in flags and known_to_xla(FUSION_EMITTERS):  # workers inherit the first one's answer
        flags += f" --{FUSION_EMITTERS}=false"
    os.environ["XLA_FLAGS"] = flags
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    # Workers and subprocesses inherit the variable, so each program is compiled once a run.
    _cache = tempfile.TemporaryDirectory(prefix="mmjax-compiled-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"

import jax  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker a core for the whole suite; none for named files, which start faster in this process."""
    whole_suite = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    return min(MAX_WORKERS, os.cpu_count() or 1) if whole_suite else 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if PLATFORM == "cpu":
        skip = pytest.mark.skip(reason="needs an accelerator: set MMJAX_TEST_PLATFORM=cuda")
        for item in items:
            if "device" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs() -> Iterator[None]:
    """Free compiled programs in time: each is mapped into memory, and Linux maps 65530 pieces a process."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_text().splitlines()) > MANY_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def quickly_compiled() -> Iterator[None]:
    """Programs that run once or a few times are not worth optimising; from its first use to the end of the module."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="module")
def optax_promotes() -> Iterator[None]:
    """Optax multiplies numbers of different dtypes, which is forbidden here otherwise; to the end of the module."""
    with jax.numpy_dtype_promotion("standard"):
        yield


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference material: oracles, data, specs."""
    folder = os.environ.get("MMJAX_REFERENCE")
    if not folder:
        pytest.skip("needs the reference material: set MMJAX_REFERENCE to its folder")
    path = Path(folder)
    assert path.is_dir(), f"MMJAX_REFERENCE is no folder: {folder}"
    return path


@pytest.fixture
def float64() -> Iterator[None]:
    """Run the test in double precision."""
    with jax.enable_x64(True):
        yield
