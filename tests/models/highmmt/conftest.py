"""What the tests of HighMMT share."""

import jax
import pytest

from mmjax.models.highmmt import Architecture, Layout, ModalitySpec, TaskSpec

LAYOUT = Layout(
    (
        ModalitySpec("video", (3, 2), 4, num_bands=2),
        ModalitySpec("audio", (6,), 3, num_bands=2),
        ModalitySpec("table", (5,), 1, num_bands=None),
    ),
    (
        TaskSpec("mood", ("video", "audio", "table"), 3),
        TaskSpec("speaker", ("audio", "video"), 2),
        TaskSpec("age", ("table",), 1),
    ),
)
SIZES = Architecture(num_latents=3, width=8, head_size=4, num_latent_heads=2, num_crossmodal_heads=2)


@pytest.fixture
def layout() -> Layout:
    """Return three modalities, two of six tokens, and three tasks."""
    return LAYOUT


@pytest.fixture
def sizes() -> Architecture:
    """Return a small architecture."""
    return SIZES


@pytest.fixture
def inputs() -> dict[str, dict[str, jax.Array]]:
    """Return a batch of four samples for each task."""
    return {
        task.name: {
            name: jax.random.normal(
                jax.random.fold_in(jax.random.key(place), LAYOUT.slot(name)),
                (4, *LAYOUT.modality(name).axes, LAYOUT.modality(name).channels),
            )
            for name in task.modalities
        }
        for place, task in enumerate(LAYOUT.tasks)
    }
