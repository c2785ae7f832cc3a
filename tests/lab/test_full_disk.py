"""The journal on a disk that is full or read-only: nothing is started, and what runs is finished."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import copy_example

from .shell import run

SIZE = 1024 * 1024


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.filler = path / "filler"

    def fill(self) -> None:
        """To the last byte: what fails is what was to be shown."""
        with self.filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4096)
            except OSError:
                return

    def make_room(self) -> None:
        self.filler.unlink()

    def make_read_only(self) -> None:
        run(["mount", "-o", "remount,ro", str(self.path)])


@pytest.fixture
def disk(lab_can_run: None, tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "disk").mkdir()
    run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(tmp_path / "disk")])
    try:
        yield Disk(tmp_path / "disk")
    finally:
        run(["umount", str(tmp_path / "disk")])


def rebalance(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "rebalancer", *arguments, "--journal", "../disk/journal.sqlite"]


def ended(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        rebalance(*arguments), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


HOSTS = ("-i", "inventory.yaml")
APPLY = ("apply", *HOSTS, "-p", "./policy.yaml", "--yes")


@pytest.mark.parametrize("trouble", ["full", "full when the journal is there", "read-only", "read-only, journal there"])
def test_nothing_is_started(disk: Disk, tmp_path: Path, trouble: str) -> None:
    folder = copy_example(tmp_path / "example")
    if "there" in trouble:
        assert ended(folder, *APPLY).returncode == 0
        folder = copy_example(tmp_path / "second")
    before = (folder / "world.yaml").read_bytes()
    if "full" in trouble:
        disk.fill()
    else:
        disk.make_read_only()
    refused = ended(folder, *APPLY)
    assert refused.returncode == 1
    assert "error: cannot " in refused.stderr
    assert "the journal ../disk/journal.sqlite: " in refused.stderr
    assert "Traceback" not in refused.stderr
    assert (folder / "world.yaml").read_bytes() == before
    assert not (folder / ".world.yaml.running").exists()
    if "there" in trouble:
        looked = ended(folder, "runs")
        assert looked.returncode == 0, looked.stderr
        assert "5 of 5" in looked.stdout


def test_a_disk_that_fills_in_mid_run(disk: Disk, tmp_path: Path) -> None:
    folder = copy_example(tmp_path / "example", speed=100)
    with subprocess.Popen(rebalance(*APPLY), cwd=folder, stdout=-1, stderr=-1, text=True) as running:
        assert running.stderr is not None
        seen = ""
        while "started" not in seen:
            seen += running.stderr.readline()
        disk.fill()
        out, _ = running.communicate(timeout=120)
    assert running.returncode == 4
    assert "cannot write the journal ../disk/journal.sqlite: " in " ".join(out.split())
    assert "done" in out, "what ran was finished"
    assert "not started" in out
    disk.make_room()
    resumed = ended(folder, "resume", *HOSTS)
    assert resumed.returncode == 0, resumed.stderr
    assert "Run 1: 5 done" in resumed.stdout
