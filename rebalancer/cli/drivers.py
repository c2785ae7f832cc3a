"""``rebalance drivers``"""

from __future__ import annotations

import json

from rebalancer.cli.options import Format, OutputFormat
from rebalancer.cli.status import ExitStatus

__all__ = ["drivers"]


def drivers(output: OutputFormat = Format.TEXT) -> ExitStatus:
    """The installed drivers, by the names to give in an inventory."""
    from rebalancer.drivers import driver_names

    if output is Format.JSON:
        print(json.dumps({"drivers": driver_names()}, indent=1))
    else:
        print("\n".join(driver_names()))
    return ExitStatus.DONE
