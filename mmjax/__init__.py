"""mmjax: what several modalities know about a task, as pure JAX functions.

Rooms load when they are first used, so `import mmjax` costs what `import jax` costs.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_ROOMS = (
    "competition",
    "correlation",
    "coupling",
    "data",
    "estimators",
    "heterogeneity",
    "information",
    "lane_systems",
    "lanes",
    "linalg",
    "models",
    "numerics",
    "pid",
    "sweep",
    "synergy",
    "training",
)
__all__ = [*_ROOMS, "__version__"]


def __getattr__(name: str) -> ModuleType:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
