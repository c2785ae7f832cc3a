"""``python -m rebalancer`` is ``rebalance``."""

from rebalancer.cli import main

main()
