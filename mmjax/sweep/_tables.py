"""Room sweep: from trials to a choice and to a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmjax.sweep._space import SEED
from mmjax.training import mean_interval, paired_interval

if TYPE_CHECKING:
    import pandas as pd


def select(
    trials: "pd.DataFrame",
    *,
    by: Sequence[str],
    over: Sequence[str],
    metric: str = "valid/loss",
    highest: bool = False,
) -> "pd.DataFrame":
    """Pick the best hyper-parameters of each group by the mean over seeds of a validation result.

    Args:
      trials: one row a trial, as `launch` and `read` give them.
      by: columns whose values are groups, each with a choice of its own, such as the method; none: one choice.
      over: columns to choose from, such as the learning rate.
      metric: the column to choose by; a point with a NaN in it, a run that diverged, is worse than any other, and so is
        one that lacks seeds which others of its group have.
      highest: whether more is better.

    Returns:
      the rows of the chosen points, all seeds; of equal points the first.

    Raises:
      ValueError: if `metric` is a test result, which must not choose, or a column is not there.
    """
    if "test" in metric.split("/"):
        raise ValueError(f"{metric} must not choose what it is to judge; choose by a validation result")
    _check_columns(trials, by, over, [metric])
    points = trials.groupby([*by, *over], sort=False, dropna=False)[metric]
    scores = points.agg(score=lambda x: x.mean(skipna=False), count="size").reset_index()
    sign = -1 if highest else 1
    scores["score"] = (sign * scores["score"]).fillna(float("inf"))
    ranked = scores.sort_values(["count", "score"], ascending=[False, True], kind="stable")
    chosen = ranked.drop_duplicates([*by])[[*by, *over]] if by else ranked.head(1)[[*over]]
    return trials.merge(chosen, on=[*by, *over]).reset_index(drop=True)


def summary(
    trials: "pd.DataFrame", *, by: Sequence[str], metrics: Sequence[str], level: float = 0.95
) -> "pd.DataFrame":
    """Average trials over seeds.

    Args:
      trials: one row a trial.
      by: columns whose values are rows of the result; none: one row.
      metrics: columns to average.
      level: of confidence of the intervals, which are Student's.

    Returns:
      the columns `by`, for each metric its mean and the ends "<metric> low" and "<metric> high", and "n", the trials.

    Raises:
      ValueError: if a column is not there.
    """
    import pandas as pd

    _check_columns(trials, by, metrics)
    groups = trials.groupby([*by], sort=False, dropna=False) if by else [((), trials)]
    rows = []
    for values, group in groups:
        row = dict(zip(by, values, strict=True))
        for metric in metrics:
            interval = mean_interval(group[metric], level=level)
            row |= {metric: interval.mean, f"{metric} low": interval.low, f"{metric} high": interval.high}
        rows.append({**row, "n": len(group)})
    return pd.DataFrame(rows)


def differences(
    trials: "pd.DataFrame", *, by: str, baseline: object, metric: str, level: float = 0.95
) -> "pd.DataFrame":
    """Compare the values of a column with one of them, paired by seed.

    Args:
      trials: one row a trial, one a seed for each value of `by`, such as `select` returns.
      by: the column that is compared, such as the method.
      baseline: the value with which the others are compared.
      metric: the result.
      level: of confidence.

    Returns:
      a row for each other value: it, "difference" (its mean minus the baseline's), "low", "high" and "n".

    Raises:
      ValueError: if a column or the baseline is not there, or the seeds differ.
    """
    import pandas as pd

    _check_columns(trials, [by], [SEED, metric])
    groups = {value: group.set_index(SEED)[metric] for value, group in trials.groupby(by, sort=False, dropna=False)}
    if baseline not in groups:
        raise ValueError(f"no trial has {by}={baseline!r}; there are {', '.join(map(str, groups))}")
    seeds = groups[baseline].index.sort_values()
    rows = []
    for value, results in groups.items():
        if not (results.index.is_unique and results.index.sort_values().equals(seeds)):
            raise ValueError(
                f"{by}={value!r} must have one row a seed, the seeds of {baseline!r}; select a point first"
            )
        if value != baseline:
            mean, low, high, count = paired_interval(results[seeds], groups[baseline][seeds], level=level)
            rows.append({by: value, "difference": mean, "low": low, "high": high, "n": count})
    return pd.DataFrame(rows)


def to_table(
    trials: "pd.DataFrame",
    *,
    by: Sequence[str],
    metrics: Sequence[str],
    level: float = 0.95,
    style: str = "github",
    digits: int = 3,
) -> str:
    """Write a table of means with intervals and numbers of trials.

    Args:
      trials: one row a trial.
      by: columns whose values are rows of the table.
      metrics: columns to average; written as "mean [low, high]".
      level: of confidence.
      style: one of tabulate's: "github" for Markdown, "latex_booktabs" for LaTeX, ...
      digits: decimals.

    Returns:
      the table.

    Raises:
      ValueError: if a column is not there, or there is no such style.
    """
    from tabulate import tabulate, tabulate_formats

    if style not in tabulate_formats:
        raise ValueError(f"no style {style!r}; there are {', '.join(tabulate_formats)}")
    means = summary(trials, by=by, metrics=metrics, level=level)
    written = means[[*by]].copy()
    for metric in metrics:
        written[metric] = [
            f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
            for mean, low, high in zip(means[metric], means[f"{metric} low"], means[f"{metric} high"], strict=True)
        ]
    written["n"] = means["n"]
    sides = ["left"] * len(by) + ["right"] * (len(metrics) + 1)
    return tabulate(written, headers="keys", tablefmt=style, showindex=False, disable_numparse=True, colalign=sides)


def _check_columns(trials: "pd.DataFrame", *names: Sequence[str]) -> None:
    if any(isinstance(columns, str) for columns in names):
        raise ValueError(f"columns come as a list of names; got {', '.join(c for c in names if isinstance(c, str))}")
    lacking = [name for columns in names for name in columns if name not in trials]
    if lacking:
        raise ValueError(f"no column {', '.join(lacking)}; there are {', '.join(trials)}")
