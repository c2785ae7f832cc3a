"""The lab as fixtures: `lab` is brought up once a session, `clean_lab` is the same one, emptied after each test."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cluster import Lab
from .commands import Rebalance
from .requirements import skip_or_fail, what_is_missing

_HERE = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "lab: needs, or belongs to, the lab of real hosts (tests/lab)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if item.path.is_relative_to(_HERE):
            item.add_marker("lab")


@pytest.fixture(scope="session")
def lab_can_run() -> None:
    """For tests that bring up a lab of their own."""
    if reason := what_is_missing():
        skip_or_fail(reason)


@pytest.fixture(scope="session")
def lab(lab_can_run: None) -> Iterator[Lab]:
    """Four hosts. What a test changes here, the next one finds changed: see `clean_lab`."""
    # A run that is told to end, as by timeout(1), ends as with Ctrl-C: with its finalizers, so without the lab.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Lab(hosts=4) as running:
            yield running
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def clean_lab(lab: Lab) -> Iterator[Lab]:
    """The lab without guests, its links whole, its daemons running; put back so after the test."""
    try:
        yield lab
    finally:
        lab.reset()


@pytest.fixture
def prepare(clean_lab: Lab, tmp_path: Path) -> Callable[..., Rebalance]:
    """Makes an inventory of the first ``hosts`` hosts and gives a command line for it."""

    def make(hosts: int = 3, **inventory: object) -> Rebalance:
        path = clean_lab.write_inventory(tmp_path / "inventory.yaml", hosts=clean_lab.hosts[:hosts], **inventory)  # type: ignore[arg-type, unused-ignore]
        return Rebalance(tmp_path, path)

    return make
