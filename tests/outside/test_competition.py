"""Coefficients of the strategies against the trainers of BalanceBenchmark (arXiv 2502.10816) on identical numbers.

MMJAX_BALANCEBENCHMARK names the folder of a checkout of GeWu-Lab/BalanceBenchmark. One function or method of a trainer
is taken out of its file and run on stand-ins for the model and the batch, as the package needs libraries of its own.
Where its code is not what it is meant to be, the test shows it.
"""

import __future__

import ast
import collections
import copy
import itertools
import math
import os
import re
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mmjax.competition._agm import agm_coefficients
from mmjax.competition._gradient_blending import gain_ratios
from mmjax.competition._k_means import purity
from mmjax.competition._mla import orthogonal_projection
from mmjax.competition._mmcosine import cosine_logits
from mmjax.competition._mmpareto import mmpareto_weight
from mmjax.competition._ogm import ogm_coefficients
from mmjax.competition._pmr import pmr_coefficients, pmr_weights, prototype_similarities
from mmjax.competition._reconboost import boosting_losses, memory_losses
from mmjax.competition._shapley import shapley_values

pytestmark = [
    pytest.mark.outside,
    pytest.mark.usefixtures("float64"),
    pytest.mark.filterwarnings("ignore:invalid escape sequence"),  # in their files
]
torch = pytest.importorskip("torch", reason="needs torch: install the bench extra")

NUM_SAMPLES, NUM_CLASSES = 512, 4
NAMES = ("audio", "visual", "text")
cross_entropy = optax.softmax_cross_entropy_with_integer_labels


@pytest.fixture(scope="module")
def trainer():
    """`trainer(file, name, **more)`: a function, class or method of a trainer; `more` are names that it refers to."""
    folder = os.environ.get("MMJAX_BALANCEBENCHMARK")
    if not folder:
        pytest.skip("GeWu-Lab/BalanceBenchmark is no package: set MMJAX_BALANCEBENCHMARK to a clone of it")
    torch.set_default_dtype(torch.float64)
    yield lambda file, name, **more: _taken(Path(folder) / "balancemm" / "trainer" / file, name, more)
    torch.set_default_dtype(torch.float32)


def _taken(path, name, more):
    tree = ast.parse(path.read_text())
    (node,) = (node for node in ast.walk(tree) if getattr(node, "name", None) == name)
    flags = __future__.annotations.compiler_flag
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np, "math": math, "re": re}
    names |= {"defaultdict": collections.defaultdict, "deepcopy": copy.deepcopy} | more
    exec(compile(ast.Module([node], []), str(path), "exec", flags), names)
    return names[name]


class Model:
    """What trainers ask of a model, with outputs that are given; `calls` are the paddings it was asked for."""

    device, n_classes = "cpu", NUM_CLASSES

    def __init__(self, logits, latents=None, parameters=(), fc_out=None):
        self.modalitys = [name for name in logits if name != "output"]
        self.unimodal_result = {name: torch.tensor(u, requires_grad=True) for name, u in logits.items()}
        self.encoder_result = {name: torch.tensor(z, requires_grad=True) for name, z in (latents or {}).items()}
        self.fusion_module = SimpleNamespace(fc_out=fc_out)
        self.prediction = {}
        self.tensors = dict(parameters)

    def __call__(self, batch, **_):
        return self.unimodal_result

    def Unimodality_Calculate(self):
        return self.unimodal_result

    def named_parameters(self):
        return self.tensors.items()


def encoders(names):
    """A matrix for each encoder whose gradient is 1 everywhere, so that their noise, of its spread, is 1e-8."""
    made = {f"modality_encoder.{name}.weight": torch.nn.Parameter(torch.zeros(2, 2)) for name in names}
    for parameter in made.values():
        parameter.grad = torch.ones(2, 2)
    return made


def factors_of(model):
    """By how much the gradients of the encoders were multiplied."""
    return {name.split(".")[1]: float(parameter.grad.detach().mean()) for name, parameter in model.named_parameters()}


