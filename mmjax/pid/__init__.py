"""Room of partial information decomposition (floor 2): certified BROJA of tables.

A decomposition says how much of what two modalities tell about a label is redundant, unique to one of them, or
synergistic. Every number comes with both certified ends of the one optimum it rests on.
"""

from mmjax.pid._broja import PID, broja, broja_from_marginals
from mmjax.pid._pointwise import PointwisePID, pointwise

__all__ = ["PID", "PointwisePID", "broja", "broja_from_marginals", "pointwise"]
