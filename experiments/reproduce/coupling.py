"""Experiments, reproduce: the ledger of minimum-entropy couplings."""

import functools
import math

import jax
import numpy as np
from jax import Array

from experiments.reproduce.entry import NO_NUMBER, Entry, Found, Paper, Shown
from experiments.reproduce.once import once
from mmjax import coupling

_OF_MEET = math.log2(math.e)
_OF_LEAST = math.log2(math.e) / math.e
_EXAMPLE = ((0.5, 0.4, 0.1), (0.6, 0.2, 0.2))
_NUM_PAIRS = 2000
_NUM_SETS = 500


def example() -> Found:
    """Return the bounds and the greedy coupling of the example that published code prints."""
    bounds = (coupling.meet_entropy, coupling.profile_bound, coupling.entropy_lower_bound, coupling.entropy_upper_bound)
    found = [float(once(bound, _EXAMPLE)) for bound in bounds]
    agrees = np.allclose(found, [1.48548, 1.66096, 1.76096, 1.76096], atol=6e-6)
    return Found(f"{', '.join(f'{x:.5f}' for x in found)} bit", bool(agrees))


def above_meet() -> Found:
    """Return by how much greedy couplings are above the entropy of the meet, at most."""
    greedy, meet, _ = _bounds()
    most = float(np.max(greedy - meet))
    return Found(f"{most:.3f} bit at most, {_NUM_PAIRS} pairs", most <= _OF_MEET)


def above_least() -> Found:
    """Return by how much greedy couplings are above the best lower bound, and so above the optimum, at most."""
    greedy, _, lower = _bounds()
    most = float(np.max(greedy - lower))
    return Found(f"{most:.3f} bit at most, {_NUM_PAIRS} pairs", most <= _OF_LEAST)


def above_least_of_many() -> Found:
    """Return by how much greedy couplings of eight marginals are above the best lower bound, at most."""
    p = np.random.default_rng(0).dirichlet(np.ones(6), (_NUM_SETS, 8))
    gap = once(jax.vmap(lambda x: coupling.entropy_upper_bound(x) - coupling.entropy_lower_bound(x)), p)
    most = float(np.max(gap))
    return Found(f"{most:.3f} bit at most, {_NUM_SETS} sets", most <= (1 + _OF_MEET) / 2)


def profile() -> Found:
    """Return how far the meet and the profile are below greedy couplings, on average."""
    greedy, meet, lower = _bounds()
    gaps = [float(np.mean(greedy - bound)) for bound in (meet, lower)]
    return Found(f"mean gap to greedy: {gaps[0]:.3f} by the meet, {gaps[1]:.3f} by the profile", gaps[1] < gaps[0])


@functools.cache
def _bounds() -> tuple[Array, Array, Array]:
    """Return the entropy of greedy couplings of random pairs, that of their meets, and the best lower bound."""
    p = np.random.default_rng(0).dirichlet(np.ones(8), (_NUM_PAIRS, 2))

    def bounds(x: Array) -> tuple[Array, Array, Array]:
        return coupling.entropy_upper_bound(x), coupling.meet_entropy(x), coupling.entropy_lower_bound(x)

    return once(jax.vmap(bounds), p)


_ORDER = "tests/coupling/test_majorize_profile.py::test_bounds_are_in_order_about_the_least_entropy"
_MANY = "tests/coupling/test_majorize_profile.py::test_greedy_is_close_to_the_bounds_for_many_marginals"
PAPER = Paper(
    "coupling",
    "Couplings, BROJA",
    "Minimum-entropy couplings and the BROJA decomposition",
    (
        Entry(
            "1701.08254, Algorithm 1",
            "greedy coupling",
            "reproduced",
            "an algorithm",
            "secondary",
            Shown("tests/coupling/test_greedy.py::test_cells_are_those_of_a_plain_program"),
        ),
        Entry(
            "example of the code with 2302.11838",
            "meet, profile, their combination, greedy = least",
            "reproduced",
            "1.48548, 1.66096, 1.76096, 1.76096 bit",
            "code",
            Shown("tests/coupling/test_greedy.py::test_a_literal_coupling", example),
        ),
        Entry(
            "Cicalese, Gargano, Vaccaro 2019",
            "an algorithm within 1 bit of the optimum, two marginals",
            "not attempted",
            "1 bit",
            "secondary",
            why="Their meet is the lower bound here; couplings are greedy ones, with the tighter guarantee below.",
        ),
        Entry(
            "Li 2021",
            "an algorithm within 2 bits, any number of marginals",
            "not attempted",
            "2 bit",
            "secondary",
            why="Greedy couplings have a tighter guarantee.",
        ),
        Entry(
            "2203.05108, theorem",
            "greedy <= entropy of the meet + log2 e, any number",
            "reproduced",
            "1.4427 bit",
            "paper",
            Shown(_MANY, above_meet),
        ),
        Entry(
            "2302.11838, theorem, two marginals",
            "greedy <= optimum + log2(e) / e",
            "reproduced",
            "0.5307 bit",
            "abstract",
            Shown(_ORDER, above_least),
            "Above the lower bound, which is below the optimum.",
        ),
        Entry(
            "2302.11838, theorem, any number",
            "greedy <= optimum + (1 + log2 e) / 2",
            "reproduced",
            "1.2213 bit",
            "abstract",
            Shown(_MANY, above_least_of_many),
            "Eight marginals; above the lower bound, which is below the optimum.",
        ),
        Entry(
            "2302.11838, lower bound",
            "profile, above the meet",
            "reproduced",
            NO_NUMBER,
            "abstract",
            Shown(_ORDER, profile),
            "With its combination with the meet, which the code with the paper has.",
        ),
        Entry(
            "2509.19598",
            "polynomial-time approximation to any error",
            "not attempted",
            NO_NUMBER,
            "abstract",
            why="Of theoretical interest: exponents of its running time are exponential.",
        ),
        Entry(
            "1709.07487",
            "BROJA by alternating projections",
            "reproduced",
            NO_NUMBER,
            "abstract",
            Shown("tests/pid/test_certificate.py"),
            "One sweep each, as a start for an interior-point method; both ends are certified.",
        ),
        Entry(
            "1311.2852, examples",
            "R, U1, U2, S of gates",
            "reproduced",
            "in closed form",
            "secondary",
            Shown("tests/pid/test_broja.py::test_gates"),
        ),
    ),
)