def drawn(num_modalities, seed=0):
    """Labels, and logits that are the less right the later the modality."""
    rng = np.random.default_rng(seed)
    label = rng.integers(NUM_CLASSES, size=NUM_SAMPLES)
    right = np.eye(NUM_CLASSES)[label]
    logits = {
        name: rng.normal(size=(NUM_SAMPLES, NUM_CLASSES)) + (1.5 - 0.6 * place) * right
        for place, name in enumerate(NAMES[:num_modalities])
    }
    return label, logits | {"output": sum(logits.values())}


def mean_scores(logits, label):
    return {n: jnp.mean(jax.nn.softmax(u)[jnp.arange(len(label)), label]) for n, u in logits.items() if n != "output"}


def in_jax(values):
    return {name: jnp.asarray(value) for name, value in values.items()}


def step(function, model, label, *more, epoch=5, **of_trainer):
    trainer = SimpleNamespace(current_epoch=epoch, modulation_starts=0, modulation_ends=80, **of_trainer)
    return function(trainer, model, {"label": torch.tensor(label)}, 0, *more)


def run_ogm(trainer, num_modalities, method):
    label, logits = drawn(num_modalities)
    model = Model(logits, parameters=encoders(NAMES[:num_modalities]))
    step(trainer("OGM_trainer.py", "training_step"), model, label, alpha=0.3, method=method)
    return factors_of(model), ogm_coefficients(mean_scores(logits, label), 0.3)


def test_ogm_of_two_modalities(trainer):
    theirs, ours = run_ogm(trainer, 2, "OGM_GE")
    assert ours["audio"] < 1 == ours["visual"]
    assert theirs == pytest.approx({name: float(x) for name, x in ours.items()}, abs=1e-6)


def test_ogm_without_noise_is_not_to_be_had_there(trainer):
    with pytest.raises(KeyError):
        run_ogm(trainer, 2, "OGM")


def test_ogm_of_three_modalities_means_only_the_last_ratio(trainer):
    """The division by the number of others is behind the loop: two ratios stay sums, and the last is right."""
    theirs, ours = run_ogm(trainer, 3, "OGM_GE3")
    label, logits = drawn(3)
    scores = {name: float(score) for name, score in mean_scores(logits, label).items()}
    sums = {name: sum(scores[name] / scores[other] for other in scores if other != name) for name in scores}
    expected = {name: 1 - np.tanh(0.3 * total) if total > 1 else 1 for name, total in sums.items()}
    assert theirs["text"] == pytest.approx(float(ours["text"]), abs=1e-6)
    assert {name: theirs[name] for name in ("audio", "visual")} == pytest.approx(
        {name: expected[name] for name in ("audio", "visual")}, abs=1e-6
    )
    assert theirs["audio"] < ours["audio"] - 0.1


@pytest.mark.parametrize("num_modalities", [2, 3])
def test_agm_has_the_sign_of_the_losses_reversed(trainer, num_modalities):
    """The same rule of minus the losses: the authors' own code slows what is ahead, and this one hurries it."""
    label, logits = drawn(num_modalities)
    names = NAMES[:num_modalities]
    means = {"audio": 1.1, "visual": 1.2, "text": 1.15}
    fc_out = SimpleNamespace(weight=SimpleNamespace(grad=torch.zeros(1)))
    model = Model(logits, parameters=encoders(names), fc_out=fc_out)
    outputs = {name: model.unimodal_result[name] for name in names}, model.unimodal_result["output"]

    class Shares:
        def __init__(self, model):
            self.model = model

        def __call__(self, batch):
            return outputs

    function = trainer("AGM_trainer.py", "training_step", newGrad=Shares)
    step(function, model, label, 100, {name: torch.tensor(means[name]) for name in names}, alpha=0.5)
    losses = {name: jnp.mean(cross_entropy(logits[name], label)) for name in names}
    usual = {name: jnp.asarray(means[name]) for name in names}
    reversed_ = agm_coefficients({n: -x for n, x in losses.items()}, {n: -x for n, x in usual.items()}, 0.5, 7)
    ours = agm_coefficients(losses, usual, 0.5, 7)
    assert factors_of(model) == pytest.approx({name: float(x) for name, x in reversed_.items()}, abs=1e-6)
    assert ours["audio"] < 1 < reversed_["audio"]


