"""Experiments, competition: the work: a sweep a method, costs, ceilings, and then a closer look at what was chosen."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from experiments.competition import diagnosis
from experiments.competition.ceiling import ceiling_row
from experiments.competition.columns import PUBLISHED
from experiments.competition.config import Config
from experiments.competition.cost import BASELINE, cost_rows
from experiments.competition.data import TARGET, catalogue, fixed
from experiments.competition.diagnosis import ALONE, TWIN
from experiments.competition.methods import BASIC, METHODS
from experiments.competition.tables import chosen_trials, shown
from experiments.competition.trial import SHARED, make_trial
from experiments.harness import Item, Rows, Sweep, UserError, input_errors
from mmjax import sweep

LOOKED_AT = (BASELINE, "MCR")
"""Methods that are looked at more closely, beside the one of the lowest validation loss."""
Grid = Mapping[str, Sequence[float]]


def items(config: Config) -> Mapping[str, Item]:
    """Return, for each data set and head, a sweep a method, and what these cost; and what additive fusion can know."""
    _check(config)
    found: dict[str, Item] = {}
    for data, head in _cases(config):
        grids = {name: _grid(config, name) for name in config.methods if head in (METHODS[name].only or (head,))}
        for method, grid in grids.items():
            found[_key(data, head, method)] = _sweep(config, make_trial, data, head, method, grid)
        if grids:
            found[_key("cost", data, head)] = _cost(config, data, head, grids)
    if not found:
        raise UserError(f"none of {', '.join(config.methods)} is for the heads {', '.join(config.heads)}")
    for data in dict.fromkeys(data for data, _ in _cases(config)):
        if data not in catalogue() and not config.column and _num_modalities(config, data) == 2:
            ceiling = functools.partial(ceiling_row, data, ",".join(config.modalities), config.seed)
            found[_key("ceiling", data)] = ceiling
    return found


def followup(config: Config, rows: Rows) -> Mapping[str, Item]:
    """Return a closer look at the chosen models of some methods, for each data set and head with an ensemble."""
    best = chosen_trials(rows)
    found: dict[str, Item] = {}
    for data, head in _cases(config):
        group = best[(best["data"] == shown(data)) & (best["head"] == head)]
        chosen = {str(name): own.iloc[0] for name, own in group.groupby("method", sort=False)}
        if ALONE not in chosen or (config.column and not PUBLISHED[config.column].num_classes):
            continue
        twin = {TWIN + name: [float(chosen[ALONE][name])] for name in _grid(config, ALONE)}
        for method in _looked_at(group):
            own = {name: [float(chosen[method][name])] for name in _grid(config, method)}
            key = _key("look", data, head, method)
            found[key] = _sweep(config, diagnosis.make_trial, data, head, method, own | twin)
    return found


def _looked_at(group: pd.DataFrame) -> list[str]:
    """Return the methods among a data set's chosen trials that are looked at more closely."""
    lowest = group.groupby("method")["valid/loss"].mean().idxmin()
    names = dict.fromkeys(group["method"])
    return [str(name) for name in names if name in (*LOOKED_AT, lowest)]


def _cases(config: Config) -> Iterator[tuple[str, str]]:
    """Yield data set, or path of the user's file, and head."""
    names = [str(config.data.resolve())] if config.data else config.sets
    return ((data, head) for data in names for head in config.heads)


def _check(config: Config) -> None:
    """Refuse a file that does not hold what the configuration needs, and methods that its column has not.

    Raises:
      UserError: saying what is needed.
    """
    column = PUBLISHED[config.column] if config.column else None
    if column and not config.data:
        wanted = ", ".join(f"{name} {('n', *shape)}".replace("'", "") for name, shape in column.shapes.items())
        label = "label" if column.num_classes else f"label, and {TARGET} with the numbers to predict"
        raise UserError(f"preset {config.column} needs --data FILE.npz with {wanted} and {label}")
    if column and (foreign := [name for name in config.methods if name not in column.own]):
        raise UserError(f"preset {config.column} has {', '.join(column.own)}; got {', '.join(foreign)}")
    if config.data:
        with input_errors(config.data):
            _check_shapes(
                config, {name: x.shape[1:] for name, x in _fixed(config, str(config.data)).train.modalities.items()}
            )


def _check_shapes(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> None:
    if len(shapes) < 2:
        raise ValueError(f"fusion needs two modalities or more; got {', '.join(shapes)}")
    if config.column:
        published = PUBLISHED[config.column].shapes
        wrong = [
            name
            for name, shape in published.items()
            if (len(shapes[name]), shapes[name][-1]) != (len(shape), shape[-1])
        ]
        if wrong:
            said = ", ".join(f"{name} {shapes[name]} in place of {published[name]}" for name in wrong)
            raise ValueError(f"rank and last axis of a sample must be those of {config.column}; got {said}")


def _kind(shape: tuple[int, ...]) -> tuple[int, int]:
    return len(shape), shape[-1]


def _modalities(config: Config) -> str:
    return ",".join(PUBLISHED[config.column].shapes if config.column else config.modalities)


def _fixed(config: Config, data: str) -> Any:
    target = bool(config.column) and not PUBLISHED[config.column].num_classes
    return fixed(data, _modalities(config), config.seed, target=target)


def _num_modalities(config: Config, data: str) -> int:
    return len(_fixed(config, data).train.modalities)


def _grid(config: Config, method: str) -> Grid:
    """Return the hyper-parameters that a method chooses from, those of every method first."""
    if config.column:
        return {name: [value] for name, value in PUBLISHED[config.column].own[method].items()}
    return {**dict(zip(BASIC, (config.rates, config.decays), strict=True)), **METHODS[method].grid}


def _static(config: Config, data: str, head: str) -> dict[str, Any]:
    static = {name: getattr(config, name) for name in (*SHARED, "num_samples", "column")}
    return static | {"data": data, "modalities": _modalities(config), "head": head, "data_seed": config.seed}


def _sweep(config: Config, task: sweep.Task, data: str, head: str, method: str, grid: Grid) -> Sweep:
    static = _static(config, data, head) | {"method": method}
    space = sweep.Space(
        static=sweep.grid(**{name: [value] for name, value in static.items()}),
        traced=sweep.grid(**grid),
        num_seeds=config.num_seeds,
        seed=config.seed,
    )
    return Sweep(task, space, config.launch)


def _cost(config: Config, data: str, head: str, grids: Mapping[str, Grid]) -> Item:
    first = {method: {name: values[0] for name, values in grid.items()} for method, grid in grids.items()}
    joint = {BASELINE: {name: first[next(iter(first))][name] for name in BASIC}}
    return functools.partial(cost_rows, _static(config, data, head), joint | first, config.seed)


def _key(*words: str) -> str:
    """Return a file name; of a path, the word "data"."""
    return "-".join("data" if "/" in word or "\\" in word else word for word in words).replace(" ", "_")
