"""Data, world suites: worlds with their tasks, ready-made. Names of modalities are for reading only.

The suites are ours; the first is of the size that HighMMT (Liang et al. 2023, TMLR, arXiv 2203.01311) was studied at.
"""

from dataclasses import dataclass

from mmjax.data._modality_world import ModalityWorld, WorldModality
from mmjax.data._renderers import ImageRenderer, SequenceRenderer, SetRenderer, TableRenderer
from mmjax.data._world_rules import PAIR_RULES, MixedRule, QuadrantRule
from mmjax.data._world_tasks import WorldTask, check_task


@dataclass(frozen=True)
class WorldSuite:
    """A world and tasks of its modalities; hashable, so that it can be static."""

    world: ModalityWorld
    """The modalities."""
    tasks: tuple[WorldTask, ...]
    """The tasks, each of some of the modalities."""

    def __post_init__(self) -> None:
        """Refuse tasks that are not of this world."""
        names = [task.name for task in self.tasks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"a suite needs a task, and names of tasks must differ; got {', '.join(names)}")
        for task in self.tasks:
            check_task(self.world, task)


_IMAGE, _SEQUENCE, _SET, _TABLE = ImageRenderer(6, 6, 2), SequenceRenderer(8, 6), SetRenderer(8, 6), TableRenderer(12)

HETEROGENEITY_SUITE = WorldSuite(
    world=ModalityWorld(
        modalities=(
            WorldModality("camera", _IMAGE, cluster=0, noise=1.6),
            WorldModality("depth", _IMAGE, cluster=0, noise=1.6),
            WorldModality("thermal", _IMAGE, cluster=1, noise=1.6),
            WorldModality("audio", _SEQUENCE, cluster=0, noise=1.6),
            WorldModality("speech", _SEQUENCE, cluster=0, noise=1.6),
            WorldModality("force", _SEQUENCE, cluster=1, noise=1.6),
            WorldModality("lidar", _SET, cluster=2, noise=1.0),
            WorldModality("radar", _SET, cluster=2, noise=1.0),
            WorldModality("vitals", _TABLE, cluster=3, noise=0.7),
            WorldModality("laboratory", _TABLE, cluster=3, noise=0.7),
        ),
        num_factors=2,
    ),
    tasks=(
        WorldTask("place", ("camera",), QuadrantRule()),
        WorldTask("sound", ("audio",), QuadrantRule()),
        WorldTask("illness", ("vitals",), QuadrantRule()),
        WorldTask("scene", ("camera", "audio"), QuadrantRule()),
        WorldTask("speaker", ("depth", "speech"), QuadrantRule()),
        WorldTask("survey", ("lidar", "laboratory"), QuadrantRule()),
        WorldTask("drive", ("camera", "audio", "lidar"), QuadrantRule()),
        WorldTask("grasp", ("thermal", "force", "radar"), QuadrantRule()),
        WorldTask("caption", ("camera", "audio"), PAIR_RULES["unique1"]),
        WorldTask("command", ("depth", "speech"), PAIR_RULES["unique2"]),
        WorldTask("triage", ("lidar", "vitals"), PAIR_RULES["redundant"]),
        WorldTask("irony", ("camera", "audio"), PAIR_RULES["xor"]),
        WorldTask("humour", ("depth", "speech"), PAIR_RULES["xor"]),
        WorldTask("contact", ("thermal", "force"), PAIR_RULES["and"]),
        WorldTask("alarm", ("radar", "laboratory"), MixedRule(PAIR_RULES["xor"], PAIR_RULES["redundant"], share=0.5)),
    ),
)
"""10 modalities of 4 kinds, in 4 clusters and 6 groups, and 15 tasks of 1 to 3 of them: every rule, and every modality
in two tasks or more. "scene" and "speaker" are of one interaction class, and so are "irony" and "humour"."""

SEQUENCE_SUITE = WorldSuite(
    world=ModalityWorld(
        modalities=tuple(
            WorldModality(f"x{number + 1}", SequenceRenderer(length=6, channels=8), cluster, noise=0.7)
            for number, cluster in enumerate((0, 0, 0, 1, 1, 2))
        ),
        num_factors=2,
    ),
    tasks=tuple(WorldTask(f"y{number}", (f"x{number}",), QuadrantRule()) for number in range(1, 7)),
)
"""6 sequences in clusters of 3, 2 and 1, each with a task of its own of 4 classes: small, to find clusters in."""