def test_agm_leaves_out_what_each_modality_has_alone(trainer):
    """Its shares lack the term of the empty set, so they do not add up to the logits; ours do."""
    rng = np.random.default_rng(0)
    values = {key: rng.normal(size=(5, 3)) for key in ((), ("a",), ("b",), ("a", "b"))}

    class Padded(Model):
        def __call__(self, batch, padding=()):
            key = tuple(name for name in ("a", "b") if name not in padding)
            self.unimodal_result = {"output": torch.tensor(values[key])}

        def eval(self):
            pass

        train = eval

    def combinations(names, include_empty):
        return [list(x) for r in range(1 - include_empty, len(names) + 1) for x in itertools.combinations(names, r)]

    new = trainer("AGM_trainer.py", "newGrad", generate_all_combinations=combinations)
    shares, _ = new.forward(SimpleNamespace(model=Padded({"a": values[()], "b": values[()]})), None)
    coalitions = (jnp.asarray(values[key]) for key in (("a",), ("b",), ("a", "b")))
    ours = shapley_values(jnp.stack([jnp.zeros((5, 3)), *coalitions]))
    np.testing.assert_allclose(jnp.sum(ours, axis=0), values[("a", "b")], atol=1e-12)
    for share, other, mine, name in zip(shares.values(), ("b", "a"), ours, ("a", "b"), strict=True):
        np.testing.assert_allclose(share, (values[("a", "b")] - values[(other,)]) / 2, atol=1e-12)
        np.testing.assert_allclose(mine - np.asarray(share), values[(name,)] / 2, atol=1e-12)


def prototypes(num_modalities):
    rng = np.random.default_rng(1)
    label, logits = drawn(num_modalities)
    means = {name: rng.normal(size=(NUM_CLASSES, 3)) for name in NAMES[:num_modalities]}
    latents = {
        name: means[name][label] + (0.5 + place) * rng.normal(size=(NUM_SAMPLES, 3))
        for place, name in enumerate(NAMES[:num_modalities])
    }
    known = jnp.ones(NUM_CLASSES, bool)
    similarities = {n: prototype_similarities(jnp.asarray(z), jnp.asarray(means[n]), known) for n, z in latents.items()}
    return label, logits, latents, means, similarities


def run_pmr(trainer, num_modalities):
    label, logits, latents, means, similarities = prototypes(num_modalities)
    function = trainer("PMR_trainer.py", "training_step", EU_dist=torch.cdist)
    model = Model(logits, latents, encoders(NAMES[:num_modalities]))
    proto = {name: torch.tensor(mean) for name, mean in means.items()}
    loss = step(function, model, label, proto, alpha=0.6, eta=0.3)
    return float(loss.detach()), factors_of(model), mean_scores(similarities, label), (label, logits, similarities)


def test_pmr_of_two_modalities(trainer):
    theirs, _, scores, (label, logits, similarities) = run_pmr(trainer, 2)
    weights = pmr_weights(scores, 0.6)
    assert weights["visual"] == 0.6 and weights["audio"] == 0
    drawn_to = sum(weights[name] * jnp.mean(cross_entropy(u, label)) for name, u in similarities.items())
    assert theirs == pytest.approx(float(jnp.mean(cross_entropy(logits["output"], label)) + drawn_to), abs=1e-6)


def test_pmr_of_three_modalities(trainer):
    _, theirs, scores, _ = run_pmr(trainer, 3)
    ours = pmr_coefficients(scores, 0.3)
    assert theirs == pytest.approx({name: float(x) for name, x in ours.items()}, abs=1e-6)
    assert sorted(theirs.values())[1] < 1


def test_pmr_distances_and_their_derivative_at_a_prototype(trainer):
    """Theirs is NaN where a latent is a prototype, as that of a class of one sample is."""
    rng = np.random.default_rng(2)
    z, means = rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    distances = trainer("PMR_trainer.py", "EU_dist")
    known = jnp.ones(4, bool)
    ours = prototype_similarities(jnp.asarray(z), jnp.asarray(means), known)
    np.testing.assert_allclose(-distances(torch.tensor(z), torch.tensor(means)), ours, atol=1e-6)
    at = torch.tensor(means[:1], requires_grad=True)
    distances(at, torch.tensor(means))[0, 0].backward()
    assert torch.isnan(at.grad).all()
    gradient = jax.grad(lambda z: prototype_similarities(z, jnp.asarray(means), known)[0, 0])(jnp.asarray(means[:1]))
    np.testing.assert_array_equal(gradient, np.zeros((1, 2)))


