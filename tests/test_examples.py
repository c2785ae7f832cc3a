"""The examples run, and the README shows what the program prints."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rebalancer.cli import run
from rebalancer.cli.demo import COMMANDS
from tests.cli.commands import ROOT
from tests.readme import updated

EXAMPLES = ROOT / "examples"


@pytest.fixture
def in_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "examples"
    shutil.copytree(EXAMPLES, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return folder


def test_the_readme_is_what_the_program_prints():
    text = (ROOT / "README.md").read_text("utf-8")
    assert updated(text) == text, "make update-readme"


def test_the_demo_shows_the_commands_of_the_readme():
    text = (ROOT / "README.md").read_text("utf-8")
    for _, arguments, _ in COMMANDS[1:3]:
        start = " ".join(["rebalance", *arguments[:2]])
        assert f"$ {start}" in text


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("check", "--snapshot", "cluster.yaml", "-p", "./policy.yaml"), (0, 3)),
        (("plan", "--snapshot", "cluster.yaml", "-p", "./policy.yaml"), (0,)),
        (("plan", "--snapshot", "cluster.yaml", "-p", "consolidate"), (0,)),
        (("hosts", "--snapshot", "cluster.yaml"), (0,)),
        (("policy", "validate", "policy.yaml", "quickstart/policy.yaml"), (0,)),
        (("place", "quickstart/domains.yaml", "--snapshot", "cluster.yaml", "-p", "./policy.yaml"), (0, 3)),
        (("simulate", "--snapshot", "cluster.yaml", "-p", "./policy.yaml"), (0, 3)),
        (("plan", "-i", "simulated/inventory.yaml", "-p", "balance"), (0,)),
        (("plan", "-i", "simulated/inventory.yaml", "-p", "evacuate"), (0,)),
    ],
)
def test_an_example_runs(arguments, status, in_a_copy, capfd):
    assert run(arguments) in status
    assert "error:" not in capfd.readouterr().err
