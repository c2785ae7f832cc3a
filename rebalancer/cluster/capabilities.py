"""What a host's driver can do, known before anything is planned."""

from __future__ import annotations

from enum import StrEnum

from rebalancer.values import dataclass

__all__ = ["Capabilities", "NameForm"]


class NameForm(StrEnum):
    """What a hypervisor takes for a domain's name."""

    FILE = "file"
    """What a file can be called: libvirt keeps ``NAME.xml`` and ``NAME.log``, and refuses ``/``."""
    NO_NUMBER = "no_number"
    """As FILE, but not digits alone: libxl takes those for the number of a domain (libxl_domain_qualifier_to_domid)."""
    DNS = "dns"
    """Labels of letters, digits and hyphens, joined by dots: Proxmox VE (``pve_verify_dns_name``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What one host supports of a migration; an option that is not offered here is refused at plan time.

    The names of the fields are the keys of ``migration:`` of a host in a snapshot.
    """

    live: bool = False
    """The domain runs on while its memory is copied."""
    offline: bool = False
    """A domain can be moved while it is paused for the whole copy."""
    rename: bool = False
    """The domain can take another name on its way."""
    bandwidth: bool = False
    """A migration takes a cap on its rate."""
    set_bandwidth: bool = False
    """The cap of a running migration can be changed."""
    max_downtime: bool = False
    """The longest pause at switchover can be set."""
    cancel: bool = False
    """A running migration can be cancelled, the domain running on at its source."""
    progress: bool = False
    """A running migration reports bytes processed and remaining."""
    auto_converge: bool = False
    post_copy: bool = False
    dirty_rate: bool = False
    """The rate at which a domain writes to its memory can be measured."""
    transports: tuple[str, ...] = ()
    """How the data may travel: ``tcp``, ``tls``, ``ssh``."""
    names: NameForm = NameForm.FILE
    bandwidth_unit: int = 1
    """Caps are whole multiples of this many bytes per second (libvirt: 1 MiB/s)."""
