"""Models, HighMMT: one model of any modalities and tasks, as pure functions of its parameters.

Liang, Lyu, Fan, Tsaw, Liu, Mo, Yogatama, Morency, Salakhutdinov 2023, "High-Modality Multimodal Transformer:
Quantifying Modality & Interaction Heterogeneity for High-Modality Representation Learning", TMLR, arXiv 2203.01311.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array

from mmjax.heterogeneity import PlanIndices, SharingPlan
from mmjax.models._presence import check_modalities, zero_where_absent
from mmjax.models.highmmt._architecture import Absence, Architecture
from mmjax.models.highmmt._fusion import fuse_pairs
from mmjax.models.highmmt._grouped import Groups, by_group
from mmjax.models.highmmt._layout import Layout
from mmjax.models.highmmt._standardise import Tokens, standardise

Plan = SharingPlan | PlanIndices
Params = dict[str, Any]
PerNode = Mapping[str, Mapping[str, Any]]
"""Task to modality to something."""
Node = tuple[str, str]
"""A task and a modality."""


@dataclasses.dataclass(frozen=True)
class HighMMT:
    """A model of any modalities and tasks, by its sizes and its layout; static and hashable.

    Every modality becomes tokens of one width and is read into latents by the encoder of its group; the latents of
    each ordered pair pass the crossmodal stack of the pair's group; the task's head reads the last latents. Tasks may
    have few of the modalities, and samples may lack some: what an absent one holds changes nothing.

    The methods are pure and work under jit, grad, scan, and vmap over keys, parameters and traced plans. Parameters
    are a dict: "encoder" and "crossmodal" with a leading axis of groups, "heads" with each task's head by its name,
    and with `Absence.LEARNED` "absent" (slots, num_latents, width). A plan says which group each of `layout.nodes`
    and `layout.pairs` uses: a `SharingPlan` is static, `PlanIndices` may be traced. Nodes whose arrays have equal
    shapes are computed together, of all tasks.
    """

    architecture: Architecture
    layout: Layout

    def init(self, key: Array, *, num_unimodal_groups: int = 1, num_crossmodal_groups: int = 1) -> Params:
        """Draw new parameters, float32, each group its own."""
        encoder_key, crossmodal_key, heads_key, absent_key = jax.random.split(key, 4)
        sizes, layout = self.architecture, self.layout
        latents = jnp.zeros((1, sizes.num_latents, sizes.width))
        tokens = Tokens(jnp.zeros((1, 1, layout.input_width)), jnp.ones((1, 1), bool), jnp.zeros(1, jnp.int32))
        params = {
            "encoder": _init_groups(encoder_key, num_unimodal_groups, sizes.encoder(layout.slots), *tokens),
            "heads": {
                task.name: _init(jax.random.fold_in(heads_key, place), *self._head(task.name))
                for place, task in enumerate(layout.tasks)
            },
        }
        if layout.pairs:
            crossmodal = sizes.crossmodal()
            params["crossmodal"] = _init_groups(crossmodal_key, num_crossmodal_groups, crossmodal, latents, latents)
        if sizes.absence is Absence.LEARNED:
            params["absent"] = jax.random.normal(absent_key, (layout.slots, *latents.shape[1:]))
        return params

    def tokens(self, modalities: PerNode, masks: PerNode | None = None) -> dict[str, dict[str, Tokens]]:
        """Bring arrays to tokens.

        Args:
          modalities: task to modality to array (batch, *axes, channels); some of the tasks.
          masks: task to modality to bools (batch,), False where it is absent from the sample, or (batch, tokens),
            False where padded; modalities without a mask are present.

        Returns:
          task to modality to tokens.

        Raises:
          ValueError: if there is no such task, or the modalities are not those of the task.
        """
        self._check(modalities)
        return {
            task: {
                name: standardise(self.layout, name, of_task[name], (masks or {}).get(task, {}).get(name))
                for name in sorted(of_task)
            }
            for task, of_task in modalities.items()
        }

    def encode(self, params: Params, tokens: PerNode, plan: Plan) -> dict[str, dict[str, Array]]:
        """Read tokens into latents, task to modality to (batch, num_latents, width), float32."""
        self._check(tokens)
        encoder = self.architecture.encoder(self.layout.slots)

        def read(group: Any, of: Tokens) -> Array:
            return encoder.apply({"params": group}, *of)  # type: ignore[return-value]

        latents: dict[str, dict[str, Array]] = {task: {} for task in tokens}
        for nodes in _alike(tokens, lambda of: of.values.shape):
            groups = _chosen(plan.unimodal, self.layout.nodes, nodes, "nodes")
            stacked = jax.tree.map(lambda *x: jnp.stack(x), *(tokens[task][name] for task, name in nodes))
            for (task, name), z in zip(nodes, by_group(read, params["encoder"], groups, stacked), strict=True):
                latents[task][name] = z
        return latents

    def fuse(self, params: Params, latents: PerNode, present: PerNode, plan: Plan) -> dict[str, Array]:
        """Fuse latents into logits.

        Args:
          params: parameters.
          latents: task to modality to (batch, num_latents, width), as `encode` gives them.
          present: task to modality to bools (batch,); latents that are not present do not matter.
          plan: which crossmodal stack each pair uses.

        Returns:
          task to logits (batch, num_outputs), float32.
        """
        self._check(latents)
        filled = {
            task: {name: self._fill(params, name, z, present[task][name]) for name, z in of_task.items()}
            for task, of_task in latents.items()
        }
        fused = self._fuse_pairs(params, filled, plan)
        logits = {}
        for task in latents:
            head, *_ = self._head(task)
            tokens, mask = self._head_tokens(task, filled[task], fused.get(task), present[task])
            logits[task] = head.apply({"params": params["heads"][task]}, tokens, mask)
        return logits  # type: ignore[return-value]

    def apply(self, params: Params, modalities: PerNode, plan: Plan, masks: PerNode | None = None) -> dict[str, Array]:
        """Compute the logits of some tasks, task to (batch, num_outputs), float32; arguments as for `tokens`."""
        return self.apply_tokens(params, self.tokens(modalities, masks), plan)

    def apply_tokens(self, params: Params, tokens: PerNode, plan: Plan) -> dict[str, Array]:
        """Compute the logits of tokens, task to (batch, num_outputs), float32; a modality without one is absent."""
        present = {
            task: {name: jnp.any(of.mask, axis=1) for name, of in of_task.items()} for task, of_task in tokens.items()
        }
        return self.fuse(params, self.encode(params, tokens, plan), present, plan)

    def _fuse_pairs(self, params: Params, latents: PerNode, plan: Plan) -> dict[str, Array]:
        """Return task to the last latents of its ordered pairs (pairs, batch, width), if it has any."""
        fused: dict[str, Array] = {}
        for nodes in _alike(latents, lambda z: z.shape):  # of one task all or none, as its latents have one shape
            place = {node: row for row, node in enumerate(nodes)}
            tasks = dict.fromkeys(task for task, _ in nodes)
            pairs = [(task, *pair) for task in tasks for pair in self.layout.task(task).ordered_pairs]
            if pairs:
                unordered = [(task, (min(pair), max(pair))) for task, *pair in pairs]
                last = fuse_pairs(
                    self.architecture.crossmodal(),
                    params["crossmodal"],
                    _chosen(plan.crossmodal, self.layout.pairs, unordered, "pairs"),
                    jnp.stack([latents[task][name] for task, name in nodes]),
                    np.array([[place[task, name] for name in pair] for task, *pair in pairs]),
                )
                counts = [len(self.layout.task(task).ordered_pairs) for task in tasks]
                fused |= zip(tasks, jnp.split(last, np.cumsum(counts)[:-1]), strict=True)
        return fused

    def _fill(self, params: Params, name: str, latents: Array, present: Array) -> Array:
        """Put in what stands for the latents of samples without the modality."""
        if self.architecture.absence is not Absence.LEARNED:
            return zero_where_absent(latents, present)
        absent = params["absent"][self.layout.slot(name)]
        return jnp.where(present[:, None, None], latents, absent[None])

    def _head(self, task: str) -> tuple[nn.Module, Array, Array]:
        """Return a task's head and an example of what it sees."""
        spec = self.layout.task(task)
        zeros = {
            name: jnp.zeros((1, self.architecture.num_latents, self.architecture.width)) for name in spec.modalities
        }
        fused = jnp.zeros((len(spec.ordered_pairs), 1, self.architecture.width))
        present = {name: jnp.ones(1, bool) for name in spec.modalities}
        return self.architecture.head(spec.num_outputs), *self._head_tokens(task, zeros, fused, present)

    def _head_tokens(
        self, task: str, latents: Mapping[str, Array], fused: Array | None, present: Mapping[str, Array]
    ) -> tuple[Array, Array]:
        """Return what a task's head sees, tokens (batch, n, width), and which of them are present (batch, n)."""
        names, pairs = self.layout.task(task).modalities, self.layout.task(task).ordered_pairs
        if not pairs and not self.architecture.head.own:
            own = jnp.concatenate([latents[name] for name in names], axis=1)
            return own, jnp.ones(own.shape[:2], bool)
        there = jnp.stack([present[name] for name in names], axis=1)
        tokens, masks = [], []
        if self.architecture.head.own:
            tokens.append(jnp.stack([latents[name][:, -1] for name in names], axis=1))
            masks.append(there)
        if pairs and fused is not None:
            queries, contexts = (np.array([names.index(pair[side]) for pair in pairs]) for side in (0, 1))
            tokens.append(jnp.swapaxes(fused, 0, 1))
            masks.append(there[:, queries] & there[:, contexts])
        mask = jnp.concatenate(masks, axis=1)
        whole = self.architecture.absence is not Absence.DROP
        return jnp.concatenate(tokens, axis=1), jnp.ones_like(mask) if whole else mask

    def _check(self, of: PerNode) -> None:
        for task in of:
            check_modalities(of[task], self.layout.task(task).modalities)


def _init(key: Array, module: nn.Module, *example: Array) -> Any:
    return module.init(key, *example)["params"]


def _init_groups(key: Array, num_groups: int, module: nn.Module, *example: Array) -> Any:
    return jax.vmap(lambda key: _init(key, module, *example))(jax.random.split(key, num_groups))


def _alike(of: PerNode, shape_fn: Callable[[Any], Any]) -> list[list[Node]]:
    """Return the nodes in lists of equal shape."""
    lists: dict[Any, list[Node]] = {}
    for task in of:
        for name in sorted(of[task]):
            lists.setdefault(shape_fn(of[task][name]), []).append((task, name))
    return list(lists.values())


def _chosen(groups: Groups, all_members: Sequence[Any], members: Iterable[Any], kind: str) -> Groups:
    """Return the groups of some members, static if the groups are."""
    if len(groups) != len(all_members):
        raise ValueError(f"the plan has groups of {len(groups)} {kind}; the layout has {len(all_members)}")
    places = [all_members.index(member) for member in members]
    return tuple(groups[place] for place in places) if isinstance(groups, tuple) else groups[np.asarray(places)]
