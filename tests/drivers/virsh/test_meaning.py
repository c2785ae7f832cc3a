"""What is made of libvirt's words."""

from __future__ import annotations

import pytest
from rebalancer_virsh.meaning import meaning


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "Disconnected from qemu:///system due to end of file; End of file while reading data: Input/output error",
            "its libvirt daemon ended, or was restarted, as 'web' moved",
        ),
        (
            "Disconnected from qemu:///system due to keepalive timeout; connection closed due to keepalive timeout",
            "its libvirt daemon stopped answering as 'web' moved",
        ),
        (
            "internal error: client socket is closed",
            "its connection to h2's libvirt broke as 'web' moved: the daemon there ended, or the link did",
        ),
        (
            "internal error: connection closed due to keepalive timeout",
            "h2's libvirt daemon did not answer for as long as keepalive_count of qemu.conf allows",
        ),
        (
            "unable to connect to server at 'h2:16509': Connection refused",
            "it cannot reach h2's libvirt daemon",
        ),
        ("operation failed: domain is not running", "'web' was switched off, or its process ended, as it moved"),
        (
            "Requested operation is not valid: another migration job is already running for domain 'web'",
            "somebody else is migrating 'web'",
        ),
    ],
)
def test_what_it_means_is_said(words: str, told: str) -> None:
    assert meaning(words, "web", "h2") == told


@pytest.mark.parametrize("words", ["", "operation failed: migration out job: unexpectedly failed"])
def test_nothing_is_made_up(words: str) -> None:
    assert meaning(words, "{web}", "h2") is None


def test_names_are_data() -> None:
    assert (
        meaning("domain is not running", "{host}", "h2")
        == "'{host}' was switched off, or its process ended, as it moved"
    )
