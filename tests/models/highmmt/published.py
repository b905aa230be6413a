"""The published settings whose numbers of parameters are known (arXiv 2203.01311v4, Tables 8-10, and its code)."""

from mmjax.models.highmmt import Architecture, Layout, ModalitySpec, TaskSpec

LARGE_MODALITIES = (
    ModalitySpec("static", (5,), 1),
    ModalitySpec("timeseries", (24, 12), 1),
    ModalitySpec("colorlessimage", (7, 7), 16),
    ModalitySpec("audiospec", (7, 7), 256),
    ModalitySpec("feature1", (50,), 35, num_bands=3),
    ModalitySpec("feature2", (50,), 74, num_bands=3),
    ModalitySpec("feature3", (50,), 300, num_bands=3),
    ModalitySpec("feature4", (20,), 371, num_bands=3),
    ModalitySpec("feature5", (20,), 81, num_bands=3),
)
LARGE = Layout(
    LARGE_MODALITIES,
    (
        TaskSpec("MIMIC", ("static", "timeseries"), 2),
        TaskSpec("AV-MNIST", ("colorlessimage", "audiospec"), 10),
        TaskSpec("MOSEI", ("feature1", "feature2", "feature3"), 2),
        TaskSpec("UR-FUNNY", ("feature4", "feature5", "feature3"), 2),
    ),
)
MEDIUM = Layout(
    tuple(ModalitySpec(name, (4, 4), 3) for name in ("image_1", "image_2"))
    + tuple(ModalitySpec(name, (4, 4), 1) for name in ("colorlessimage", "audiospec"))
    + tuple(ModalitySpec(name, (4,), 1) for name in ("gripper", "sensors", "image", "control")),
    (
        TaskSpec("ENRICO", ("image_1", "image_2"), 20),
        TaskSpec("AV-MNIST", ("colorlessimage", "audiospec"), 10),
        TaskSpec("Push", ("gripper", "sensors", "image", "control"), 2),
    ),
)
CHECKPOINT = Architecture(num_latents=16, width=32, head_size=32, embedding_width=10)
FINE_TUNED = Architecture(num_latents=10, width=16, head_size=16, embedding_width=10)
MEDIUM_SIZES = Architecture(num_latents=12, num_latent_heads=8, num_crossmodal_layers=2)
