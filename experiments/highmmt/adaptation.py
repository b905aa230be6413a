"""Experiments, HighMMT: what a model of many tasks is worth to one of them, and what one can do to the others."""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.harness import Rows
from experiments.highmmt.config import Config
from experiments.highmmt.setting import WHOLE, Setting, accuracy_program
from experiments.highmmt.training import from_nothing
from experiments.highmmt.worlds import by_part, draw, model_of, suite_of, true_plan
from mmjax.data import Batch, Splits
from mmjax.heterogeneity import SharingPlan
from mmjax.models.highmmt import HighMMT, Params
from mmjax.training import involvement, involvement_shares

NUM_SOURCES = (0, 1, 2, 3)
SHARES = (0.1, 0.3, 1.0)
"""Of the target's training samples."""
TARGET_WEIGHT = 3.0
"""Of the target's loss, where it is trained with all others."""
NUM_INVOLVED = 256
"""Samples of a task for the involvement of parameters."""
TRAINED_PARTS: Mapping[str, Sequence[str]] = {"all": WHOLE, "encoders": WHOLE[:1], "crossmodal stacks": WHOLE[1:2]}


def adapt(config: Config, seed: int) -> Rows:
    """Measure transfer to a new task, training on few samples of it, interference, and involvement of parameters."""
    suite, key = suite_of(config), jax.random.key(seed)
    model = model_of(config, suite)
    setting = Setting(config, model, by_part(draw(config, suite, seed)), from_nothing(model, key), key)
    plans = {"share all": model.layout.share_all(), "true groups": true_plan(suite, model.layout)}
    trained = {name: setting.fit(dict.fromkeys(setting.tasks, 1.0), plan=plan) for name, plan in plans.items()}
    rows = [
        *transfer(setting, seed),
        *few_samples(setting),
        *(row for name, plan in plans.items() for row in interfere(setting, name, plan, trained[name].params)),
        *involved(setting, trained["share all"].params),
    ]
    return [{"part": "adaptation", "seed": seed, **row} for row in rows]


def transfer(setting: Setting, seed: int) -> Rows:
    """Train on 0, 1, 2, ... other tasks, in random order, and then for one segment on few samples of the target."""
    target = setting.target
    others = [task for task in setting.tasks if task != target]
    order = np.random.default_rng(seed).permutation(others).tolist()
    few = with_share(setting.data, target, SHARES[0])
    rows = []
    for number in NUM_SOURCES:
        sources = dict.fromkeys(order[:number], 1.0)
        start = setting.fit(sources).params if sources else setting.start
        tuned_on = setting.fit({target: 1.0}, start=start, num_segments=1, data=few)
        rows.append({"study": "transfer", "sources": list(sources), "accuracy": tuned_on.accuracies[target]})
    return rows


def few_samples(setting: Setting) -> Rows:
    """Train with a share of the target's samples, alone and with all other tasks; its own validation loss chooses."""
    only = {setting.target: 1.0}
    ways = {"alone": only, "with all": dict.fromkeys(setting.tasks, 1.0) | {setting.target: TARGET_WEIGHT}}
    return [
        {
            "study": "few samples",
            "share": share,
            "way": way,
            "accuracy": setting.fit(
                weights, chosen=only, data=with_share(setting.data, setting.target, share)
            ).accuracies[setting.target],
        }
        for share in SHARES
        for way, weights in ways.items()
    ]


def interfere(setting: Setting, name: str, plan: SharingPlan, params: Params) -> Rows:
    """Train a model of all tasks on one with wrong labels and say what that does to all, for each task and part.

    One run trains all these models, each on its own task: each has copies of the groups that its task uses.
    """
    layout = setting.model.layout
    apart = own_copies(plan, [task for task, _ in layout.nodes], [task for task, _ in layout.pairs])
    copies = params | {part: _copied(params[part], own, of) for part, own, of in _groups(apart, plan)}
    accuracies = functools.partial(accuracy_program(setting.model), plan=plan.indices(), data=setting.data.test)
    before = accuracies(params)
    train, valid = (wrongly_labelled(setting.model, data) for data in (setting.data.train, setting.data.valid))
    wrong = Splits(train, valid, setting.data.test)
    rows: Rows = []
    for trained, parts in TRAINED_PARTS.items():
        ones = dict.fromkeys(setting.tasks, 1.0)
        fitted = setting.fit(ones, plan=apart, start=copies, parts=parts, num_segments=1, data=wrong).params
        for task in setting.tasks:
            after = accuracies(_with_copies(setting.model, plan, apart, params, fitted, task))
            changes = {other: float(after[other] - before[other]) for other in setting.tasks}
            rows.append({"study": "interference", "plan": name, "trained": trained, "task": task, "changes": changes})
    return rows


