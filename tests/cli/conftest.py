"""A simulated cluster for each test, and command lines run on it inside this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rebalancer.cli import run
from tests.cli.commands import copy_example


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The quickstart example, as the current directory; its inventory is the default one."""
    folder = copy_example(tmp_path / "example")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("REBALANCE_INVENTORY", "inventory.yaml")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """``cli("plan", "-p", "balance", columns=40)``"""

    def call(*arguments: str, columns: int = 80) -> Ended:
        monkeypatch.setenv("COLUMNS", str(columns))
        capfd.readouterr()
        status = run(arguments)
        out, err = capfd.readouterr()
        return Ended(status, out, err)

    return call