@pytest.mark.parametrize("num_modalities", [2, 3])
def test_mmcosine(trainer, num_modalities):
    rng = np.random.default_rng(3)
    label, logits = drawn(num_modalities)
    widths = dict(zip(NAMES[:num_modalities], (5, 3, 4), strict=False))
    latents = {name: rng.normal(size=(NUM_SAMPLES, width)) for name, width in widths.items()}
    weights = {name: rng.normal(size=(width, NUM_CLASSES)) for name, width in widths.items()}
    fc_out = SimpleNamespace(weight=torch.tensor(np.concatenate(list(weights.values())).T, requires_grad=True))
    model = Model(logits, latents | {"output": logits["output"]}, fc_out=fc_out)
    step(trainer("MMCosine_trainer.py", "training_step"), model, label, scaling=15)
    theirs = model.unimodal_result["output"].detach().numpy()
    np.testing.assert_allclose(cosine_logits(in_jax(latents), in_jax(weights), 15.0), theirs, atol=1e-6)


def test_mmpareto_weights_of_conflicting_gradients(trainer):
    solver = trainer("MMPareto_trainer.py", "MinNormSolver")
    rng = np.random.default_rng(4)
    compared = 0
    for scale in (0.1, 1.0, 1.0, 5.0, 30.0):
        g0 = rng.normal(size=6)
        g1 = scale * (rng.normal(size=6) - 0.5 * g0)
        if g0 @ g1 > 0:
            continue
        compared += 1
        found, _ = solver.find_min_norm_element([[torch.tensor(g0)], [torch.tensor(g1)]])
        assert float(mmpareto_weight(*map(jnp.asarray, (g0 @ g0, g1 @ g1, g0 @ g1)))) == pytest.approx(
            found[0], abs=1e-6
        )
    assert compared >= 3


class Conflicting(Model):
    """One encoder, whose gradients of the fused loss and of its own point apart."""

    z, turned = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[1.0, 1.0], [-2.0, 0.3]])

    def __init__(self):
        super().__init__({"audio": self.z})
        self.tensors = {"modality_encoder.audio.weight": torch.nn.Parameter(torch.tensor([[0.5, -1.0]]))}

    def __call__(self, batch):
        (weight,) = self.tensors.values()
        output = torch.tensor(self.z) * weight
        self.unimodal_result = {"output": output, "audio": -0.7 * output @ torch.tensor(self.turned)}

    def zero_grad(self):
        (weight,) = self.tensors.values()
        weight.grad = None


def test_mmpareto_trainer_never_sees_a_conflict(trainer):
    """Gradients of the losses pile up, so that all it compares are equal, and its step is 2 alpha times the plain one.

    Were there a conflict, its weights would stay (0, 0), as the solver's result goes to the loop's own variable.
    """
    model, label = Conflicting(), [0, 1]
    ((name, weight),) = model.named_parameters()
    model(None)
    losses = (torch.nn.functional.cross_entropy(u, torch.tensor(label)) for u in model.unimodal_result.values())
    g0, g1 = (torch.autograd.grad(loss, weight, retain_graph=True)[0].numpy() for loss in losses)
    assert np.sum(g0 * g1) < 0
    solver = trainer("MMPareto_trainer.py", "MinNormSolver")
    function = trainer("MMPareto_trainer.py", "training_step", MinNormSolver=solver)
    step(function, model, label, {"audio": [(name, weight)]}, model, alpha=1.5)
    np.testing.assert_allclose(weight.grad, 1.5 * 2 * (g0 + g1), rtol=1e-6)
    share = float(mmpareto_weight(*map(jnp.asarray, (np.sum(g0 * g0), np.sum(g1 * g1), np.sum(g0 * g1)))))
    joined = 2 * share * g0 + 2 * (1 - share) * g1
    assert min(np.sum(joined * g0), np.sum(joined * g1)) > 0 > min(np.sum((g0 + g1) * g0), np.sum((g0 + g1) * g1))