def involved(setting: Setting, params: Params) -> Rows:
    """Count in how many tasks each parameter of a model that shares all is involved."""
    model, samples = setting.model, jax.tree.map(lambda x: x[:NUM_INVOLVED], setting.data.test)
    used = params | {part: jax.tree.map(lambda leaf: leaf[:1], params[part]) for part in WHOLE[:2]}
    shares = involvement_shares(involvement_program(model)(used, samples))
    return [{"study": "involvement", "of": part, "shares": np.asarray(of).tolist()} for part, of in shares.items()]


@functools.lru_cache(maxsize=8)
def involvement_program(model: HighMMT) -> Callable[[Params, Mapping[str, Batch]], dict[str, Params]]:
    """Make the program of the involvement of parameters that all tasks share."""
    return jax.jit(lambda params, samples: involvement(model, params, model.layout.share_all(), samples))


def with_share(data: Splits, task: str, share: float) -> Splits:
    """Replace a task's training samples by so many of them, repeated, so that a step has as many as before."""
    train = data.train[task]
    total = train.weight.shape[0]
    places = jnp.arange(total) % max(1, round(share * total))
    return data._replace(train=data.train | {task: jax.tree.map(lambda x: x[places], train)})


def wrongly_labelled(model: HighMMT, data: Mapping[str, Batch]) -> dict[str, Batch]:
    """Return samples with the class after the true one as label."""
    return {
        task: batch._replace(label=(batch.label + 1) % model.layout.task(task).num_outputs)
        for task, batch in data.items()
    }


def own_copies(plan: SharingPlan, tasks_of_nodes: Sequence[str], tasks_of_pairs: Sequence[str]) -> SharingPlan:
    """Return the plan of groups that are shared within each task as before, but with no other task."""
    return SharingPlan.from_clusters(
        list(zip(tasks_of_nodes, plan.unimodal, strict=True)), list(zip(tasks_of_pairs, plan.crossmodal, strict=True))
    )


def _groups(apart: SharingPlan, plan: SharingPlan) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [("encoder", apart.unimodal, plan.unimodal), ("crossmodal", apart.crossmodal, plan.crossmodal)]


def _copied(params: Params, own: Sequence[int], groups: Sequence[int]) -> Params:
    """Return as many groups as there are nodes: copies for those that they use, and some for nothing."""
    origins = np.zeros(len(groups), int)
    origins[list(own)] = groups
    return jax.tree.map(lambda leaf: leaf[origins], params)


def _with_copies(
    model: HighMMT, plan: SharingPlan, apart: SharingPlan, params: Params, fitted: Params, task: str
) -> Params:
    """Put what one task's model has learned in the place of the groups and the head that it began with."""
    put = params | {"heads": params["heads"] | {task: fitted["heads"][task]}}
    owners = {"encoder": model.layout.nodes, "crossmodal": model.layout.pairs}
    for part, own, of in _groups(apart, plan):
        of_task = [(new, old) for new, old, (owner, _) in zip(own, of, owners[part], strict=True) if owner == task]
        if of_task:
            new, old = map(list, zip(*of_task, strict=True))
            put[part] = jax.tree.map(
                lambda x, y, new=new, old=old: _replaced(x, old, y[new]), params[part], fitted[part]
            )
    return put


def _replaced(x: np.ndarray, places: Sequence[int], values: np.ndarray) -> np.ndarray:
    changed = np.array(x)
    changed[places] = values
    return changed
