"""Declarative cluster rebalancer and policy engine for virtual machines.

Data flows one way: ``inventory`` and ``drivers`` read hosts into a :class:`~rebalancer.cluster.Cluster`;
``policy`` says what is allowed and good; ``placement`` decides where each domain runs; ``plan`` orders the
migrations; ``execution`` carries them out.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
