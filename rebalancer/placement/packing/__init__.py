"""From a problem to flat arrays.

In: a :class:`~rebalancer.placement.problem.Problem`. Out: :class:`Packed`, what :mod:`rebalancer.placement.kernels` run
over, laid out as :mod:`rebalancer.placement.kernels.layout` says.
"""

from rebalancer.placement.packing.problem import Packed, pack

__all__ = ["Packed", "pack"]
