import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mmjax"
FLOORS = {
    "lanes": -1,  # no mathematics: how kernels are batched, for floor 0 too
    "numerics": 0,
    "linalg": 0,
    "lane_systems": 0,
    "information": 1,
    "estimators": 1,
    "correlation": 1,
    "coupling": 2,
    "pid": 2,
    "synergy": 3,
    "competition": 3,
    "heterogeneity": 3,
    "models": 4,
    "data": 4,
    "training": 5,
    "sweep": 6,
}
FLAX_FLOOR = 4
LAZY = (
    "flax",
    "orbax",
    "tensorflow_datasets",
    "tensorflow",
    "matplotlib",
    "sklearn",
    "pandas",
    "experiments",
)


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Full names of all that a module of `package` imports; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(source: str, room: str, package: str) -> list[str]:
    """What a room's module imports against the rules of the house."""
    found = []
    for module in imported_modules(source, package):
        first, *rest = module.split(".")
        if first == "experiments":
            found.append(f"{room} imports {module}: the library never imports experiments")
        elif first == "flax" and FLOORS[room] < FLAX_FLOOR:
            found.append(f"{room} imports {module}: Flax lives on floor {FLAX_FLOOR}")
        elif first == "mmjax":
            other = rest[0] if rest else "mmjax"
            if other not in FLOORS:
                found.append(f"{room} imports {module}: import rooms by name")
            elif other != room and FLOORS[other] >= FLOORS[room]:
                found.append(f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})")
    return found


def room_files() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def words_printed_by(program: str) -> list[str]:
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("path", room_files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_rooms_on_lower_floors(path):
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    assert violations(path.read_text(), room_of(path), package) == []


def test_every_room_has_a_floor_and_is_offered_by_the_package():
    rooms = {room_of(path) for path in room_files()}
    offered = set(words_printed_by("import mmjax; print(*dir(mmjax))")) - {"__version__"}
    assert rooms <= set(FLOORS)
    assert offered == rooms


@pytest.mark.parametrize(
    ("room", "planted"),
    [
        ("pid", "from mmjax import synergy"),
        ("pid", "from mmjax.synergy import bounds"),
        ("pid", "import mmjax.synergy"),
        ("pid", "import mmjax.synergy as s"),
        ("pid", "from .. import synergy"),
        ("pid", "from ..synergy._bounds import bounds"),
        ("pid", "from mmjax import coupling"),
        ("pid", "def late():\n    from mmjax.training import run"),
        ("pid", "import mmjax"),
        ("pid", "from mmjax import *"),
        ("lanes", "from mmjax import numerics"),
        ("synergy", "from flax import linen as nn"),
        ("synergy", "import flax.linen"),
        ("data", "from experiments import harness"),
        ("sweep", "import experiments.harness"),
    ],
)
def test_a_planted_violation_is_found(room, planted):
    assert len(violations(planted, room, f"mmjax.{room}")) == 1


@pytest.mark.parametrize(
    ("room", "allowed"),
    [
        ("pid", "from mmjax import information, numerics\nfrom mmjax.lanes import map_chunks"),
        ("pid", "from ._broja import broja\nfrom mmjax.pid._broja import broja\nfrom . import _broja"),
        ("pid", "from .. import numerics\nfrom ..information import entropy"),
        ("models", "import flax.linen as nn\nimport jax"),
    ],
)
def test_what_the_house_allows_is_no_violation(room, allowed):
    assert violations(allowed, room, f"mmjax.{room}") == []


def test_the_package_and_its_lower_rooms_load_nothing_heavy():
    lower = [room for room in {room_of(path) for path in room_files()} if FLOORS[room] < FLAX_FLOOR]
    program = f"import mmjax, sys; [getattr(mmjax, room) for room in {lower}]; print(*sys.modules)"
    loaded = {module.split(".")[0] for module in words_printed_by(program)}
    assert {"mmjax", "jax"} <= loaded
    assert loaded.isdisjoint(LAZY)


def test_the_bare_package_loads_no_room():
    loaded = words_printed_by("import mmjax, sys; print(*sys.modules)")
    assert "mmjax" in loaded
    assert not [module for module in loaded if module.startswith("mmjax.")]
