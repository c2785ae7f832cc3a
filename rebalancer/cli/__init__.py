"""The command line: one thin module a command. A command reads its inputs, calls a stage and shows what it returns.

Nothing here is imported at start but what parsing the arguments needs: commands import their stage when they run.
"""

from rebalancer.cli.main import main, run

__all__ = ["main", "run"]
