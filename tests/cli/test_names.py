"""Names come from hosts and may hold anything: none reaches a terminal as more than text, none a shell at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NAMES = [
    "$(touch pwned)",
    "a;b 'c\"",
    "\x1b[2J\x1b]0;owned\x07",
    "[red]x[/red]",
    ":smile:",
    "line\nbreak",
    "\u202egnp.exe",
    "[/]",
    "x" * 200,
]


@pytest.fixture
def hostile(example: Path) -> Path:
    world = example / "world.yaml"
    text = world.read_text("utf-8")
    for name, evil in zip(
        ["web1", "web2", "web3", "web4", "cache", "build", "mail", "wiki", "database"], NAMES, strict=True
    ):
        text = text.replace(f"name: {name},", f"name: {json.dumps(evil)},", 1)
    world.write_text(text, "utf-8")
    return example


@pytest.mark.parametrize("columns", [160, 80, 40])
@pytest.mark.parametrize(
    "arguments", [("plan",), ("check",), ("hosts",), ("apply", "--yes"), ("evacuate", "h1", "--yes")]
)
def test_hostile_names_are_only_text(arguments, columns, hostile, cli):
    ended = cli(*arguments, *(() if arguments == ("hosts",) else ("-p", "balance")), columns=columns)
    assert ended.status == 0
    for text in (ended.out, ended.err):
        assert all(char.isprintable() or char == "\n" for char in text)
    assert not list(hostile.glob("pwned*"))


def test_they_are_shown_as_they_are(hostile, cli):
    ended = cli("evacuate", "h1", "--yes", columns=200)
    for shown in [
        "$(touch pwned)",
        "a;b 'c\"",
        r"\x1b[2J\x1b]0;owned\x07",
        "[red]x[/red]",
        ":smile:",
        r"line\nbreak",
        "[/]",
    ]:
        assert shown in ended.out


def test_a_hostile_host_name_in_an_argument(hostile, cli):
    ended = cli("evacuate", "\x1b[2Jh1")
    assert ended.status == 1
    assert "\x1b" not in ended.err


def test_a_hostile_file_name(hostile, cli):
    ended = cli("plan", "-p", "./\x1b[2J.yaml")
    assert ended.status == 1
    assert "\x1b" not in ended.err
