"""Terminals and pipes: colour, characters that cannot be shown, readers that go away."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.commands import copy_example, rebalance


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_example(tmp_path / "example")


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    ours, theirs = pty.openpty()
    keep = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "rebalancer", *arguments],
            cwd=folder,
            env={**keep, "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as running:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    chunk = os.read(ours, 65536)
                except OSError:
                    break
                if not chunk:
                    break
                shown += chunk
            assert running.wait() == 0
    finally:
        os.close(ours)
    return shown.decode()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_a_terminal_gets_colours_unless_they_are_not_wanted(folder):
    command = ("plan", "-i", "inventory.yaml")
    assert "\x1b[32m" in on_a_terminal(folder, *command)
    assert "\x1b[32m" not in on_a_terminal(folder, *command, NO_COLOR="1")


@pytest.mark.parametrize("columns", ["100", "40"])
def test_progress_on_a_terminal_never_wraps(folder, columns):
    inventory = folder / "inventory.yaml"
    inventory.write_text(inventory.read_text("utf-8").replace("speed=10000", "speed=300"), "utf-8")
    command = ("apply", "-i", "inventory.yaml", "-p", "./policy.yaml", "--yes", "--journal", "journal.sqlite")
    shown = plain(on_a_terminal(folder, *command, COLUMNS=columns))
    assert re.search(r"\bs1 \w", shown)
    assert "All done" in shown
    bars = [line for line in re.split(r"[\r\n]+", shown) if "%" in line and re.search(r"\bs1 \w", line)]
    assert bars
    assert all(len(line) <= int(columns) for line in bars)


def test_a_pipe_gets_no_escapes(folder):
    ended = rebalance("plan", "-i", "inventory.yaml", folder=folder)
    assert "\x1b" not in ended.stdout + ended.stderr


def test_a_terminal_without_unicode_gets_plain_characters(folder):
    ended = rebalance("plan", "-i", "inventory.yaml", folder=folder, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0
    assert ended.stdout.isascii()
    assert "->" in ended.stdout
    assert "\\u" not in ended.stdout


@pytest.mark.parametrize(
    "command", ["plan -i inventory.yaml", "plan -i inventory.yaml --format json", "snapshot -i inventory.yaml"]
)
def test_a_reader_that_goes_away_is_no_traceback(folder, command):
    ended = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m rebalancer {command} | true"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""


def test_a_closed_standard_error_does_not_end_a_run(folder):
    command = "apply -i inventory.yaml -p ./policy.yaml --yes --journal journal.sqlite"
    ended = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m rebalancer {command} 2> >(true)"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0
    assert "All done" in ended.stdout


def test_an_output_that_takes_no_more_is_named_and_is_no_fault_of_ours(folder):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rebalancer", "policy", "list"]
        done = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: cannot write to the standard output: No space left on device\n",
    )


def test_an_output_that_is_closed_is_written_nowhere(folder):
    closed = ["sh", "-c", 'exec "$0" -m rebalancer policy list >&-', sys.executable]
    done = subprocess.run(closed, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
