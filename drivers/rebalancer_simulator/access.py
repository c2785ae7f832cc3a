"""What a simulated host refuses: to answer during an outage, and options that it does not offer."""

from __future__ import annotations

from rebalancer.cluster import Capabilities, Host
from rebalancer.cluster.units import BytesPerSecond
from rebalancer.drivers import MigrationOptions
from rebalancer.errors import HostAnswerInvalid, HostUnreachable, Unsupported
from rebalancer_simulator.faults import OutageKind
from rebalancer_simulator.simulation import Simulation

__all__ = ["require_answer", "require_options", "require_unit"]


def require_answer(simulation: Simulation, name: str) -> Host:
    """The host as it is now, if it answers."""
    host = simulation.host(name)
    if host is None:
        raise HostUnreachable(name, "the simulated world has no such host")
    if not host.readable:
        raise HostUnreachable(name, f"is {host.state}" + (f": {host.reason}" if host.reason else ""))
    outage = simulation.faults.outage(name, simulation.now)
    if outage is OutageKind.GARBAGE:
        raise HostAnswerInvalid(name, "cannot understand the answer '\\x00\\xff…'")
    if outage is OutageKind.DAEMON:
        raise HostUnreachable(name, "Failed to connect socket to '/var/run/libvirt/libvirt-sock': Connection refused")
    if outage is not None:
        raise HostUnreachable(name, "timed out")
    return host


def require_options(host: str, offers: Capabilities, options: MigrationOptions) -> None:
    """Raises :class:`~rebalancer.errors.Unsupported` for the first option that the host does not offer."""
    asked = {
        "live": options.live and not offers.live,
        "offline": not options.live and not offers.offline,
        "rename": options.new_name is not None and not offers.rename,
        "bandwidth": options.bandwidth is not None and not offers.bandwidth,
        "max_downtime": options.max_downtime is not None and not offers.max_downtime,
        "auto_converge": options.auto_converge and not offers.auto_converge,
        "post_copy": options.post_copy and not offers.post_copy,
        f"transport {options.transport}": options.transport is not None and options.transport not in offers.transports,
    }
    for option, refused in asked.items():
        if refused:
            raise Unsupported(host, option)
    if options.bandwidth is not None:
        require_unit(host, offers, options.bandwidth)


def require_unit(host: str, offers: Capabilities, bandwidth: BytesPerSecond) -> None:
    """Less than one unit would round to 0, which hypervisors take for 'unlimited'."""
    if bandwidth < offers.bandwidth_unit:
        raise Unsupported(host, "bandwidth", f"{bandwidth:.0f} bytes/s is less than {offers.bandwidth_unit} bytes/s")