class Blended:
    """A model whose losses over time are given: head to (train, valid) before and after."""

    device, modalitys = "cpu", ("audio", "visual")

    def __init__(self, losses):
        self.losses, self.training = losses, True

    def load_state_dict(self, *_, **__):
        self.epoch = -1

    def state_dict(self):
        return {}

    def train(self):
        self.training, self.epoch = True, self.epoch + 1

    def eval(self):
        self.training = False

    def __call__(self, batch, padding):
        head = "output" if not padding else ({"audio", "visual"} - set(padding)).pop()
        loss = self.losses[head][self.epoch][0 if self.training else 1]
        # Two classes, the label the first: log(1 + exp(x)) is the loss.
        self.unimodal_result = {"output": torch.tensor([[0.0, math.log(math.expm1(loss))]], requires_grad=True)}


def blend(trainer, losses, num_train=1):
    function = trainer("GBlending_trainer.py", "super_epoch_origin", print=lambda *_: None)
    batch = {"label": torch.tensor([0])}
    of_trainer = SimpleNamespace(super_epoch=2, current_epoch=0, progbar_wrapper=lambda loader, **_: loader)
    nothing = SimpleNamespace(zero_grad=int, step=int, load_state_dict=lambda _: None, info=lambda _: None)
    model = Blended(losses)
    weights = function(of_trainer, model, model, math.inf, [batch] * num_train, [batch], nothing, nothing, {})
    return np.array([weights[name] for name in ("audio", "visual", "output")])


def test_gradient_blending(trainer):
    losses = {
        "audio": ((1.3, 1.4), (0.6, 1.1)),
        "visual": ((1.2, 1.3), (0.9, 1.05)),
        "output": ((1.1, 1.25), (0.3, 1.0)),
    }
    before, after = (jnp.asarray([losses[name][k] for name in ("audio", "visual", "output")]).T for k in (0, 1))
    ratios = gain_ratios(before, after)
    ours = ratios / jnp.sum(ratios)
    np.testing.assert_allclose(blend(trainer, losses), ours, atol=1e-6)
    # Sums over loaders, not means: with four batches to train on and one to validate with the weights are others.
    assert np.max(np.abs(blend(trainer, losses, num_train=4) - ours)) > 0.1


def test_gradient_blending_divides_by_zero_there(trainer):
    losses = {name: ((1.3, 1.4), (1.3, 1.4)) for name in ("audio", "visual", "output")}
    with pytest.raises(ZeroDivisionError):
        blend(trainer, losses)
    before = jnp.asarray([[1.3] * 3, [1.4] * 3])
    np.testing.assert_array_equal(gain_ratios(before, before), np.zeros(3))


def run_reconboost(trainer, alpha, epoch):
    label, logits = drawn(2)
    before = np.random.default_rng(6).normal(size=(NUM_SAMPLES, NUM_CLASSES))
    own = torch.tensor(logits["audio"], requires_grad=True)

    class Learners(Model):
        def forward(self, batch, mask_model):
            self.unimodal_result = {"output": torch.tensor(logits["visual"])}

        def modality_model(self, batch, modality):
            return own if modality == "audio" else torch.tensor(before)

    function = trainer("ReconBoost_trainer.py", "training_step1")
    of_trainer = SimpleNamespace(
        current_epoch=epoch, modulation_starts=0, modulation_ends=80, weight1=5, weight2=1, alpha=alpha
    )
    batch = {"label": torch.tensor(label), "audio": None, "visual": None}
    loss = function(of_trainer, Learners(logits), batch, 0, "audio", "visual")
    return loss.detach().numpy(), own.grad.numpy(), (label, logits["audio"], logits["visual"], before)


def test_reconboost(trainer):
    theirs, gradient, (label, own, others, _) = run_reconboost(trainer, 0.5, 0)
    ours, pull_back = jax.vjp(
        lambda own: boosting_losses(own, jnp.asarray(others), jnp.asarray(label), 5.0, 1.0), jnp.asarray(own)
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    np.testing.assert_allclose(pull_back(jnp.full(NUM_SAMPLES, 1 / NUM_SAMPLES))[0], gradient, atol=1e-9)


def test_reconboost_memory_does_nothing_there(trainer):
    """The value of its last term is right and its gradient 0, as both sides are detached."""
    with_memory, same_gradient, (_, own, _, before) = run_reconboost(trainer, 0.5, 3)
    without, gradient, _ = run_reconboost(trainer, 0.5, 0)
    memory = memory_losses(jnp.asarray(own), jnp.asarray(before))
    np.testing.assert_allclose(with_memory - without, np.full(NUM_SAMPLES, 0.5 * jnp.mean(memory)), atol=1e-6)
    np.testing.assert_array_equal(same_gradient, gradient)
    assert (
        jnp.max(jnp.abs(jax.grad(lambda x: jnp.mean(memory_losses(x, jnp.asarray(before))))(jnp.asarray(own)))) > 1e-6
    )


def test_diagnose_relearn_purity(trainer):
    metrics = pytest.importorskip("sklearn.metrics")
    score = trainer("ReLearning_trainer.py", "purity_score", accuracy_score=metrics.accuracy_score)
    rng = np.random.default_rng(7)
    for _ in range(3):
        label, clusters = rng.integers(4, size=60), rng.integers(5, size=60)
        ours = purity(jnp.asarray(clusters), jnp.asarray(label), jnp.ones(60), num_clusters=5, num_classes=4)
        assert score(label.copy(), clusters) == pytest.approx(float(ours), abs=1e-6)
    label = np.array([1, 3, 3])
    score(label, np.array([0, 1, 1]))
    np.testing.assert_array_equal(label, [0, 1, 1])  # the caller's labels were overwritten


def test_diagnose_relearn_sets_back_by_tanh(trainer):
    function = trainer("ReLearning_trainer.py", "reinit", print=lambda *_: None)
    now, start, gap = np.array([2.0, -1.0]), np.array([0.5, 0.5]), 0.2
    parameter = torch.nn.Parameter(torch.tensor(now))
    model = SimpleNamespace(named_parameters=lambda: [("encoder.audio", parameter)], modalitys=["audio"], device="cpu")
    weight = jnp.tanh(3.0 * gap)
    of_trainer = SimpleNamespace(init_params={"encoder.audio": torch.tensor(start)})
    function(of_trainer, model, {"audio": torch.tanh(torch.tensor(3 * gap))})
    np.testing.assert_allclose(parameter.detach(), weight * start + (1 - weight) * now, atol=1e-6)


def test_mla_divides_by_a_matrix_and_adds_there(trainer):
    """k r^T is a matrix where least squares has the scalar r^T k; the projected gradient is added to the plain one."""
    plugin = trainer("MLA_trainer.py", "GSPlugin")
    rng = np.random.default_rng(8)
    width = 512  # theirs is fixed
    latents, gradient = rng.normal(size=(6, width)) + 1, rng.normal(size=(NUM_CLASSES, width))
    parameter = torch.nn.Parameter(torch.zeros(NUM_CLASSES, width))
    parameter.grad = torch.tensor(gradient)
    made = plugin(" ")
    made.before_update(
        SimpleNamespace(named_parameters=lambda: [("weight", parameter)]), torch.tensor(latents), 0, 10, 1
    )
    mean, theirs = latents.mean(axis=0), made.Pl.numpy()
    ours = orthogonal_projection(jnp.eye(width), jnp.asarray(mean), 0.1)
    literal = np.eye(width) - mean[:, None] * mean[None] / (0.1 + mean[:, None] * mean[None])
    np.testing.assert_allclose(theirs, literal / np.linalg.norm(literal), atol=1e-6)
    np.testing.assert_allclose(parameter.grad, gradient + gradient @ theirs.T, atol=1e-6)
    left = [np.linalg.norm(p @ mean) * np.linalg.norm(p) / np.linalg.norm(mean) for p in (ours, theirs)]
    assert left[0] < 1e-2 < left[1]


def test_mla_of_one_feature_is_the_same(trainer):
    """With one feature matrix and scalar agree."""
    made = trainer("MLA_trainer.py", "GSPlugin")(" ")
    made.Pl = torch.ones(1, 1)
    parameter = torch.nn.Parameter(torch.zeros(1, 1))
    parameter.grad = torch.ones(1, 1)
    made.before_update(
        SimpleNamespace(named_parameters=lambda: [("weight", parameter)]), torch.full((4, 1), 2.0), 0, 10, 1
    )
    np.testing.assert_allclose(orthogonal_projection(jnp.ones((1, 1)), jnp.full(1, 2.0), 0.1), made.Pl, atol=1e-6)
